/* See pull.h. */
#include "pull/pull.h"

#include <stdio.h>

#include "base/log.h"
#include "port/crypto.h"
#include "pull/registry.h"

enum { TRY_BYTES = 1024 * 1024 }; /* progress that earns new tries */

static const char accept_manifests[] = "application/vnd.oci.image.index.v1+json, "
                                       "application/vnd.docker.distribution.manifest.list.v2+json, "
                                       "application/vnd.oci.image.manifest.v1+json, "
                                       "application/vnd.docker.distribution.manifest.v2+json";

struct endpoint {
    struct pull_url url;
    const struct pull_registry *registry; /* its configuration, or NULL */
};

struct pull {
    struct pull_options o;
    struct pull_image image;
    struct endpoint endpoints[PULL_ENDPOINTS + 2];
    size_t endpoint_count;
    struct registry registry;
    bool registry_open;
    struct buf document, config;
    struct response head; /* of the document */
};

/* ---- where to look ---- */

static bool is_for(const struct pull_registry *c, const char *registry)
{
    return strcmp(c->name, registry) == 0 || strcmp(c->name, "*") == 0;
}

static int add_endpoint(struct pull *p, const char *text, const struct pull_registry *c, struct err *err)
{
    struct endpoint *e = &p->endpoints[p->endpoint_count];
    if (p->endpoint_count == sizeof p->endpoints / sizeof p->endpoints[0])
        return 0;
    char url[PULL_URL_BYTES];
    const char *scheme = strstr(text, "://") ? "" : c && c->plain_http ? "http://" : "https://";
    snprintf(url, sizeof url, "%s%s", scheme, text);
    int rc = pull_url_parse(str_of(url), &e->url, err);
    if (rc < 0)
        return err_wrap(err, rc, "registry configuration");
    e->registry = c;
    p->endpoint_count++;
    return 0;
}

static bool is_loopback(const char *registry)
{
    struct str host = str_of(registry);
    struct net_addr a;
    if (net_addr_parse(host, false, &a) == 0 || net_addr_parse(host, true, &a) == 0)
        return pull_addr_is_local(&a);
    return str_is(host, "localhost") || str_starts(host, STR("localhost:"));
}

/* Mirrors in order, then the registry itself: http if it is configured so, else https; one on this
 * machine is asked by http first unless it is said whom to trust there. Nothing else ever falls back
 * to http: who can break https on the way would be given the credentials. */
static int find_endpoints(struct pull *p, struct err *err)
{
    const char *name = p->image.reference.registry;
    const char *host = strcmp(name, "docker.io") == 0 ? "registry-1.docker.io" : name;
    const struct pull_registry *own = NULL;
    char http[PULL_NAME_BYTES + 16], https[PULL_NAME_BYTES + 16];
    int rc = 0;
    snprintf(http, sizeof http, "http://%s", host);
    snprintf(https, sizeof https, "https://%s", host);
    for (size_t i = 0; i < p->o.registry_count; i++) {
        const struct pull_registry *c = &p->o.registries[i];
        if (!is_for(c, name))
            continue;
        own = own ? own : c;
        for (size_t m = 0; rc == 0 && m < c->mirror_count; m++)
            rc = add_endpoint(p, c->mirrors[m], c, err);
    }
    bool plain = own && own->plain_http, loopback = is_loopback(host) && !(own && own->tls);
    if (rc == 0 && (plain || loopback))
        rc = add_endpoint(p, http, own, err);
    if (rc == 0 && !plain)
        rc = add_endpoint(p, https, own, err);
    return rc;
}

static bool configured(void *ctx, const struct pull_url *url)
{
    const struct pull *p = ctx;
    for (size_t i = 0; i < p->endpoint_count; i++)
        if (pull_url_same_origin(&p->endpoints[i].url, url))
            return true;
    return false;
}

static void open_registry(struct pull *p, const struct endpoint *e)
{
    struct registry_options o = {
        .io = p->o.io, .endpoint = e->url, .repository = p->image.reference.repository,
        .username = p->o.username, .password = p->o.password, .identity_token = p->o.identity_token,
        .configured = configured, .ctx = p,
    };
    const struct pull_registry *c = e->registry;
    if (c) {
        o.tls = c->tls;
        o.to_http = c->plain_http;
    }
    if (c && c->username && !o.username && !o.identity_token) {
        o.username = c->username;
        o.password = c->password ? c->password : "";
    }
    if (p->registry_open)
        registry_done(&p->registry);
    registry_init(&p->registry, &o);
    p->registry_open = true;
}

int pull_new(const struct pull_options *o, struct pull **ret_pull, struct err *err)
{
    struct pull *p = mem_zalloc(sizeof *p);
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    p->o = *o;
    buf_init(&p->document, PULL_MANIFEST_BYTES);
    buf_init(&p->config, PULL_MANIFEST_BYTES);
    int rc = pull_reference_parse(o->image, &p->image.reference, err);
    if (rc == 0)
        rc = find_endpoints(p, err);
    if (rc < 0) {
        pull_free(p);
        return rc;
    }
    *ret_pull = p;
    return 0;
}

