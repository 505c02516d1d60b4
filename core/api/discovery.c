/*
 * What there is: the discovery documents in both forms, the OpenAPI documents and the version. All
 * follow from constant tables; only their hashes are kept, the documents are written when asked
 * for.
 */
#include <stdio.h>

#include "api/crd/conversion.h"
#include "api/api_int.h"
#include "keelson_version.h"
#include "schema/openapi.h"

enum { DOCUMENT_BYTES = 24 * 1024 * 1024, GROUPS = 64 };

struct discovery {
    char v3_hash[GROUPS][SHA256_HEX]; /* by group version; "" until asked for */
    char v2_hash[SHA256_HEX];
};

void discovery_free(struct discovery *d)
{
    mem_free(d);
}

static void put_strings(struct buf *out, const char *name, const char *const *list)
{
    if (!list || !list[0])
        return;
    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; list[i]; i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "", list[i]);
    buf_putc(out, ']');
}

/* In upstream's order, which is the alphabet's. */
static void put_verbs(struct buf *out, const struct schema_resource *res)
{
    static const enum schema_verb order[] = {SCHEMA_CREATE, SCHEMA_DELETE, SCHEMA_DELETECOLLECTION,
                                             SCHEMA_GET,    SCHEMA_LIST,   SCHEMA_PATCH,
                                             SCHEMA_UPDATE, SCHEMA_WATCH};
    unsigned verbs = schema_resource_verbs(res);
    bool first = true;
    /* A connect subresource shows the methods it takes. */
    if (verbs & SCHEMA_CONNECT) {
        bool proxy = cstr_eq(schema_resource_subresource(res), "proxy");
        buf_puts(out, proxy ? ",\"verbs\":[\"create\",\"delete\",\"get\",\"patch\",\"update\"]"
                            : ",\"verbs\":[\"create\",\"get\"]");
        return;
    }
    buf_puts(out, ",\"verbs\":[");
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (verbs & order[i]) {
            buf_printf(out, "%s\"%s\"", first ? "" : ",", schema_verb_name(order[i]));
            first = false;
        }
    buf_putc(out, ']');
}

static bool is_in(const struct schema_resource *res, struct schema_group_version gv)
{
    return cstr_eq(schema_resource_group(res), gv.group) &&
           cstr_eq(schema_resource_version(res), gv.version);
}

/* ---- the plain form ---- */

/* Tells clients when objects move to another form in the store. */
static void put_storage_hash(struct buf *out, const struct schema_resource *res)
{
    const struct schema_resource *stored = conversion_storage(res);
    uint8_t digest[SHA256_BYTES];
    char form[512], hash[16];
    if (schema_resource_subresource(res)[0] || !(schema_resource_verbs(res) & SCHEMA_LIST))
        return;
    snprintf(form, sizeof form, "%s/%s/%s", schema_resource_group(stored),
             schema_resource_version(stored), schema_resource_kind(stored));
    sha256_of(str_of(form), digest);
    base64_encode(hash, digest, 8);
    buf_printf(out, ",\"storageVersionHash\":\"%s\"", hash);
}

