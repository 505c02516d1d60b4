/* The documents: a head, the paths and the schemas, written piece by piece. */
#include "base/limits.h"
#include "schema/openapi_int.h"

enum { PIECE_BYTES = 8 * 1024 * 1024 };

struct member_list { /* members of an object that is being written */
    struct buf *out;
    bool any;
};

static void put_member(void *ctx, const char *name, const struct json *value)
{
    struct member_list *m = ctx;
    if (m->any)
        buf_putc(m->out, ',');
    m->any = true;
    json_write_string(m->out, str_of(name));
    buf_putc(m->out, ':');
    json_write(m->out, value);
}

static int put_schemas(struct arena *a, struct buf *out, const uint8_t *marks,
                       enum openapi_form form)
{
    struct member_list m = {out, false};
    for (size_t i = 0; i < schema_type_count(); i++) {
        const struct schema_type *t = schema_type_at(i);
        if (marks && !marks[i])
            continue;
        put_member(&m, schema_type_name(t), openapi_schema(a, t, form));
        if (a->failed)
            return -E_NOMEM;
        arena_clear(a);
    }
    return 0;
}

int openapi_v3(struct str group, struct str version, struct buf *out)
{
    struct arena a;
    struct member_list paths = {out, false};
    CLEANUP_FREE uint8_t *marks = mem_zalloc(schema_type_count());
    if (!marks)
        return -E_NOMEM;
    arena_init(&a, PIECE_BYTES);
    buf_puts(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.35."
                  "0\"},\"paths\":{");
    int rc = openapi_paths(&a, group, version, OPENAPI_V3, put_member, &paths);
    if (rc == 0) {
        buf_puts(out, "},\"components\":{\"schemas\":{");
        openapi_mark_group(group, version, marks);
        rc = put_schemas(&a, out, marks, OPENAPI_V3);
        buf_puts(out, "}}}");
    }
    arena_done(&a);
    return rc == 0 && out->failed ? -E_NOMEM : rc;
}

static int more_paths(struct arena *a, const struct openapi_more *more, enum openapi_form form,
                      openapi_each *each, void *ctx)
{
    int rc = 0;
    for (size_t i = 0; i < more->resource_count && rc == 0; i++)
        rc = openapi_resource_paths(a, more->resources[i], form, each, ctx);
    return rc;
}

int openapi_v3_more(const struct openapi_more *more, struct buf *out)
{
    struct arena a;
    struct member_list members = {out, false};
    CLEANUP_FREE uint8_t *marks = mem_zalloc(schema_type_count());
    if (!marks)
        return -E_NOMEM;
    arena_init(&a, PIECE_BYTES);
    buf_puts(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes CRD Swagger\","
                  "\"version\":\"v0.1.0\"},\"paths\":{");
    int rc = more_paths(&a, more, OPENAPI_V3, put_member, &members);
    buf_puts(out, "},\"components\":{\"schemas\":{");
    openapi_mark_meta(marks);
    rc = rc ? rc : put_schemas(&a, out, marks, OPENAPI_V3);
    members.any = true;
    for (size_t i = 0; i < more->definition_count; i++)
        put_member(&members, more->definitions[i].name, more->definitions[i].schema);
    buf_puts(out, "}}}");
    arena_done(&a);
    return rc == 0 && out->failed ? -E_NOMEM : rc;
}

static int all_paths(struct arena *a, openapi_each *each, void *ctx)
{
    int rc = 0;
    for (size_t i = 0; i < schema_group_version_count() && rc == 0; i++) {
        struct schema_group_version v = schema_group_version_at(i);
        rc = openapi_paths(a, str_of(v.group), str_of(v.version), OPENAPI_V2, each, ctx);
    }
    return rc;
}

static const struct openapi_more nothing_more;

int openapi_v2_json(struct buf *out)
{
    return openapi_v2_json_more(&nothing_more, out);
}

