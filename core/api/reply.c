/*
 * Objects in the form that the client asked for: as they are (a copy of the stored bytes with
 * apiVersion, kind and resourceVersion spliced in), as metadata only, or as a Table. JSON, YAML, and
 * objects also as protobuf (reply_protobuf.c).
 */
#include <stdio.h>

#include "api/audit/audit.h"
#include "codec/yaml.h"
#include "schema/printers.h"

/* ---- Accept ---- */

static bool parse_form(struct accept *to, struct str as)
{
    bool v1 = str_is(to->version, "v1");
    if (!as.n)
        return true;
    if (str_is(to->group, "meta.k8s.io") && (v1 || str_is(to->version, "v1beta1"))) {
        to->form = str_is(as, "Table") ? FORM_TABLE : FORM_PARTIAL;
        return str_is(as, "Table") || str_is(as, "PartialObjectMetadata") ||
               str_is(as, "PartialObjectMetadataList");
    }
    to->form = FORM_DISCOVERY;
    return str_is(to->group, "apidiscovery.k8s.io") && str_is(as, "APIGroupDiscoveryList") &&
           (str_is(to->version, "v2") || str_is(to->version, "v2beta1"));
}

static bool parse_one(struct str entry, struct accept *ret)
{
    struct accept to = {MEDIA_JSON, FORM_OBJECT, false, STR(""), STR("")};
    struct str part, as = STR("");
    if (!str_split(&entry, ';', &part))
        return false;
    part = str_trim(part);
    if (str_eq_nocase(part, STR("application/yaml")))
        to.media = MEDIA_YAML;
    else if (str_eq_nocase(part, STR("application/vnd.kubernetes.protobuf")))
        to.media = MEDIA_PROTOBUF;
    else if (!str_eq_nocase(part, STR("application/json")) && !str_is(part, "*/*") &&
             !str_is(part, "application/*"))
        return false;
    while (str_split(&entry, ';', &part)) {
        part = str_trim(part);
        if (str_starts(part, STR("as=")))
            as = str_make(part.p + 3, part.n - 3);
        else if (str_starts(part, STR("v=")))
            to.version = str_make(part.p + 2, part.n - 2);
        else if (str_starts(part, STR("g=")))
            to.group = str_make(part.p + 2, part.n - 2);
        else if (str_starts(part, STR("stream=")) && part.n > 7 && !str_is(part, "stream=watch"))
            return false;
    }
    if (!parse_form(&to, as) || (to.media == MEDIA_PROTOBUF && to.form != FORM_OBJECT && to.form != FORM_PARTIAL))
        return false;
    *ret = to;
    return true;
}

/* What is asked and answered in one breath is no thing to be shown as a row. */
static bool form_allowed(const struct api_request *r, const struct accept *one, bool is_resource)
{
    if (!is_resource)
        return one->form == FORM_OBJECT || one->form == FORM_DISCOVERY;
    if (one->form == FORM_TABLE && reviews_owns(r->resource))
        return false;
    return one->form != FORM_DISCOVERY;
}

bool accept_parse(struct api_request *r, bool is_resource)
{
    struct str rest = str_trim(r->accept_header), entry;
    bool pretty = url_flag(&r->url, "pretty") && url_param(&r->url, "pretty").n;
    bool found = !rest.n;
    r->accept = (struct accept){MEDIA_JSON, FORM_OBJECT, pretty, STR(""), STR("")};
    while (!found && str_split(&rest, ',', &entry)) {
        struct accept one;
        found = parse_one(entry, &one) && form_allowed(r, &one, is_resource) &&
                (one.media != MEDIA_PROTOBUF || (is_resource && (one.form == FORM_PARTIAL || schema_resource_type(r->resource))));
        if (found)
            r->accept = one;
    }
    r->accept.pretty = pretty;
    /* Documents that are no objects choose their own media type. */
    return found || !is_resource;
}

const char *reply_content_type(const struct api_request *r)
{
    if (r->accept.media == MEDIA_YAML)
        return "application/yaml";
    if (r->accept.media == MEDIA_PROTOBUF)
        return r->watch ? "application/vnd.kubernetes.protobuf;stream=watch"
                        : "application/vnd.kubernetes.protobuf";
    if (r->accept.form == FORM_TABLE && str_is(r->accept.version, "v1"))
        return "application/json;as=Table;g=meta.k8s.io;v=v1";
    return "application/json";
}

const char *form_name(const struct api_request *r)
{
    static const char *const names[] = {"object", "table", "partial", "discovery"};
    if (r->accept.media == MEDIA_PROTOBUF)
        return r->accept.form == FORM_PARTIAL ? "protobuf/partial" : "protobuf";
    struct str include = url_param(&r->url, "includeObject");
    const char *name =
        arena_printf((struct arena *)&r->arena, "%s/" STR_FMT "/" STR_FMT, names[r->accept.form],
                     STR_ARG(r->accept.version), STR_ARG(include.p ? include : STR("")));
    return name ? name : "";
}

