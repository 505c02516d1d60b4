/* The stored form of objects and what is kept decoded beside it. See api_int.h. */
#include "api/api_int.h"
#include "api/crd/conversion.h"
#include "base/assert.h"
#include "codec/time.h"

const char *storage_group(const char *group, const char *resource)
{
    if (!group[0] || (cstr_eq(resource, "events") && cstr_eq(group, "events.k8s.io")))
        return "core";
    return group;
}

struct str object_key_of(struct arena *a, const char *group, const char *resource, struct str ns,
                         struct str name)
{
    struct str parts[] = {
        STR("/"), str_of(storage_group(group, resource)), STR("/"), str_of(resource), STR("/"), ns,
        ns.n ? STR("/") : STR(""), name};
    return arena_join(a, parts, sizeof parts / sizeof parts[0]);
}

struct str object_key(struct arena *a, const struct schema_resource *res, struct str ns,
                      struct str name)
{
    return object_key_of(a, schema_resource_group(res), schema_resource_plural(res), ns, name);
}

void object_key_split(struct str key, bool namespaced, struct str *ret_ns, struct str *ret_name)
{
    size_t at = key.n;
    while (at > 0 && key.p[at - 1] != '/')
        at--;
    *ret_name = str_make(key.p + at, key.n - at);
    *ret_ns = STR("");
    if (!namespaced || at == 0)
        return;
    size_t end = --at;
    while (at > 0 && key.p[at - 1] != '/')
        at--;
    *ret_ns = str_make(key.p + at, end - at);
}

static void set_revision(struct arena *a, struct json *object, int64_t revision)
{
    struct buf digits CLEANUP_BUF;
    buf_init(&digits, 24);
    buf_put_i64(&digits, revision);
    if (revision > 0)
        json_set_cstr(a, json_get(object, "metadata"), "resourceVersion", buf_cstr(&digits));
}

int object_metadata(struct arena *a, struct str stored, int64_t revision, struct json **ret)
{
    struct json *o, *p = json_new(a, JSON_OBJECT);
    int rc = json_parse(a, stored, NULL, &o, NULL);
    if (rc < 0)
        return rc == -E_NOMEM ? rc : -E_CORRUPT;
    json_set_cstr(a, p, "kind", "PartialObjectMetadata");
    json_set_cstr(a, p, "apiVersion", "meta.k8s.io/v1");
    json_set(a, p, "metadata", json_clone(a, json_get(o, "metadata")));
    set_revision(a, p, revision);
    *ret = p;
    return a->failed ? -E_NOMEM : 0;
}

int object_decode(struct arena *a, const struct schema_resource *res, struct str stored,
                  int64_t revision, struct json **ret)
{
    struct json *o;
    const char *group = schema_resource_group(res);
    const struct crd_version *custom = crd_of(res);
    int rc = custom ? conversion_find(custom, stored, &stored) : 0;
    if (rc < 0)
        return rc;
    rc = json_parse(a, stored, NULL, &o, NULL);
    if (rc < 0)
        return rc == -E_NOMEM ? rc : -E_CORRUPT;
    if (custom)
        json_remove(o, "apiVersion");
    struct json *whole = json_new(a, JSON_OBJECT);
    const char *version = group[0] ? arena_printf(a, "%s/%s", group, schema_resource_version(res))
                                   : schema_resource_version(res);
    /* The kind of the main resource: a scale subresource decodes what it scales. */
    json_set_cstr(a, whole, "kind", schema_resource_kind(schema_resource_main(res)));
    json_set_cstr(a, whole, "apiVersion", version ? version : "");
    if (a->failed)
        return -E_NOMEM;
    whole->list.last->next = o->list.first;
    whole->list.last = o->list.last;
    whole->list.count += o->list.count;
    set_revision(a, whole, revision);
    rc = convert_from_stored(a, res, whole);
    if (rc < 0)
        return rc;
    *ret = whole;
    return a->failed ? -E_NOMEM : 0;
}

