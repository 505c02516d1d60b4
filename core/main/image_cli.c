/* See image_cli.h. One request after the other; each waits by running the loop. */
#include "main/image_cli.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/yaml.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "kernel-glue/boot/file.h"
#include "main/args.h"
#include "pull/io.h"
#include "wire/http_client.h"
#include "wire/url.h"

enum { KUBECONFIG_BYTES = 1024 * 1024, ANSWER_BYTES = 64 * 1024 * 1024, CHUNK_BYTES = 64 * 1024,
       GET_MS = 30 * 1000, LOAD_MS = 10 * 60 * 1000 };

struct image_cli {
    struct loop *loop;
    struct arena memory;
    struct tls_context *tls;
    struct pull_url server;
    char host[PULL_HOST_BYTES + 16];
    const char *authorization; /* or NULL */
    struct net_addr addrs[PULL_ADDRS];
    size_t addr_count;
    /* the request under way */
    struct http_call *call;
    int body_fd; /* or -1 */
    bool sent, ended;
    int status, rc;
    char message[512];
    struct buf answer;
};

/* ---- kubeconfig ---- */

static const struct json *named(const struct json *list, const char *name)
{
    for (const struct json *e = json_first(list); e; e = e->next)
        if (cstr_eq(json_path_cstr(e, "name"), name))
            return e;
    return NULL;
}

/* KEY-data in base64, or the file that KEY names. */
static int credential(struct image_cli *c, const struct json *o, const char *key, struct str *ret_pem, struct err *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s-data", key);
    struct str data = json_str(json_get(o, name));
    const char *path = json_cstr(json_get(o, key));
    size_t n = 0;
    char *p = arena_alloc(&c->memory, data.n ? data.n / 4 * 3 + 4 : KUBECONFIG_BYTES);
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    if (data.n && base64_decode(p, &n, data) < 0)
        return err_set(err, E_SYNTAX, "%s is not base64", name);
    if (!data.n && path[0]) {
        int rc = file_read(FILE_HERE, path, p, KUBECONFIG_BYTES, &n, err);
        if (rc < 0)
            return rc;
    }
    *ret_pem = str_make(p, n);
    return 0;
}

static int take_kubeconfig(struct image_cli *c, const struct json *root, struct err *err)
{
    const struct json *context = json_get(named(json_get(root, "contexts"), json_path_cstr(root, "current-context")), "context");
    const struct json *cluster = json_get(named(json_get(root, "clusters"), json_path_cstr(context, "cluster")), "cluster");
    const struct json *user = json_get(named(json_get(root, "users"), json_path_cstr(context, "user")), "user");
    struct tls_config tls = {.peer = TLS_PEER_REQUIRED};
    if (!cluster)
        return err_set(err, E_BAD_REQUEST, "its current context names no cluster");
    int rc = pull_url_parse(json_path_str(cluster, "server"), &c->server, err);
    if (rc == 0 && !c->server.https)
        rc = err_set(err, E_BAD_REQUEST, "its server must be https://");
    if (rc == 0)
        rc = credential(c, cluster, "certificate-authority", &tls.trust_pem, err);
    if (rc == 0)
        rc = credential(c, user, "client-certificate", &tls.cert_chain_pem, err);
    if (rc == 0)
        rc = credential(c, user, "client-key", &tls.key_pem, err);
    if (rc == 0)
        rc = tls_context_new(&tls, &c->tls, err);
    const char *token = json_path_cstr(user, "token");
    if (rc == 0 && token[0])
        c->authorization = arena_printf(&c->memory, "Bearer %s", token);
    pull_url_host(&c->server, c->host);
    return rc;
}

static int read_kubeconfig(struct image_cli *c, const char *path, struct err *err)
{
    struct json *root;
    size_t n;
    char *text = arena_alloc(&c->memory, KUBECONFIG_BYTES);
    int rc = text ? file_read(FILE_HERE, path, text, KUBECONFIG_BYTES, &n, err)
                  : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0)
        rc = yaml_parse(&c->memory, str_make(text, n), NULL, &root, NULL, err);
    if (rc == 0)
        rc = take_kubeconfig(c, root, err);
    if (rc < 0)
        return err_wrap(err, rc, "kubeconfig %s", path);
    struct pull_io io = {.loop = c->loop, .net = net_socket()};
    return pull_resolve(&io, c->server.host, c->server.port, c->addrs, &c->addr_count, err);
}

/* ---- one request ---- */

static void on_head(void *ctx, const struct http_head *head)
{
    struct image_cli *c = ctx;
    c->status = head->status;
}

static void on_body(void *ctx, struct str bytes)
{
    struct image_cli *c = ctx;
    buf_append_str(&c->answer, bytes);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct image_cli *c = ctx;
    c->ended = true;
    c->rc = rc;
    str_copy(c->message, sizeof c->message, str_of(message));
}

/* Sends on as much of the file as the connection takes. */
static void on_drained(void *ctx)
{
    struct image_cli *c = ctx;
    char p[CHUNK_BYTES];
    while (c->body_fd >= 0 && !c->sent && !c->ended && http_call_unsent(c->call) <= CONN_HIGH) {
        ssize_t n = read(c->body_fd, p, sizeof p);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0 && http_call_write(c->call, str_make(p, (size_t)n)) == 0)
            continue;
        c->sent = true;
        if (n < 0)
            on_end(c, -E_IO, "cannot read the archive");
        else if (n == 0)
            (void)!http_call_write_end(c->call);
    }
}