/* ---- the answer ---- */

bool reply_head(struct api_request *r, int status, const char *content_type, int64_t length)
{
    struct api_header headers[WARNINGS_MOST + 9];
    size_t n = 0;
    char digits[24], seconds[12];
    headers[n++] = (struct api_header){STR("cache-control"), STR("no-cache, private")};
    headers[n++] = (struct api_header){STR("content-type"), str_of(content_type)};
    if (length >= 0) {
        snprintf(digits, sizeof digits, "%lld", (long long)length);
        headers[n++] = (struct api_header){STR("content-length"), str_of(digits)};
    }
    if (r->flow_schema_uid) {
        headers[n++] =
            (struct api_header){STR("x-kubernetes-pf-flowschema-uid"), str_of(r->flow_schema_uid)};
        headers[n++] =
            (struct api_header){STR("x-kubernetes-pf-prioritylevel-uid"), str_of(r->flow_level_uid)};
    }
    if (r->retry_after) {
        snprintf(seconds, sizeof seconds, "%d", r->retry_after);
        headers[n++] = (struct api_header){STR("retry-after"), str_of(seconds)};
        headers[n++] = (struct api_header){STR("x-content-type-options"), STR("nosniff")};
    }
    if (audit_id(r))
        headers[n++] = (struct api_header){STR("audit-id"), str_of(audit_id(r))};
    for (size_t i = 0; i < r->warning_count; i++) {
        struct buf text CLEANUP_BUF;
        buf_init(&text, 32 * 1024);
        buf_puts(&text, "299 - ");
        json_write_string(&text, str_of(r->warnings[i]));
        struct str value = arena_str(&r->arena, buf_str(&text));
        if (value.p)
            headers[n++] = (struct api_header){STR("warning"), value};
    }
    r->head_sent = true;
    r->status = status;
    audit_head(r);
    if (r->ops->head(r->ctx, status, headers, n))
        return true;
    request_gone(r);
    return false;
}

void reply_bytes(struct api_request *r, int status, const char *content_type, struct str bytes)
{
    r->sent_bytes = bytes.n;
    r->status = status;
    audit_answer(r, content_type, bytes);
    if (!reply_head(r, status, content_type, (int64_t)bytes.n))
        return;
    if (bytes.n && !cstr_eq(r->method, "HEAD") && r->ops->body(r->ctx, bytes) < 0)
        request_gone(r);
    else
        request_end(r);
}

static void write_media(const struct api_request *r, struct buf *out, const struct json *tree)
{
    if (r->accept.media == MEDIA_YAML) {
        yaml_write(out, tree);
        return;
    }
    if (r->accept.pretty)
        json_write_pretty(out, tree);
    else
        json_write(out, tree);
    buf_putc(out, '\n');
}

void reply_tree(struct api_request *r, int status, const struct json *tree)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, LIMIT_REQUEST_ARENA);
    if (r->accept.media == MEDIA_PROTOBUF && protobuf_put_tree(&out, tree) == -E_UNSUPPORTED)
        r->accept.media = MEDIA_JSON;
    if (r->accept.media != MEDIA_PROTOBUF)
        write_media(r, &out, tree);
    if (out.failed && status < 500)
        fail_memory(r);
    else if (out.failed)
        request_end(r);
    else
        reply_bytes(r, status, reply_content_type(r), buf_str(&out));
}

/* ---- forms ---- */

static void put_group_version(struct buf *out, const struct schema_resource *res)
{
    const char *group = schema_resource_group(res);
    if (group[0]) {
        buf_puts(out, group);
        buf_putc(out, '/');
    }
    buf_puts(out, schema_resource_version(res));
}

static const struct schema_resource *main_of(const struct schema_resource *res)
{
    return schema_resource_main(res);
}

/* Size of the metadata object, braces included, at the front of a stored value. */
static size_t metadata_size(struct str stored)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = OBJECT_PREFIX_SIZE - 1; i < stored.n; i++) {
        char c = stored.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1 - (OBJECT_PREFIX_SIZE - 1);
        }
    }
    return 0;
}

static void put_spliced(struct buf *out, struct str stored, size_t end, int64_t revision)
{
    buf_puts(out, "\"metadata\":{");
    if (revision > 0) {
        buf_puts(out, "\"resourceVersion\":\"");
        buf_put_i64(out, revision);
        buf_puts(out, "\",");
    }
    buf_append(out, stored.p + OBJECT_PREFIX_SIZE, end - OBJECT_PREFIX_SIZE);
}

static struct json *tree_of(struct api_request *r, struct arena *a,
                            const struct schema_resource *res, struct str stored, int64_t revision)
{
    struct json *o = NULL;
    int rc = r->accept.form == FORM_PARTIAL ? object_metadata(a, stored, revision, &o)
                                            : object_decode(a, res, stored, revision, &o);
    return rc < 0 ? NULL : o;
}

