/* Answers in protobuf: objects, lists, watch events. The wire format is schema/protobuf.h's. */
#include "api/api_int.h"
#include "schema/protobuf.h"

static const struct schema_type *type_of_tree(const struct json *tree)
{
    struct str version = json_str(json_get(tree, "apiVersion")), group = STR("");
    ptrdiff_t slash = str_find_byte(version, '/');
    if (slash >= 0) {
        group = str_make(version.p, (size_t)slash);
        version = str_make(version.p + slash + 1, version.n - (size_t)slash - 1);
    }
    return schema_type_of_kind(group, version, json_str(json_get(tree, "kind")));
}

static const char partial[] = "PartialObjectMetadata";

int protobuf_put_tree(struct buf *out, const struct json *tree)
{
    const struct schema_type *type = type_of_tree(tree);
    if (!type && !cstr_eq(json_cstr(json_get(tree, "kind")), partial))
        return -E_UNSUPPORTED;
    return protobuf_encode(type, tree, out);
}

/* The stored object decoded, in the form asked for, and written by `encode`. */
static int put_stored(const struct api_request *r, struct buf *out,
                      const struct schema_resource *res, struct str stored, int64_t revision,
                      int (*encode)(const struct schema_type *, const struct json *, struct buf *))
{
    struct arena a CLEANUP_ARENA;
    struct json *o;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    bool part = r->accept.form == FORM_PARTIAL;
    int rc = part ? object_metadata(&a, stored, revision, &o)
                  : object_decode(&a, res, stored, revision, &o);
    if (rc < 0 || part)
        return rc < 0 ? rc : encode(NULL, o, out);
    const struct schema_type *type = type_of_tree(o);
    return type ? encode(type, o, out) : -E_UNSUPPORTED;
}

int protobuf_put_stored(const struct api_request *r, struct buf *out,
                        const struct schema_resource *res, struct str stored, int64_t revision)
{
    return put_stored(r, out, res, stored, revision, protobuf_encode);
}

int protobuf_put_item(const struct api_request *r, struct buf *out,
                      const struct schema_resource *res, struct str stored, int64_t revision)
{
    return put_stored(r, out, res, stored, revision, protobuf_encode_item);
}

void protobuf_reply_list(struct api_request *r, const struct schema_resource *res,
                         const struct list_meta *meta, struct str items)
{
    struct buf out CLEANUP_BUF;
    struct arena *a = &r->arena;
    const char *group = schema_resource_group(res);
    struct json *m = json_new(a, JSON_OBJECT);
    buf_init(&out, LIMIT_REQUEST_ARENA + LIMIT_OBJECT_BYTES);
    json_set_cstr(a, m, "resourceVersion", arena_printf(a, "%lld", (long long)meta->revision));
    if (meta->next)
        json_set_cstr(a, m, "continue", meta->next);
    if (meta->next && meta->remaining >= 0)
        json_set_i64(a, m, "remainingItemCount", meta->remaining);
    const char *version =
        arena_printf(a, "%s%s%s", group, group[0] ? "/" : "", schema_resource_version(res));
    const char *kind = schema_resource_list_kind(res);
    if (r->accept.form == FORM_PARTIAL) {
        version = "meta.k8s.io/v1";
        kind = "PartialObjectMetadataList";
    }
    if (a->failed || protobuf_encode_list(str_of(version), str_of(kind), m, items, &out) < 0)
        fail_memory(r);
    else
        reply_bytes(r, 200, reply_content_type(r), buf_str(&out));
}

int protobuf_put_event(struct buf *out, const char *type, const struct json *tree)
{
    struct buf object CLEANUP_BUF;
    buf_init(&object, LIMIT_REQUEST_ARENA);
    int rc = protobuf_put_tree(&object, tree);
    return rc < 0 ? rc : protobuf_encode_event(type, buf_str(&object), out);
}

int protobuf_put_stored_event(const struct api_request *r, struct buf *out, const char *type,
                              const struct schema_resource *res, struct str stored,
                              int64_t revision)
{
    struct buf object CLEANUP_BUF;
    buf_init(&object, LIMIT_REQUEST_ARENA);
    int rc = protobuf_put_stored(r, &object, res, stored, revision);
    return rc < 0 ? rc : protobuf_encode_event(type, buf_str(&object), out);
}