static int request(struct image_cli *c, const char *method, const char *target, int body_fd, struct err *err)
{
    static const struct http_call_handlers handlers = {on_head, on_body, on_end, on_drained};
    static const struct conn_handlers none = {0};
    struct http_header headers[2] = {{STR("accept"), STR("application/json")}};
    struct conn_options o = {.loop = c->loop, .net = net_socket(), .tls = c->tls, .server_name = c->server.host, .handlers = &none};
    struct http_call_options q = {.loop = c->loop, .method = method, .target = target, .host = c->host,
                                  .headers = headers, .header_count = 1, .streamed = body_fd >= 0,
                                  .timeout_ms = body_fd >= 0 ? LOAD_MS : GET_MS, .handlers = &handlers, .ctx = c};
    struct conn *conn;
    struct stat st;
    if (c->authorization)
        headers[q.header_count++] = (struct http_header){STR("authorization"), str_of(c->authorization)};
    q.stream_length = body_fd >= 0 && fstat(body_fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
    c->body_fd = body_fd;
    c->sent = c->ended = false;
    c->status = 0;
    buf_clear(&c->answer);
    int rc = conn_connect(&o, &c->addrs[0], &conn);
    if (rc == 0 && (rc = http_call_new(&q, conn, &c->call)) < 0)
        conn_free(conn);
    if (rc < 0)
        return err_set(err, -rc, "cannot reach %s: %s", c->host, err_text(rc));
    on_drained(c);
    while (rc == 0 && !c->ended)
        rc = loop_turn(c->loop, 1000);
    http_call_free(c->call);
    c->call = NULL;
    if (rc == 0)
        rc = c->rc;
    return rc < 0 ? err_set(err, -rc, "%s: %s", c->host, c->message[0] ? c->message : err_text(rc)) : 0;
}

/* The answer of a request that must succeed, as a tree. */
static int answer(struct image_cli *c, struct json **ret_tree, struct err *err)
{
    struct str text = buf_str(&c->answer);
    struct json *tree = NULL;
    int rc = json_parse(&c->memory, text, NULL, &tree, NULL);
    if (c->status < 200 || c->status > 299) {
        struct str message = rc == 0 ? json_path_str(tree, "message") : str_trim(text);
        return err_set(err, E_UNAVAILABLE, "HTTP status %d: %.*s", c->status,
                       (int)(message.n < 300 ? message.n : 300), message.n ? message.p : "");
    }
    if (rc < 0)
        return err_set(err, E_SYNTAX, "the answer is no JSON");
    *ret_tree = tree;
    return 0;
}

/* ---- load ---- */

static int load_into(struct image_cli *c, const char *node, const char *archive, struct err *err)
{
    struct buf target CLEANUP_BUF;
    struct json *tree;
    int fd;
    buf_init(&target, 4096);
    buf_puts(&target, "/api/v1/nodes/");
    url_encode(&target, str_of(node));
    buf_puts(&target, "/proxy/images/load");
    int rc = file_open(FILE_HERE, archive, &fd, err);
    if (rc < 0)
        return rc;
    rc = request(c, "POST", buf_cstr(&target), fd, err);
    close(fd);
    if (rc == 0)
        rc = answer(c, &tree, err);
    if (rc < 0)
        return err_wrap(err, rc, "node %s", node);
    printf("%s: %s %s\n", node, json_path_cstr(tree, "name"), json_path_cstr(tree, "id"));
    return 0;
}

static int load(struct image_cli *c, const char *node, const char *archive, struct err *err)
{
    struct json *nodes;
    if (node)
        return load_into(c, node, archive, err);
    int rc = request(c, "GET", "/api/v1/nodes", -1, err);
    if (rc == 0)
        rc = answer(c, &nodes, err);
    if (rc < 0)
        return rc;
    if (!json_first(json_get(nodes, "items")))
        return err_set(err, E_NOT_FOUND, "the cluster has no node");
    for (const struct json *n = json_first(json_get(nodes, "items")); n && rc == 0; n = n->next)
        rc = load_into(c, json_path_cstr(n, "metadata.name"), archive, err);
    return rc;
}

int image_cli_main(int argc, char **argv)
{
    const char *kubeconfig = NULL, *node = NULL, *archive = NULL;
    const struct args_option options[] = {{"--kubeconfig", &kubeconfig}, {"--node", &node}, {NULL, NULL}};
    struct image_cli c = {.body_fd = -1};
    struct err err = {0};
    struct poll poll;
    if (argc < 1 || strcmp(argv[0], "load") != 0)
        return args_error("image wants the word load");
    if (!args_parse(argc - 1, argv + 1, options, &archive))
        return 2;
    if (!kubeconfig || !archive)
        return args_error("image load wants --kubeconfig FILE and an ARCHIVE");
    arena_init(&c.memory, 4 * ANSWER_BYTES);
    buf_init(&c.answer, ANSWER_BYTES);
    int rc = poll_epoll_open(&poll);
    if (rc == 0)
        rc = loop_new(poll, &c.loop);
    if (rc < 0)
        err_set(&err, -rc, "cannot make an event loop: %s", err_text(rc));
    if (rc == 0)
        rc = read_kubeconfig(&c, kubeconfig, &err);
    if (rc == 0)
        rc = load(&c, node, archive, &err);
    if (rc < 0)
        fprintf(stderr, "keelson: %s\n", err.text);
    tls_context_free(c.tls);
    loop_free(c.loop);
    buf_done(&c.answer);
    arena_done(&c.memory);
    return rc < 0;
}