static void write_resource_list(struct buf *out, const struct catalog *all, struct schema_group_version gv)
{
    bool first = true;
    buf_printf(out,
               "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%s%s%s\","
               "\"resources\":[",
               gv.group, gv.group[0] ? "/" : "", gv.version);
    for (size_t i = 0; i < all->resource_count; i++) {
        const struct schema_resource *res = all->resources[i];
        if (!is_in(res, gv))
            continue;
        buf_printf(out, "%s{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s",
                   first ? "" : ",", schema_resource_name(res), schema_resource_singular(res),
                   schema_resource_namespaced(res) ? "true" : "false");
        first = false;
        if (!cstr_eq(schema_resource_kind_group(res), gv.group) ||
            !cstr_eq(schema_resource_kind_version(res), gv.version))
            buf_printf(out, ",\"group\":\"%s\",\"version\":\"%s\"", schema_resource_kind_group(res),
                       schema_resource_kind_version(res));
        buf_printf(out, ",\"kind\":\"%s\"", schema_resource_kind(res));
        put_verbs(out, res);
        put_strings(out, "shortNames", schema_resource_short_names(res));
        put_strings(out, "categories", schema_resource_categories(res));
        put_storage_hash(out, res);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

static void put_version(struct buf *out, struct schema_group_version gv)
{
    buf_printf(out, "{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}", gv.group, gv.version,
               gv.version);
}

/* head: with kind and apiVersion. False: no such group. */
static bool write_group(struct buf *out, const struct catalog *all, struct str group, bool head)
{
    struct schema_group_version preferred = {NULL, NULL};
    buf_puts(out, head ? "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"," : "{");
    buf_printf(out, "\"name\":\"" STR_FMT "\",\"versions\":[", STR_ARG(group));
    for (size_t i = 0; i < all->version_count; i++) {
        struct schema_group_version gv = all->versions[i];
        if (!str_is(group, gv.group))
            continue;
        if (preferred.group)
            buf_putc(out, ',');
        else
            preferred = gv;
        put_version(out, gv);
    }
    if (!preferred.group || !group.n)
        return false;
    buf_puts(out, "],\"preferredVersion\":");
    put_version(out, preferred);
    buf_putc(out, '}');
    return true;
}

static void write_group_list(struct buf *out, const struct catalog *all)
{
    const char *last = "";
    bool first = true;
    buf_puts(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; i < all->version_count; i++) {
        struct schema_group_version gv = all->versions[i];
        if (!gv.group[0] || cstr_eq(gv.group, last))
            continue;
        last = gv.group;
        if (!first)
            buf_putc(out, ',');
        first = false;
        write_group(out, all, str_of(gv.group), false);
    }
    buf_puts(out, "]}\n");
}

/* ---- the aggregated form ---- */

static void put_response_kind(struct buf *out, const struct schema_resource *res)
{
    buf_printf(out, "\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}",
               schema_resource_kind_group(res), schema_resource_kind_version(res),
               schema_resource_kind(res));
}

static void put_resource_v2(struct buf *out, const struct catalog *all, size_t index)
{
    const struct schema_resource *res = all->resources[index];
    buf_printf(out, "{\"resource\":\"%s\",", schema_resource_plural(res));
    put_response_kind(out, res);
    buf_printf(out, ",\"scope\":\"%s\",\"singularResource\":\"%s\"",
               schema_resource_namespaced(res) ? "Namespaced" : "Cluster",
               schema_resource_singular(res));
    put_verbs(out, res);
    put_strings(out, "shortNames", schema_resource_short_names(res));
    put_strings(out, "categories", schema_resource_categories(res));
    bool first = true;
    for (size_t i = index + 1; i < all->resource_count; i++) {
        const struct schema_resource *sub = all->resources[i];
        if (!schema_resource_subresource(sub)[0] ||
            !cstr_eq(schema_resource_plural(sub), schema_resource_plural(res)) ||
            !cstr_eq(schema_resource_group(sub), schema_resource_group(res)) ||
            !cstr_eq(schema_resource_version(sub), schema_resource_version(res)))
            break;
        buf_printf(out, "%s{\"subresource\":\"%s\",", first ? ",\"subresources\":[" : ",",
                   schema_resource_subresource(sub));
        first = false;
        put_response_kind(out, sub);
        put_verbs(out, sub);
        buf_putc(out, '}');
    }
    buf_puts(out, first ? "}" : "]}");
}

static void put_version_v2(struct buf *out, const struct catalog *all, struct schema_group_version gv)
{
    bool first = true;
    buf_printf(out, "{\"version\":\"%s\",\"resources\":[", gv.version);
    for (size_t i = 0; i < all->resource_count; i++) {
        const struct schema_resource *res = all->resources[i];
        if (!is_in(res, gv) || schema_resource_subresource(res)[0])
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_resource_v2(out, all, i);
    }
    buf_puts(out, "],\"freshness\":\"Current\"}");
}

static void write_aggregated(struct buf *out, const struct catalog *all, bool core, struct str version)
{
    const char *last = NULL;
    buf_printf(out,
               "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/" STR_FMT
               "\",\"metadata\":{},\"items\":[",
               STR_ARG(version));
    for (size_t i = 0; i < all->version_count; i++) {
        struct schema_group_version gv = all->versions[i];
        if (!gv.group[0] != core)
            continue;
        if (cstr_eq(last, gv.group)) {
            buf_putc(out, ',');
        } else {
            buf_printf(
                out, "%s{\"metadata\":{\"name\":\"%s\",\"creationTimestamp\":null},\"versions\":[",
                last ? "]}," : "", gv.group);
            last = gv.group;
        }
        put_version_v2(out, all, gv);
    }
    buf_puts(out, last ? "]}]}\n" : "]}\n");
}

/* ---- answers ---- */

static void reply_with_etag(struct api_request *r, const char *content_type, const char *etag,
                            struct str bytes)
{
    char quoted[SHA256_HEX + 4], digits[24];
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    snprintf(digits, sizeof digits, "%zu", bytes.n);
    bool same = str_is(r->if_none_match, quoted);
    struct api_header headers[] = {{STR("content-type"), str_of(content_type)},
                                   {STR("etag"), str_of(quoted)},
                                   {STR("vary"), STR("Accept")},
                                   {STR("cache-control"), STR("public")},
                                   {STR("content-length"), str_of(digits)}};
    r->head_sent = true;
    r->status = same ? 304 : 200;
    if (!r->ops->head(r->ctx, same ? 304 : 200, headers, same ? 4 : 5) ||
        (!same && bytes.n && r->ops->body(r->ctx, bytes) < 0))
        request_gone(r);
    else
        request_end(r);
}

static void hash_of(struct str bytes, char out[SHA256_HEX])
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(bytes, digest);
    hex_encode(out, digest, sizeof digest);
}

static void reply_hashed(struct api_request *r, const char *content_type, struct buf *out)
{
    char etag[SHA256_HEX];
    if (out->failed) {
        fail_memory(r);
        return;
    }
    hash_of(buf_str(out), etag);
    reply_with_etag(r, content_type, etag, buf_str(out));
}

static void reply_root(struct api_request *r, struct buf *out, const struct catalog *all, bool core)
{
    if (r->accept.form == FORM_DISCOVERY) {
        char type[100];
        snprintf(type, sizeof type,
                 "application/json;g=apidiscovery.k8s.io;v=" STR_FMT ";as=APIGroupDiscoveryList",
                 STR_ARG(r->accept.version));
        write_aggregated(out, all, core, r->accept.version);
        reply_hashed(r, type, out);
        return;
    }
    if (core)
        buf_printf(out,
                   "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":"
                   "[{\"clientCIDR\":"
                   "\"0.0.0.0/0\",\"serverAddress\":\"%s:%u\"}]}\n",
                   r->api->node_addr, (unsigned)r->api->port);
    else
        write_group_list(out, all);
    reply_hashed(r, "application/json", out);
}

static void reply_version(struct api_request *r, struct buf *out)
{
    buf_puts(
        out,
        "{\n  \"major\": \"1\",\n  \"minor\": \"35\",\n  \"gitVersion\": \"v1.35.0+keelson\",\n"
        "  \"gitCommit\": \"" KEELSON_VERSION "\",\n  \"gitTreeState\": \"clean\",\n"
        "  \"buildDate\": \"1970-01-01T00:00:00Z\",\n  \"goVersion\": \"none\",\n"
        "  \"compiler\": \"gcc\",\n  \"platform\": \"linux/amd64\"\n}");
    reply_bytes(r, 200, "application/json", buf_str(out));
}

/* ---- OpenAPI ---- */

static struct discovery *hashes(struct api *api)
{
    if (!api->discovery)
        api->discovery = mem_zalloc(sizeof *api->discovery);
    return api->discovery;
}

/* One group version's document: of the tables, or of definitions. */
static int write_v3(struct api *api, struct str group, struct str version, struct buf *out)
{
    int rc = openapi_v3(group, version, out);
    if (rc != -E_NOT_FOUND)
        return rc;
    buf_clear(out);
    return crd_openapi_v3(api, group, version, out);
}

/* Of the tables: its place there; else GROUPS. */
static size_t fixed_index(struct schema_group_version gv)
{
    for (size_t i = 0; i < schema_group_version_count() && i < GROUPS; i++) {
        struct schema_group_version fixed = schema_group_version_at(i);
        if (cstr_eq(fixed.group, gv.group) && cstr_eq(fixed.version, gv.version))
            return i;
    }
    return GROUPS;
}

/* The hash of a group's document is part of its address, so clients may keep it for ever. Those of
 * the tables never change. */
static int v3_hash(struct api *api, struct schema_group_version gv, char ret[SHA256_HEX])
{
    struct discovery *d = hashes(api);
    size_t index = fixed_index(gv);
    struct buf doc CLEANUP_BUF;
    buf_init(&doc, DOCUMENT_BYTES);
    if (!d)
        return -E_NOMEM;
    if (index < GROUPS && d->v3_hash[index][0]) {
        memcpy(ret, d->v3_hash[index], SHA256_HEX);
        return 0;
    }
    int rc = write_v3(api, str_of(gv.group), str_of(gv.version), &doc);
    if (rc < 0)
        return rc;
    hash_of(buf_str(&doc), ret);
    if (index < GROUPS)
        memcpy(d->v3_hash[index], ret, SHA256_HEX);
    return 0;
}

static void reply_v3_index(struct api_request *r, struct buf *out, const struct catalog *all)
{
    char hash[SHA256_HEX];
    buf_puts(out, "{\"paths\":{");
    for (size_t i = 0; i < all->version_count; i++) {
        struct schema_group_version gv = all->versions[i];
        const char *root = gv.group[0] ? "apis/" : "api", *slash = "/";
        if (v3_hash(r->api, gv, hash) < 0) {
            fail_memory(r);
            return;
        }
        buf_printf(out, "%s\"%s%s%s%s\":{\"serverRelativeURL\":\"/openapi/v3/%s%s%s%s?hash=%s\"}",
                   i ? "," : "", root, gv.group, slash, gv.version, root, gv.group, slash,
                   gv.version, hash);
    }
    buf_puts(out, "}}\n");
    reply_hashed(r, "application/json", out);
}

/* path: "api/v1" or "apis/apps/v1" */
static void reply_v3(struct api_request *r, struct buf *out, struct str path)
{
    struct str rest = path, root, group = STR(""), version = STR("");
    bool ok = str_split(&rest, '/', &root) && (str_is(root, "api") || str_is(root, "apis"));
    if (ok && str_is(root, "apis"))
        ok = str_split(&rest, '/', &group) && group.n;
    ok = ok && str_split(&rest, '/', &version) && !rest.p;
    int rc = ok ? write_v3(r->api, group, version, out) : -E_NOT_FOUND;
    if (rc == -E_NOT_FOUND)
        fail_no_route(r);
    else if (rc < 0)
        fail_memory(r);
    else
        reply_hashed(r, "application/json", out);
}

static void reply_v2(struct api_request *r, struct buf *out)
{
    bool protobuf = str_find(r->accept_header, STR("proto-openapi")) >= 0;
    int rc = crd_openapi_v2(r->api, protobuf, out);
    if (rc < 0)
        fail_memory(r);
    else
        reply_hashed(r,
                     protobuf ? "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
                              : "application/json",
                     out);
}

/* ---- routes ---- */

static void reply_paths(struct api_request *r, struct buf *out, const struct catalog *all)
{
    buf_puts(out, "{\n  \"paths\": [\n    \"/api\",\n    \"/api/v1\",\n    \"/apis\"");
    for (size_t i = 0; i < all->version_count; i++) {
        struct schema_group_version gv = all->versions[i];
        if (gv.group[0])
            buf_printf(out, ",\n    \"/apis/%s\",\n    \"/apis/%s/%s\"", gv.group, gv.group,
                       gv.version);
    }
    buf_puts(out,
             ",\n    \"/healthz\",\n    \"/livez\",\n    \"/openapi/v2\",\n    \"/openapi/v3\",\n"
             "    \"/readyz\",\n    \"/version\"\n  ]\n}");
    reply_bytes(r, 200, "application/json", buf_str(out));
}

static bool reply_group(struct api_request *r, struct buf *out, const struct catalog *all,
                        struct str path)
{
    struct str rest = path, part[3];
    size_t n = 0;
    while (n < 3 && str_split(&rest, '/', &part[n]))
        n++;
    if (rest.p || n == 0)
        return false;
    bool core = str_is(part[0], "api");
    if (n == 2 && !core) {
        if (!write_group(out, all, part[1], true))
            return false;
        buf_putc(out, '\n');
        reply_hashed(r, "application/json", out);
        return true;
    }
    if (n != (core ? 2 : 3))
        return false;
    for (size_t i = 0; i < all->version_count; i++) {
        struct schema_group_version gv = all->versions[i];
        if (str_is(core ? STR("") : part[1], gv.group) && str_is(part[n - 1], gv.version)) {
            write_resource_list(out, all, gv);
            reply_hashed(r, "application/json", out);
            return true;
        }
    }
    return false;
}

bool discovery_handle(struct api_request *r)
{
    struct str path = r->url.path;
    struct buf out CLEANUP_BUF;
    struct catalog all;
    buf_init(&out, DOCUMENT_BYTES);
    if (!cstr_eq(r->url.verb, "get"))
        return false;
    if (catalog_make(r->api, &r->arena, &all) < 0) {
        fail_memory(r);
        return true;
    }
    if (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    if (str_is(path, "/"))
        reply_paths(r, &out, &all);
    else if (str_is(path, "/version"))
        reply_version(r, &out);
    else if (str_is(path, "/api") || str_is(path, "/apis"))
        reply_root(r, &out, &all, str_is(path, "/api"));
    else if (str_is(path, "/openapi/v2"))
        reply_v2(r, &out);
    else if (str_is(path, "/openapi/v3"))
        reply_v3_index(r, &out, &all);
    else if (str_starts(path, STR("/openapi/v3/")))
        reply_v3(r, &out, str_make(path.p + 12, path.n - 12));
    else if (str_starts(path, STR("/api/")) || str_starts(path, STR("/apis/")))
        return reply_group(r, &out, &all, str_make(path.p + 1, path.n - 1));
    else
        return false;
    return true;
}
