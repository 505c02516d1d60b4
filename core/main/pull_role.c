/* See pull_role.h. */
#include "main/pull_role.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/json.h"
#include "drivers/image/confine.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "main/image_role.h"
#include "main/role.h"
#include "main/start_msg.h"
#include "pull/pull.h"

enum { ROLE_REGISTRIES = 32, ROLE_MEMORY = 16 * 1024 * 1024, AUTHORITIES_BYTES = 4 * 1024 * 1024 };

struct pull_role {
    struct arena memory; /* of what START says */
    struct pull_io io;
    struct pull_registry registries[ROLE_REGISTRIES];
    size_t registry_count;
    struct pull_options options;
    struct buf authorities;
    struct pull *pull;
    const struct pull_image *image;
    unsigned char buffer[LIMIT_IMSG_BYTES];
};

/* ---- START ---- */

static const char *text_or_null(const struct json *o, const char *key)
{
    const char *text = json_path_cstr(o, key);
    return text[0] ? text : NULL;
}

static int make_trust(struct str pem, bool verify, struct tls_context **ret_tls, struct err *err)
{
    *ret_tls = NULL;
    const struct tls_config c = {.trust_pem = pem, .peer = verify ? TLS_PEER_REQUIRED : TLS_PEER_NONE};
    return tls_context_new(&c, ret_tls, err);
}

/* One entry of keelson.yaml's registries, as struct role_start describes them. */
static int take_registry(struct pull_role *r, const struct json *o, struct err *err)
{
    struct pull_registry *g = &r->registries[r->registry_count];
    struct str authorities = json_path_str(o, "ca");
    g->name = json_path_cstr(o, "host");
    g->plain_http = json_path_bool(o, "plain_http", false);
    g->username = text_or_null(o, "username");
    g->password = text_or_null(o, "password");
    for (const struct json *m = json_first(json_get(o, "mirrors")); m; m = m->next)
        if (g->mirror_count < PULL_ENDPOINTS)
            g->mirrors[g->mirror_count++] = json_cstr(m);
    r->registry_count++;
    bool verify = !json_path_bool(o, "skip_verify", false);
    if (verify && !authorities.n)
        return 0;
    struct buf all CLEANUP_BUF;
    buf_init(&all, AUTHORITIES_BYTES + START_REGISTRIES);
    buf_append_str(&all, buf_str(&r->authorities));
    buf_printf(&all, "\n" STR_FMT, STR_ARG(authorities));
    int rc = all.failed ? err_set(err, E_NOMEM, "out of memory") : make_trust(buf_str(&all), verify, &g->tls, err);
    return rc < 0 ? err_wrap(err, rc, "registry %s", g->name) : 0;
}

static int take_registries(struct pull_role *r, struct str text, struct err *err)
{
    struct json *list;
    int rc = json_parse(&r->memory, text, NULL, &list, err);
    for (const struct json *o = json_first(rc < 0 ? NULL : list); o && rc == 0; o = o->next)
        rc = r->registry_count < ROLE_REGISTRIES
                 ? take_registry(r, o, err)
                 : err_set(err, E_LIMIT, "more than %d registries are configured", ROLE_REGISTRIES);
    return rc < 0 ? err_wrap(err, rc, "registry configuration") : 0;
}

/* {"username","password"}, {"auth": base64 of both} or {"identitytoken"}. */
static int take_credentials(struct pull_role *r, struct str text, struct err *err)
{
    struct json *o;
    int rc = json_parse(&r->memory, text, NULL, &o, err);
    if (rc < 0)
        return err_wrap(err, rc, "the pull secret");
    r->options.username = text_or_null(o, "username");
    r->options.password = json_path_cstr(o, "password");
    r->options.identity_token = text_or_null(o, "identitytoken");
    struct str auth = json_path_str(o, "auth");
    if (r->options.username || r->options.identity_token || !auth.n)
        return 0;
    size_t n;
    char *plain = arena_alloc(&r->memory, auth.n / 4 * 3 + 4);
    if (!plain || base64_decode(plain, &n, auth) < 0)
        return err_set(err, E_BAD_REQUEST, "the pull secret's \"auth\" is not base64");
    plain[n] = 0;
    char *colon = memchr(plain, ':', n);
    if (!colon)
        return err_set(err, E_BAD_REQUEST, "the pull secret's \"auth\" is not USER:PASSWORD");
    *colon = 0;
    r->options.username = plain;
    r->options.password = colon + 1;
    return 0;
}

static int take_authorities(struct pull_role *r, int fd, struct err *err)
{
    if (fd < 0)
        return 0;
    int rc = image_role_read(fd, &r->authorities, err);
    close(fd);
    return rc < 0 ? rc : make_trust(buf_str(&r->authorities), true, &r->io.tls, err);
}

static int take_fields(struct pull_role *r, const struct imsg_in *m, struct err *err)
{
    struct str name = {"", 0}, auth, registries, bytes;
    struct imsg_cursor at = {0};
    uint8_t tag;
    imsg_get(m, IMAGE_TAG_NAME, &name);
    r->options.image = arena_str(&r->memory, name).p;
    r->options.io = &r->io;
    while (imsg_next(m, &at, &tag, &bytes))
        if (tag == IMAGE_TAG_RESOLVER && r->io.resolver_count < PULL_RESOLVERS &&
            start_msg_get_addr(bytes, &r->io.resolvers[r->io.resolver_count])) {
            struct net_addr *a = &r->io.resolvers[r->io.resolver_count++];
            a->port = a->port ? a->port : 53;
        }
    int rc = r->options.image ? 0 : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0 && imsg_get(m, IMAGE_TAG_REGISTRIES, &registries))
        rc = take_registries(r, registries, err);
    if (rc == 0 && imsg_get(m, IMAGE_TAG_AUTH, &auth) && auth.n)
        rc = take_credentials(r, auth, err);
    r->options.registries = r->registries;
    r->options.registry_count = r->registry_count;
    return rc;
}

