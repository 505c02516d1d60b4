/*
 * Objects written as upstream's generated code writes them (gogo protobuf, proto2): fields in the
 * order of their numbers, every value that is no pointer in Go even when it is zero, maps by key.
 *
 * The message grows from its end to its front, so that what stands before a length is written when
 * the length is known: fields go from the highest number to the lowest, and lists from last to
 * first.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "codec/time.h"
#include "schema/protobuf.h"
#include "schema/protobuf_int.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };
enum { NUMBERS = 256, FIRST_BYTES = 1024 };

struct encode {
    struct arena scratch;
    char *p;
    size_t cap, used; /* the last `used` bytes of p are live */
    bool failed;
};

/* ---- bytes, from the end ---- */

static char *room(struct encode *e, size_t n)
{
    if (e->failed)
        return NULL;
    if (e->cap - e->used < n) {
        size_t cap = e->cap ? e->cap : FIRST_BYTES;
        while (cap - e->used < n && cap < LIMIT_REQUEST_ARENA)
            cap *= 2;
        char *p = cap - e->used < n ? NULL : mem_alloc(cap);
        if (!p) {
            e->failed = true;
            return NULL;
        }
        if (e->used)
            memcpy(p + cap - e->used, e->p + e->cap - e->used, e->used);
        mem_free(e->p);
        e->p = p;
        e->cap = cap;
    }
    e->used += n;
    return e->p + e->cap - e->used;
}

static void push(struct encode *e, struct str s)
{
    char *to = room(e, s.n);
    if (to && s.n)
        memcpy(to, s.p, s.n);
}

static void push_varint(struct encode *e, uint64_t v)
{
    char text[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        text[n++] = (char)(v | 0x80);
    text[n++] = (char)v;
    push(e, str_make(text, n));
}

static void push_key(struct encode *e, uint32_t number, enum wire wire)
{
    push_varint(e, (uint64_t)number << 3 | wire);
}

/* What was pushed since `end` becomes field `number`. */
static void close_message(struct encode *e, uint32_t number, size_t end)
{
    push_varint(e, e->used - end);
    push_key(e, number, WIRE_BYTES);
}

static void push_text(struct encode *e, uint32_t number, struct str s)
{
    push(e, s);
    push_varint(e, s.n);
    push_key(e, number, WIRE_BYTES);
}

static void push_int(struct encode *e, uint32_t number, int64_t v)
{
    push_varint(e, (uint64_t)v);
    push_key(e, number, WIRE_VARINT);
}

/* ---- values ---- */

static void push_struct(struct encode *e, const struct schema_type *type, const struct json *o);

static void push_base64(struct encode *e, uint32_t number, struct str text)
{
    size_t end = e->used, n = 0;
    char *bytes = arena_alloc(&e->scratch, text.n + 1);
    if (!bytes || base64_decode(bytes, &n, text) < 0)
        n = 0; /* stored objects were checked: only memory can lack */
    e->failed = e->failed || !bytes;
    push(e, str_make(bytes, n));
    close_message(e, number, end);
}

static void push_time(struct encode *e, const struct json *j)
{
    int64_t us;
    if (time_parse(json_str(j), &us, NULL) < 0)
        return; /* zero: an empty message */
    int64_t s = us / 1000000, part = us % 1000000;
    if (part < 0) {
        part += 1000000;
        s--;
    }
    push_int(e, 2, part * 1000);
    push_int(e, 1, s);
}

static void push_int_or_string(struct encode *e, const struct json *j)
{
    bool text = json_is(j, JSON_STRING);
    push_text(e, 3, text ? json_str(j) : STR(""));
    push_int(e, 2, text ? 0 : json_i64(j, 0));
    push_int(e, 1, text);
}

static void push_raw(struct encode *e, const struct json *j)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, LIMIT_REQUEST_ARENA);
    if (!j)
        return;
    json_write(&text, j);
    e->failed = e->failed || text.failed;
    push_text(e, 1, buf_str(&text));
}

static void push_double(struct encode *e, uint32_t number, const struct json *j)
{
    double v = json_is(j, JSON_DOUBLE) ? j->number : (double)json_i64(j, 0);
    uint64_t bits;
    char text[8];
    memcpy(&bits, &v, sizeof bits);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(bits >> (8 * i));
    push(e, str_make(text, sizeof text));
    push_key(e, number, WIRE_FIXED64);
}

/* Elements of a list as field `number`, from the last to the first. */
static void push_list(struct encode *e, uint32_t number, const struct json *list,
                      void (*element)(struct encode *e, uint32_t number, const struct json *j))
{
    uint32_t n = json_count(list), i = n;
    const struct json **all = arena_alloc(&e->scratch, (n ? n : 1) * sizeof(struct json *));
    if (!all) {
        e->failed = true;
        return;
    }
    for (const struct json *m = json_first(list); m; m = m->next)
        all[--i] = m;
    for (i = 0; i < n; i++)
        element(e, number, all[i]);
}