static struct printers_options table_options(struct api_request *r)
{
    struct str include = url_param(&r->url, "includeObject");
    return (struct printers_options){.now_ms = api_now_us(r->api) / 1000,
                                     .include = str_is(include, "None")     ? PRINTERS_NONE
                                                : str_is(include, "Object") ? PRINTERS_OBJECT
                                                                            : PRINTERS_METADATA};
}

static int write_parsed(struct api_request *r, struct buf *out, const struct schema_resource *res,
                        struct str stored, int64_t revision, bool media)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *o = tree_of(r, &a, res, stored, revision);
    if (o && r->accept.form == FORM_TABLE) {
        struct printers_options options = table_options(r);
        o = printers_table(&a, main_of(res), o, &options);
    }
    if (!o)
        return -E_NOMEM;
    if (media)
        write_media(r, out, o);
    else
        json_write(out, o);
    return out->failed ? -E_NOMEM : 0;
}

int form_write(struct api_request *r, struct buf *out, const struct schema_resource *res,
               struct str stored, int64_t revision, bool item)
{
    if (r->accept.form == FORM_TABLE ||
        (object_converted(res) && r->accept.form != FORM_PARTIAL))
        return write_parsed(r, out, res, stored, revision, false);
    if (r->accept.form == FORM_PARTIAL) {
        buf_puts(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
        put_spliced(out, stored, OBJECT_PREFIX_SIZE - 1 + metadata_size(stored), revision);
        buf_putc(out, '}');
    } else {
        buf_putc(out, '{');
        if (!item) {
            buf_puts(out, "\"kind\":\"");
            buf_puts(out, schema_resource_kind(main_of(res)));
            buf_puts(out, "\",\"apiVersion\":\"");
            put_group_version(out, res);
            buf_puts(out, "\",");
        }
        put_spliced(out, stored, stored.n, revision);
    }
    return out->failed ? -E_NOMEM : 0;
}

void reply_stored(struct api_request *r, int status, const struct schema_resource *res,
                  struct str stored, int64_t revision)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, LIMIT_REQUEST_ARENA);
    int rc;
    if (r->accept.media == MEDIA_PROTOBUF) {
        rc = protobuf_put_stored(r, &out, res, stored, revision);
    } else if (r->accept.media == MEDIA_YAML || r->accept.pretty) {
        rc = write_parsed(r, &out, res, stored, revision, true);
    } else {
        rc = form_write(r, &out, res, stored, revision, false);
        buf_putc(&out, '\n');
    }
    if (rc < 0 || out.failed)
        fail_memory(r);
    else
        reply_bytes(r, status, reply_content_type(r), buf_str(&out));
}

/* ---- lists ---- */

static void put_list_meta(struct buf *out, int64_t revision, const char *next, int64_t remaining)
{
    buf_printf(out, "\"metadata\":{\"resourceVersion\":\"%lld\"", (long long)revision);
    if (next)
        buf_printf(out, ",\"continue\":\"%s\"", next);
    if (next && remaining >= 0)
        buf_printf(out, ",\"remainingItemCount\":%lld", (long long)remaining);
    buf_puts(out, "},");
}

int form_list_head(struct api_request *r, struct buf *out, const struct schema_resource *res,
                   int64_t revision, const char *next, int64_t remaining)
{
    if (r->accept.form == FORM_OBJECT) {
        buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"", schema_resource_list_kind(res));
        put_group_version(out, res);
        buf_puts(out, "\",");
    } else {
        buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"meta.k8s.io/" STR_FMT "\",",
                   r->accept.form == FORM_TABLE ? "Table" : "PartialObjectMetadataList",
                   STR_ARG(r->accept.version));
    }
    put_list_meta(out, revision, next, remaining);
    if (r->accept.form == FORM_TABLE) {
        struct arena a CLEANUP_ARENA;
        arena_init(&a, LIMIT_REQUEST_ARENA);
        struct json *columns = printers_columns(&a, res);
        if (!columns)
            return -E_NOMEM;
        buf_puts(out, "\"columnDefinitions\":");
        json_write(out, columns);
        buf_puts(out, ",\"rows\":[");
    } else {
        buf_puts(out, "\"items\":[");
    }
    return out->failed ? -E_NOMEM : 0;
}

int form_list_item(struct api_request *r, struct buf *out, const struct schema_resource *res,
                   struct str stored, int64_t revision)
{
    if (r->accept.media == MEDIA_PROTOBUF)
        return protobuf_put_item(r, out, res, stored, revision);
    if (r->accept.form != FORM_TABLE)
        return form_write(r, out, res, stored, revision, true);
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *o;
    struct printers_options options = table_options(r);
    int rc = object_decode(&a, res, stored, revision, &o);
    struct json *row = rc < 0 ? NULL : printers_row(&a, res, o, &options);
    if (!row)
        return -E_NOMEM;
    json_write(out, row);
    return out->failed ? -E_NOMEM : 0;
}