static int start(struct pull_role *r, struct err *err)
{
    struct imsg_in m;
    struct poll poll;
    int rc = image_role_receive(r->buffer, &m, err);
    if (rc < 0)
        return rc;
    if (m.type != PULL_START)
        return err_set(err, E_SYNTAX, "the role pull expects to be told what to pull");
    int empty_fd = imsg_take_fd(&m);
    int authorities_fd = imsg_take_fd(&m);
    rc = image_confine_network(empty_fd, role_get(ROLE_PULL)->uid, err);
    if (empty_fd >= 0)
        close(empty_fd);
    if (rc == 0) {
        rc = poll_epoll_open(&poll);
        if (rc == 0)
            rc = loop_new(poll, &r->io.loop);
        if (rc < 0)
            err_set(err, -rc, "cannot make an event loop: %s", err_text(rc));
    }
    r->io.net = net_socket();
    if (rc == 0)
        rc = take_authorities(r, authorities_fd, err);
    if (rc == 0)
        rc = take_fields(r, &m, err);
    imsg_close_fds(&m);
    return rc;
}

/* ---- the image ---- */

static int tell_found(struct pull_role *r, struct err *err)
{
    const struct pull_image *i = r->image;
    char name[PULL_REFERENCE_BYTES];
    struct imsg_out m;
    uint64_t size = 0;
    int fd;
    int rc = image_role_memory(i->config, &fd, err);
    if (rc < 0)
        return rc;
    imsg_begin(&m, r->buffer, sizeof r->buffer, IMAGE_FOUND, 0);
    imsg_put_cstr(&m, IMAGE_TAG_ID, i->manifest.digest);
    if (i->reference.tag[0]) {
        pull_reference_name(&i->reference, name);
        imsg_put_cstr(&m, IMAGE_TAG_NAME, name);
    }
    pull_reference_by_digest(&i->reference, i->digest, name);
    imsg_put_cstr(&m, IMAGE_TAG_REPO_DIGEST, name);
    for (size_t n = 0; n < i->manifest.layer_count; n++) {
        imsg_put_cstr(&m, IMAGE_TAG_DIFF_ID, i->manifest.layers[n].diff_id);
        imsg_put_cstr(&m, IMAGE_TAG_DIGEST, i->manifest.layers[n].digest);
        size += (uint64_t)i->manifest.layers[n].size_bytes;
    }
    imsg_put_u64(&m, IMAGE_TAG_SIZE, size + i->config.n);
    imsg_put_fd(&m, fd);
    rc = image_role_send(&m, err);
    close(fd);
    return rc;
}

static int write_file(void *ctx, uint64_t offset, struct str bytes, struct err *err)
{
    const int *fd = ctx;
    while (bytes.n) {
        ssize_t n = pwrite(*fd, bytes.p, bytes.n, (off_t)offset);
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, "cannot store the layer");
        if (n > 0) {
            bytes = str_make(bytes.p + n, bytes.n - (size_t)n);
            offset += (uint64_t)n;
        }
    }
    return 0;
}

static int fetch(struct pull_role *r, struct imsg_in *m, struct err *err)
{
    uint64_t index;
    struct imsg_out out;
    int fd = imsg_take_fd(m);
    const struct pull_file file = {write_file, &fd};
    if (m->type != PULL_LAYER || fd < 0 || !imsg_get_u64(m, IMAGE_TAG_INDEX, &index) ||
        index >= r->image->manifest.layer_count)
        return err_set(err, E_SYNTAX, "the role pull was asked for what it does not know");
    int rc = pull_layer(r->pull, (size_t)index, &file, err);
    close(fd);
    if (rc < 0)
        return rc;
    imsg_begin(&out, r->buffer, sizeof r->buffer, IMAGE_LAYER_DONE, 0);
    imsg_put_u64(&out, IMAGE_TAG_INDEX, index);
    return image_role_send(&out, err);
}

static int run(struct pull_role *r, struct err *err)
{
    int rc = start(r, err);
    if (rc == 0)
        rc = pull_new(&r->options, &r->pull, err);
    if (rc == 0)
        rc = pull_find(r->pull, &r->image, err);
    if (rc == 0)
        rc = tell_found(r, err);
    while (rc == 0) {
        struct imsg_in m;
        if (image_role_receive(r->buffer, &m, NULL) < 0)
            return 0; /* all is fetched */
        rc = fetch(r, &m, err);
        imsg_close_fds(&m);
    }
    return rc;
}

int pull_role_main(int argc, char **argv)
{
    struct err err = {0};
    struct pull_role *r = mem_zalloc(sizeof *r);
    (void)argc;
    (void)argv;
    log_init("pull", 2, LOG_INFO);
    if (!r) {
        err_set(&err, E_NOMEM, "out of memory");
        image_role_fail(&err);
        return 1;
    }
    arena_init(&r->memory, ROLE_MEMORY);
    buf_init(&r->authorities, AUTHORITIES_BYTES);
    int rc = run(r, &err);
    if (rc < 0)
        image_role_fail(&err);
    pull_free(r->pull);
    for (size_t i = 0; i < r->registry_count; i++)
        tls_context_free(r->registries[i].tls);
    tls_context_free(r->io.tls);
    loop_free(r->io.loop);
    arena_done(&r->memory);
    buf_done(&r->authorities);
    mem_free_secret(r, sizeof *r);
    return rc < 0;
}