int openapi_v2_json_more(const struct openapi_more *more, struct buf *out)
{
    struct arena a;
    struct member_list paths = {out, false};
    arena_init(&a, PIECE_BYTES);
    buf_puts(out, "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.35.0\"}"
                  ",\"paths\":{");
    int rc = all_paths(&a, put_member, &paths);
    rc = rc ? rc : more_paths(&a, more, OPENAPI_V2, put_member, &paths);
    buf_puts(out, "},\"definitions\":{");
    rc = rc ? rc : put_schemas(&a, out, NULL, OPENAPI_V2);
    for (size_t i = 0; i < more->definition_count; i++)
        put_member(&paths, more->definitions[i].name, more->definitions[i].schema);
    buf_puts(out, "}}");
    arena_done(&a);
    return rc == 0 && out->failed ? -E_NOMEM : rc;
}

/* Field `field` of the outer message: a pair {1: name, 2: message}. */
static void put_pair(struct buf *out, unsigned field, const char *name, struct str message)
{
    CLEANUP_BUF struct buf pair;
    buf_init(&pair, PIECE_BYTES);
    openapi_proto_bytes(&pair, 1, str_of(name));
    openapi_proto_bytes(&pair, 2, message);
    if (pair.failed)
        out->failed = true;
    openapi_proto_bytes(out, field, buf_str(&pair));
}

static void put_path_pair(void *ctx, const char *path, const struct json *item)
{
    struct buf *paths = ctx;
    CLEANUP_BUF struct buf message;
    buf_init(&message, PIECE_BYTES);
    openapi_proto_path_item(&message, item);
    if (message.failed)
        paths->failed = true;
    put_pair(paths, 2, path, buf_str(&message));
}

static int put_definitions(struct arena *a, struct buf *definitions)
{
    for (size_t i = 0; i < schema_type_count(); i++) {
        const struct schema_type *t = schema_type_at(i);
        CLEANUP_BUF struct buf message;
        buf_init(&message, PIECE_BYTES);
        openapi_proto_schema(&message, openapi_schema(a, t, OPENAPI_V2));
        if (a->failed || message.failed)
            return -E_NOMEM;
        put_pair(definitions, 1, schema_type_name(t), buf_str(&message));
        arena_clear(a);
    }
    return 0;
}

static int put_more_definitions(const struct openapi_more *more, struct buf *definitions)
{
    for (size_t i = 0; i < more->definition_count; i++) {
        CLEANUP_BUF struct buf message;
        buf_init(&message, PIECE_BYTES);
        openapi_proto_schema(&message, more->definitions[i].schema);
        if (message.failed)
            return -E_NOMEM;
        put_pair(definitions, 1, more->definitions[i].name, buf_str(&message));
    }
    return 0;
}

int openapi_v2_protobuf(struct buf *out)
{
    return openapi_v2_protobuf_more(&nothing_more, out);
}

int openapi_v2_protobuf_more(const struct openapi_more *more, struct buf *out)
{
    struct arena a;
    CLEANUP_BUF struct buf part;
    arena_init(&a, PIECE_BYTES);
    buf_init(&part, PIECE_BYTES);
    openapi_proto_bytes(out, 1, STR("2.0"));
    openapi_proto_bytes(&part, 1, STR("Kubernetes"));
    openapi_proto_bytes(&part, 2, STR("v1.35.0"));
    openapi_proto_bytes(out, 2, buf_str(&part));
    buf_clear(&part);
    int rc = all_paths(&a, put_path_pair, &part);
    rc = rc ? rc : more_paths(&a, more, OPENAPI_V2, put_path_pair, &part);
    openapi_proto_bytes(out, 8, buf_str(&part));
    buf_clear(&part);
    rc = rc ? rc : put_definitions(&a, &part);
    rc = rc ? rc : put_more_definitions(more, &part);
    openapi_proto_bytes(out, 9, buf_str(&part));
    arena_done(&a);
    return rc == 0 && (out->failed || part.failed) ? -E_NOMEM : rc;
}
