/*
 * What a conversion webhook answers: what is taken of it has the version that was asked for, the
 * identity that it had and a form that can be read back; all else gets a bounded message.
 *
 * The first byte chooses: 1 asks in v1beta1, 2 asks about one object and not two, 4 leaves as many
 * 64 bytes of memory as the second byte says.
 */
#include "api/crd/conversion.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IN_V1BETA1 = 1, ONE_OBJECT = 2, TIGHT = 4, MESSAGE_MOST = 700 };

static const char first[] =
    "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\","
    "\"namespace\":\"ns\",\"uid\":\"u-1\",\"resourceVersion\":\"7\",\"labels\":{\"l\":\"1\"},"
    "\"annotations\":{\"n\":\"1\"},\"finalizers\":[\"example.com/f\"],"
    "\"generation\":3},\"spec\":{}}";
static const char second[] =
    "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"b\","
    "\"namespace\":\"ns\",\"uid\":\"u-2\"},\"spec\":{\"size\":2}}";

static struct json *asked(struct arena *a, bool one)
{
    struct json *objects = json_new(a, JSON_ARRAY), *o;
    if (json_parse(a, str_of(first), NULL, &o, NULL) == 0)
        json_append(a, objects, o);
    if (!one && json_parse(a, str_of(second), NULL, &o, NULL) == 0)
        json_append(a, objects, o);
    ASSERT(json_count(objects) == (one ? 1 : 2));
    return objects;
}

static void look_at_map(const struct json *map)
{
    ASSERT(!map || json_is(map, JSON_OBJECT));
    for (const struct json *m = json_first(map); m; m = m->next)
        ASSERT(json_is(m, JSON_STRING));
}

static void look_at_object(struct arena *a, const struct json *before, const struct json *object)
{
    struct json *had = json_clone(a, json_get(before, "metadata")),
                *has = json_clone(a, json_get(object, "metadata")), *again;
    struct buf text CLEANUP_BUF;
    buf_init(&text, 16 * 1024 * 1024);
    ASSERT(str_is(json_path_str(object, "apiVersion"), "example.com/v2"));
    ASSERT(str_is(json_path_str(object, "kind"), "Widget"));
    look_at_map(json_get(has, "labels"));
    look_at_map(json_get(has, "annotations"));
    json_remove(had, "labels");
    json_remove(had, "annotations");
    json_remove(has, "labels");
    json_remove(has, "annotations");
    ASSERT(json_equal(had, has));
    ASSERT(json_check_limits(object, NULL) == 0);
    json_write(&text, object);
    ASSERT(json_parse(a, buf_str(&text), NULL, &again, NULL) == 0);
}

static void look(struct arena *a, const struct json *objects, const struct json *converted)
{
    ASSERT(json_is(converted, JSON_ARRAY) && json_count(converted) == json_count(objects));
    const struct json *before = json_first(objects);
    for (const struct json *o = json_first(converted); o; o = o->next, before = before->next)
        look_at_object(a, before, o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a CLEANUP_ARENA, answer CLEANUP_ARENA;
    const char *message = NULL;
    arena_init(&a, 256 << 20);
    arena_init(&answer, LIMIT_REQUEST_ARENA);
    if (size < 2)
        return 0;
    if (data[0] & TIGHT)
        arena_init(&answer, 64 * (size_t)data[1]);
    struct json *objects = asked(&a, data[0] & ONE_OBJECT);
    struct conversion_question q = {
        .version = data[0] & IN_V1BETA1 ? CRD_GROUP "/v1beta1" : CRD_GROUP "/v1",
        .uid = "uid-1",
        .desired = "example.com/v2",
        .kind = "example.com/v1, Kind=Widget",
        .objects = objects};
    const struct json *converted =
        conversion_answer(&q, &answer, str_make(data + 2, size - 2), &message);
    ASSERT(json_equal(objects, asked(&a, data[0] & ONE_OBJECT)));
    if (converted) {
        ASSERT(!answer.failed);
        look(&a, objects, converted);
    } else {
        ASSERT(message || answer.failed);
        ASSERT(!message || str_starts(str_of(message), STR("conversion webhook for example.com/")));
        ASSERT(!message || strlen(message) <= MESSAGE_MOST);
    }
    return 0;
}