static void push_name(struct encode *e, uint32_t number, const struct json *j)
{
    push_text(e, number, json_str(j));
}

static void push_props(struct encode *e, uint32_t number, const struct json *j)
{
    size_t end = e->used;
    push_struct(e, schema_type_find(STR(PROTOBUF_SCHEMA_PROPS)), j);
    close_message(e, number, end);
}

static void push_choice(struct encode *e, enum protobuf_choice choice, const struct json *j)
{
    bool list = json_is(j, JSON_ARRAY);
    if (choice == CHOICE_BOOL) {
        if (json_is(j, JSON_OBJECT))
            push_props(e, 2, j);
        push_int(e, 1, json_is(j, JSON_OBJECT) || json_bool(j, false));
    } else if (list) {
        push_list(e, 2, j, choice == CHOICE_NAMES ? push_name : push_props);
    } else {
        push_props(e, 1, j);
    }
}

static void push_message(struct encode *e, const struct schema_field *f, uint32_t number,
                         const struct json *j)
{
    size_t end = e->used;
    switch (schema_field_shape(f)) {
    case SCHEMA_INT_OR_STRING:
        push_int_or_string(e, j);
        break;
    case SCHEMA_QUANTITY:
        push_text(e, 1, j ? json_str(j) : STR("0"));
        break;
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        push_time(e, j);
        break;
    case SCHEMA_STRUCT:
        push_struct(e, schema_field_type(f), j);
        break;
    default:
        if (protobuf_choice_of(f) != CHOICE_NONE)
            push_choice(e, protobuf_choice_of(f), j);
        /* CustomResourceSubresourceStatus: a message without fields */
        else if (schema_field_shape(f) != SCHEMA_OBJECT || json_count(j) ||
                 !cstr_eq(schema_field_name(f), "status"))
            push_raw(e, j);
        break;
    }
    close_message(e, number, end);
}

/* One value; j NULL: Go's zero. */
static void push_value(struct encode *e, const struct schema_field *f, uint32_t number,
                       const struct json *j)
{
    switch (schema_field_shape(f)) {
    case SCHEMA_STRING:
        push_text(e, number, json_str(j));
        break;
    case SCHEMA_BYTES:
        push_base64(e, number, json_str(j));
        break;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        push_int(e, number, json_i64(j, 0));
        break;
    case SCHEMA_BOOL:
        push_int(e, number, json_bool(j, false));
        break;
    case SCHEMA_DOUBLE:
        push_double(e, number, j);
        break;
    default:
        push_message(e, f, number, j);
        break;
    }
}

/* ---- maps ---- */

static int by_key(const void *a, const void *b)
{
    const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;
    return str_cmp(x->key, y->key);
}

static void push_map(struct encode *e, const struct schema_field *f, uint32_t number,
                     const struct json *map)
{
    uint32_t n = json_count(map), i = 0;
    const struct json **all = arena_alloc(&e->scratch, (n ? n : 1) * sizeof(struct json *));
    if (!all) {
        e->failed = true;
        return;
    }
    for (const struct json *m = json_first(map); m; m = m->next)
        all[i++] = m;
    qsort(all, n, sizeof(struct json *), by_key);
    while (i-- > 0) {
        size_t end = e->used;
        if (schema_field_wrap(f) == SCHEMA_MAP_OF_ARRAY) {
            push_list(e, 1, all[i], push_name);
            close_message(e, 2, end);
        } else if (!json_is(all[i], JSON_NULL)) {
            push_value(e, f, 2, all[i]);
        } else if (schema_field_shape(f) != SCHEMA_BYTES) {
            push_value(e, f, 2, NULL);
        }
        push_text(e, 1, all[i]->key);
        close_message(e, number, end);
    }
}

/* ---- messages ---- */

static void push_field(struct encode *e, const struct schema_field *f, uint32_t number,
                       const struct json *o)
{
    const struct json *j = json_get(o, schema_field_name(f));
    const struct json **all;
    uint32_t n = json_count(j), i = n;
    enum schema_shape shape = schema_field_shape(f);
    if (json_is(j, JSON_NULL))
        j = NULL;
    switch (schema_field_wrap(f)) {
    case SCHEMA_ARRAY:
        all = arena_alloc(&e->scratch, (n ? n : 1) * sizeof(struct json *));
        e->failed = e->failed || !all;
        for (const struct json *m = json_first(j); all && m; m = m->next)
            all[--i] = m;
        for (i = 0; all && i < n; i++)
            push_value(e, f, number, all[i]);
        break;
    case SCHEMA_MAP:
    case SCHEMA_MAP_OF_ARRAY:
        push_map(e, f, number, j);
        break;
    default:
        if (j || !(schema_field_pointer(f) || shape == SCHEMA_BYTES))
            push_value(e, f, number, j);
    }
}