void pull_free(struct pull *p)
{
    if (!p)
        return;
    if (p->registry_open)
        registry_done(&p->registry);
    buf_done(&p->document);
    buf_done(&p->config);
    mem_free(p);
}

/* ---- small documents: manifests, indexes, configurations ---- */

static int document_head(void *ctx, const struct response *r, struct err *err)
{
    struct pull *p = ctx;
    p->head = *r;
    if (r->content_length > PULL_MANIFEST_BYTES)
        return err_set(err, E_TOO_LARGE, "a document of %lld bytes; at most %d are read",
                       (long long)r->content_length, PULL_MANIFEST_BYTES);
    return 0;
}

static int document_body(void *ctx, struct str bytes, struct err *err)
{
    struct pull *p = ctx;
    if (buf_len(&p->document) + bytes.n > PULL_MANIFEST_BYTES)
        return err_set(err, E_TOO_LARGE, "a document of more than %d bytes", PULL_MANIFEST_BYTES);
    buf_append_str(&p->document, bytes);
    return p->document.failed ? err_set(err, E_NOMEM, "out of memory for a document") : 0;
}

static void digest_text(const uint8_t digest[SHA256_BYTES], char ret_text[PULL_DIGEST_BYTES])
{
    memcpy(ret_text, "sha256:", 8);
    hex_encode(ret_text + 7, digest, SHA256_BYTES);
}

/* Reads kind ("manifests", "blobs") of a name into p->document; its digest must be the one
 * expected, unless that is empty. */
static int document(struct pull *p, const char *kind, const char *name, const char *expected,
                    char ret_digest[PULL_DIGEST_BYTES], struct err *err)
{
    char path[2 * PULL_NAME_BYTES + 64];
    uint8_t digest[SHA256_BYTES];
    snprintf(path, sizeof path, "/v2/%s/%s/%s", p->image.reference.repository, kind, name);
    struct registry_request q = {.path = path, .head = document_head, .body = document_body, .ctx = p};
    q.accept = strcmp(kind, "manifests") == 0 ? accept_manifests : NULL;
    buf_clear(&p->document);
    int rc = registry_get(&p->registry, &q, err);
    if (rc < 0)
        return rc;
    sha256_of(buf_str(&p->document), digest);
    digest_text(digest, ret_digest);
    if (expected[0] && strcmp(expected, ret_digest) != 0)
        return err_set(err, E_CORRUPT, "digest mismatch: expected %s, got %s", expected, ret_digest);
    return 0;
}

static int find_manifest(struct pull *p, struct err *err)
{
    const struct pull_reference *r = &p->image.reference;
    struct pull_manifest *m = &p->image.manifest;
    char digest[PULL_DIGEST_BYTES], want[PULL_DIGEST_BYTES];
    int rc = document(p, "manifests", r->digest[0] ? r->digest : r->tag, r->digest, p->image.digest, err);
    if (rc == 0 && !r->digest[0] && pull_digest_ok(str_of(p->head.digest)) &&
        strcmp(p->head.digest, p->image.digest) != 0)
        rc = err_set(err, E_CORRUPT, "digest mismatch: expected %s, got %s", p->head.digest, p->image.digest);
    if (rc == 0)
        rc = pull_manifest_parse(buf_str(&p->document), str_of(p->head.content_type), m, err);
    /* An index may hold an index; no deeper. */
    for (unsigned depth = 0; rc == 0 && m->is_index; depth++) {
        if (depth == 2)
            return err_set(err, E_LIMIT, "an index in an index in an index");
        memcpy(want, m->digest, sizeof want);
        rc = document(p, "manifests", want, want, digest, err);
        if (rc == 0)
            rc = pull_manifest_parse(buf_str(&p->document), str_of(p->head.content_type), m, err);
    }
    return rc;
}

static int find_config(struct pull *p, struct err *err)
{
    struct pull_manifest *m = &p->image.manifest;
    char digest[PULL_DIGEST_BYTES];
    if (m->size_bytes > PULL_MANIFEST_BYTES)
        return err_set(err, E_TOO_LARGE, "an image configuration of %lld bytes", (long long)m->size_bytes);
    int rc = document(p, "blobs", m->digest, m->digest, digest, err);
    if (rc < 0)
        return err_wrap(err, rc, "image configuration");
    if (buf_len(&p->document) != (size_t)m->size_bytes)
        return err_set(err, E_CORRUPT, "image configuration: expected %lld bytes, got %zu", (long long)m->size_bytes,
                       buf_len(&p->document));
    buf_clear(&p->config);
    buf_append_str(&p->config, buf_str(&p->document));
    p->image.config = buf_str(&p->config);
    return p->config.failed ? err_set(err, E_NOMEM, "out of memory for an image configuration")
                            : pull_config_parse(p->image.config, m, err);
}