int object_encode(struct arena *a, const struct schema_resource *res, struct json *object,
                  struct buf *out)
{
    int rc = convert_to_stored(a, res, object);
    if (rc < 0)
        return rc;
    struct json *meta = json_object_at(a, object, "metadata");
    if (!meta)
        return -E_NOMEM;
    json_remove(meta, "resourceVersion");
    json_remove(meta, "selfLink");
    ASSERT(json_count(meta) > 0);
    buf_puts(out, "{\"metadata\":");
    json_write(out, meta);
    for (const struct json *m = json_first(object); m; m = m->next) {
        if (str_is(m->key, "metadata") || str_is(m->key, "kind") || str_is(m->key, "apiVersion"))
            continue;
        buf_putc(out, ',');
        json_write_string(out, m->key);
        buf_putc(out, ':');
        json_write(out, m);
    }
    if (crd_of(res)) /* last, where conversion.c finds it */
        buf_printf(out, ",\"apiVersion\":\"%s/%s\"", schema_resource_group(res),
                   schema_resource_version(res));
    buf_putc(out, '}');
    if (out->failed)
        return buf_len(out) + 1024 > out->max_bytes ? -E_TOO_LARGE : -E_NOMEM;
    return 0;
}

struct json *object_load(struct api *api, struct arena *a, const char *group, const char *resource,
                         struct str ns, struct str name, struct store_value **ret_value)
{
    struct str key = object_key_of(a, group, resource, ns, name);
    struct store_value *v = key.p ? store_get(api->store, key) : NULL;
    struct json *o = NULL;
    if (!v || json_parse(a, store_value_bytes(v), NULL, &o, NULL) < 0)
        return NULL;
    if (ret_value)
        *ret_value = v;
    return o;
}

/* ---- companions ---- */

void api_attached_free(void *c)
{
    mem_free(c);
}

static uint32_t field_count(const struct kind *kind)
{
    uint32_t n = 0;
    while (kind->fields && kind->fields[n].selector)
        n++;
    return n;
}

static struct str value_text(const struct json *j, char number[24])
{
    if (json_is(j, JSON_STRING))
        return j->string;
    if (json_is(j, JSON_BOOL))
        return j->boolean ? STR("true") : STR("false");
    if (json_is(j, JSON_INT)) {
        struct buf digits CLEANUP_BUF;
        buf_init(&digits, 24);
        buf_put_i64(&digits, j->i64);
        str_copy(number, 24, buf_str(&digits));
        return str_of(number);
    }
    return STR("");
}

static struct str text_of(const struct kind_field *f, const struct json *object, char number[24])
{
    struct str text = value_text(json_path(object, f->path), number);
    if (!text.n && f->other)
        text = value_text(json_path(object, f->other), number);
    return text.n || !f->absent ? text : str_of(f->absent);
}

static struct str keep(char **at, struct str s)
{
    struct str kept = str_make(*at, s.n);
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

struct companion *companion_new(const struct kind *kind, const struct json *object)
{
    char number[24];
    const struct json *labels = json_path(object, "metadata.labels");
    uint32_t fields = field_count(kind);
    size_t pairs = 2 * (size_t)json_count(labels) + fields, bytes = 0;
    for (const struct json *m = json_first(labels); m; m = m->next)
        bytes += m->key.n + json_str(m).n;
    for (uint32_t i = 0; i < fields; i++)
        bytes += text_of(&kind->fields[i], object, number).n;
    struct companion *c = mem_alloc(sizeof *c + pairs * sizeof(struct str) + bytes);
    if (!c)
        return NULL;
    char *at = (char *)&c->pairs[pairs];
    size_t n = 0;
    for (const struct json *m = json_first(labels); m; m = m->next) {
        c->pairs[n++] = keep(&at, m->key);
        c->pairs[n++] = keep(&at, json_str(m));
    }
    for (uint32_t i = 0; i < fields; i++)
        c->pairs[n++] = keep(&at, text_of(&kind->fields[i], object, number));
    c->form = kind->form;
    c->label_count = json_count(labels);
    c->field_count = fields;
    return c;
}

static struct companion *companion_parse(const struct kind *kind, struct str stored)
{
    struct arena a CLEANUP_ARENA;
    struct json *o;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    return json_parse(&a, stored, NULL, &o, NULL) < 0 ? NULL : companion_new(kind, o);
}

const struct companion *companion_of(const struct kind *kind, struct store_value *v)
{
    const struct companion *c = v->attached;
    if (c && c->form != kind->form) {
        api_attached_free(v->attached);
        v->attached = NULL;
    }
    if (!v->attached)
        v->attached = companion_parse(kind, store_value_bytes(v));
    return v->attached;
}