static void push_embedded(struct encode *e, const struct schema_type *type,
                          const struct protobuf_embedded *m, uint32_t number, const struct json *o)
{
    size_t end = e->used;
    for (uint32_t n = NUMBERS - 1; n > 0; n--) {
        const struct schema_field *f = protobuf_embedded_field(type, m, n);
        const struct protobuf_embedded *inner =
            m->message ? protobuf_embedded_of(m->message, n) : NULL;
        if (inner)
            push_embedded(e, type, inner, n, o);
        else if (f)
            push_field(e, f, n, o);
    }
    close_message(e, number, end);
}

static void push_struct(struct encode *e, const struct schema_type *type, const struct json *o)
{
    const char *name = schema_type_short_name(type);
    const struct schema_field *at[NUMBERS] = {0};
    uint32_t highest = 0;
    for (size_t i = 0; i < schema_type_field_count(type); i++) {
        uint8_t number = schema_fields[type->field_first + i].protobuf_number;
        at[number] = schema_type_field_at(type, i);
        highest = number > highest ? number : highest;
    }
    const struct protobuf_embedded *m = NULL;
    for (uint32_t n = 1; n < 4 && !m; n++) /* messages are embedded as one of the first fields */
        if ((m = protobuf_embedded_of(name, n)) && n > highest)
            highest = n;
    for (uint32_t n = highest; n > 0; n--) {
        if (m && m->number == n)
            push_embedded(e, type, m, n, o);
        else if (at[n])
            push_field(e, at[n], n, o);
    }
}

/* Only its metadata, which is all that PartialObjectMetadata has. */
static void push_partial(struct encode *e, const struct json *o)
{
    static const char object_meta[] = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    size_t end = e->used;
    push_struct(e, schema_type_find(str_of(object_meta)), json_get(o, "metadata"));
    close_message(e, 1, end);
}

static void push_object(struct encode *e, const struct schema_type *type, const struct json *o)
{
    if (type)
        push_struct(e, type, o);
    else
        push_partial(e, o);
}

/* ---- the envelope ---- */

/* Content encoding and content type, which upstream always writes, and always empty. */
static const char tail[] = {0x1a, 0, 0x22, 0};

static void start(struct encode *e)
{
    *e = (struct encode){0};
    arena_init(&e->scratch, LIMIT_REQUEST_ARENA);
}

static int done(struct encode *e, struct buf *out)
{
    bool failed = e->failed || e->scratch.failed;
    if (!failed)
        buf_append(out, e->p + e->cap - e->used, e->used);
    arena_done(&e->scratch);
    mem_free(e->p);
    return failed || out->failed ? -E_NOMEM : 0;
}

/* What was pushed behind the tail is the object. */
static void push_envelope(struct encode *e, struct str version, struct str kind)
{
    close_message(e, 2, sizeof tail);
    size_t end = e->used;
    push_text(e, 2, kind);
    push_text(e, 1, version);
    close_message(e, 1, end);
    push(e, str_make("k8s", 4));
}

int protobuf_encode(const struct schema_type *type, const struct json *object, struct buf *out)
{
    struct encode e;
    start(&e);
    push(&e, str_make(tail, sizeof tail));
    push_object(&e, type, object);
    push_envelope(&e, json_str(json_get(object, "apiVersion")), json_str(json_get(object, "kind")));
    return done(&e, out);
}

int protobuf_encode_item(const struct schema_type *type, const struct json *object, struct buf *out)
{
    struct encode e;
    start(&e);
    size_t end = e.used;
    push_object(&e, type, object);
    close_message(&e, 2, end);
    return done(&e, out);
}

int protobuf_encode_list(struct str version, struct str kind, const struct json *metadata,
                         struct str items, struct buf *out)
{
    static const char list_meta[] = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
    struct encode e;
    start(&e);
    push(&e, str_make(tail, sizeof tail));
    push(&e, items);
    size_t end = e.used;
    push_struct(&e, schema_type_find(str_of(list_meta)), metadata);
    close_message(&e, 1, end);
    push_envelope(&e, version, kind);
    return done(&e, out);
}

int protobuf_encode_event(const char *type, struct str object, struct buf *out)
{
    struct encode e;
    start(&e);
    push_text(&e, 1, object);
    close_message(&e, 2, 0);
    push_text(&e, 1, str_of(type));
    uint32_t n = (uint32_t)e.used;
    char size[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    push(&e, str_make(size, sizeof size));
    return done(&e, out);
}