/* A server that speaks HTTP at this port does not speak HTTPS there. */
static bool same_server(const struct endpoint *a, const struct endpoint *b)
{
    return a->url.port == b->url.port && strcmp(a->url.host, b->url.host) == 0;
}

/* The error is of the last endpoint that answered, or of the first when none did. */
int pull_find(struct pull *p, const struct pull_image **ret_image, struct err *err)
{
    const struct endpoint *answered = NULL;
    int rc = -E_UNAVAILABLE;
    for (size_t i = 0; i < p->endpoint_count; i++) {
        const struct endpoint *e = &p->endpoints[i];
        char host[PULL_HOST_BYTES + 16];
        struct err why = {0};
        if (answered && same_server(e, answered))
            continue;
        open_registry(p, e);
        int failed = find_manifest(p, &why);
        if (failed == 0)
            failed = find_config(p, &why);
        if (failed == 0) {
            *ret_image = &p->image;
            return 0;
        }
        pull_url_host(&e->url, host);
        log_debug("%s://%s: %s", e->url.https ? "https" : "http", host, why.text);
        if (i == 0 || p->registry.answered)
            rc = err_set(err, -failed, "%s://%s: %s", e->url.https ? "https" : "http", host, why.text);
        if (p->registry.answered)
            answered = e;
        if (failed == -E_CORRUPT || failed == -E_NOMEM)
            break;
    }
    return rc;
}

/* ---- layers ---- */

struct transfer {
    const struct pull_layer *layer;
    const struct pull_file *file;
    struct sha256 hash;
    uint64_t done;
};

static int transfer_head(void *ctx, const struct response *r, struct err *err)
{
    struct transfer *t = ctx;
    char want[32];
    if (r->status == 206) {
        snprintf(want, sizeof want, "bytes %llu-", (unsigned long long)t->done);
        return str_starts(str_of(r->content_range), str_of(want))
                   ? 0 : err_set(err, E_SYNTAX, "the registry resumed at another place than asked");
    }
    t->done = 0; /* all over again */
    sha256_init(&t->hash);
    if (r->content_length >= 0 && r->content_length != t->layer->size_bytes)
        return err_set(err, E_CORRUPT, "layer %s: expected %lld bytes, the registry has %lld", t->layer->digest,
                       (long long)t->layer->size_bytes, (long long)r->content_length);
    return 0;
}

static int transfer_body(void *ctx, struct str bytes, struct err *err)
{
    struct transfer *t = ctx;
    if (bytes.n > (uint64_t)t->layer->size_bytes - t->done)
        return err_set(err, E_CORRUPT, "layer %s: more than the %lld bytes expected", t->layer->digest,
                       (long long)t->layer->size_bytes);
    int rc = t->file->write(t->file->ctx, t->done, bytes, err);
    if (rc < 0)
        return rc;
    sha256_update(&t->hash, bytes.p, bytes.n);
    t->done += bytes.n;
    return 0;
}

static bool worth_another_try(int rc)
{
    return rc == -E_CLOSED || rc == -E_TIMEOUT || rc == -E_UNAVAILABLE || rc == -E_IO;
}

int pull_layer(struct pull *p, size_t index, const struct pull_file *file, struct err *err)
{
    const struct pull_layer *l = &p->image.manifest.layers[index];
    struct transfer t = {.layer = l, .file = file};
    struct registry_request q = {.head = transfer_head, .body = transfer_body, .ctx = &t};
    char path[2 * PULL_NAME_BYTES + 64], got[PULL_DIGEST_BYTES];
    uint8_t digest[SHA256_BYTES];
    int rc = -E_UNAVAILABLE;
    snprintf(path, sizeof path, "/v2/%s/blobs/%s", p->image.reference.repository, l->digest);
    q.path = path;
    sha256_init(&t.hash);
    for (unsigned i = 0; i < PULL_TRIES && (i == 0 || worth_another_try(rc)); i++) {
        uint64_t before = t.done;
        q.from = t.done;
        err_clear(err);
        rc = registry_get(&p->registry, &q, err);
        if (rc == 0 && t.done < (uint64_t)l->size_bytes)
            rc = err_set(err, E_CLOSED, "only %llu of %lld bytes came", (unsigned long long)t.done,
                         (long long)l->size_bytes);
        if (worth_another_try(rc) && t.done == (uint64_t)l->size_bytes && t.done)
            rc = 0; /* all is here; how the connection ended does not matter */
        if (rc == 0)
            break;
        if (t.done > before + TRY_BYTES)
            i = 0; /* it goes on, if slowly */
    }
    if (rc < 0)
        return err_wrap(err, rc, "layer %s", l->digest);
    sha256_final(&t.hash, digest);
    digest_text(digest, got);
    if (strcmp(got, l->digest) != 0)
        return err_set(err, E_CORRUPT, "digest mismatch: expected %s, got %s", l->digest, got);
    return 0;
}
