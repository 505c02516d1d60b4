/* See api_fixture.h. */
#include "api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

static struct answer last;

static int sign(void *ctx, struct str message,
                void (*done)(void *arg, int rc, const uint8_t sig[64]), void *arg)
{
    struct fixture *f = ctx;
    uint8_t sig[64];
    int rc = crypto_sign(f->key, message, sig);
    done(arg, rc, sig);
    return 0;
}

static void start(struct fixture *f)
{
    struct buf pem;
    struct err err = {0};
    f->node.options.synchronous = true;
    f->node.options.segment_bytes = 1 << 20;
    f->node.options.snapshot_after_bytes = 1 << 20;
    f->node.options.history_revisions = 40;
    f->node.options.attach_free = api_attached_free;
    assert_int_equal(node_open(&f->node, sim_disk_port(f->disk)), 0);
    buf_init(&pem, 4096);
    assert_int_equal(crypto_key_public_pem(f->key, &pem), 0);
    struct api_options o = {
        .loop = f->node.loop,
        .store = f->node.store,
        .node_name = "node-1",
        .node_addr = "10.0.2.15",
        .port = 6443,
        .ca_pem = STR("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        .service_account_public_pem = buf_str(&pem),
        .sign = sign,
        .ctx = f,
    };
    assert_int_equal(api_new(&o, &f->api, &err), 0);
    buf_done(&pem);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    f->disk = sim_disk_new(1);
    assert_int_equal(crypto_key_generate(&f->key, &err), 0);
    f->live = mem_live_count();
    node_init(&f->node);
    arena_init(&f->arena, 256 << 20);
    start(f);
    *state = f;
    return 0;
}

static void on_booted(void *ctx, int rc, const char *message)
{
    struct fixture *f = ctx;
    if (rc < 0)
        fail_msg("bootstrap: %s", message);
    f->booted = 1;
}

static void boot(struct fixture *f)
{
    f->booted = 0;
    assert_int_equal(api_bootstrap(f->api, on_booted, f), 0);
    for (int i = 0; i < 2000 && !f->booted; i++)
        assert_int_equal(loop_turn(f->node.loop, 1), 0);
    assert_true(f->booted);
}

int fixture_setup_boot(void **state)
{
    fixture_setup(state);
    boot(*state);
    return 0;
}

void fixture_restart(struct fixture *f)
{
    api_free(f->api);
    node_close(&f->node);
    start(f);
    boot(f);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    answer_free(&last);
    memset(&last, 0, sizeof last);
    api_free(f->api);
    node_done(&f->node);
    arena_done(&f->arena);
    assert_int_equal(mem_live_count(), f->live);
    sim_disk_free(f->disk);
    crypto_key_free(f->key);
    free(f);
    return 0;
}

void fixture_turn(struct fixture *f, int turns)
{
    for (int i = 0; i < turns; i++)
        assert_int_equal(loop_turn(f->node.loop, 0), 0);
}

/* ---- the caller ---- */

static bool on_head(void *ctx, int status, const struct api_header *headers, size_t count)
{
    struct answer *a = ctx;
    a->status = status;
    for (size_t i = 0; i < count; i++) {
        if (str_is(headers[i].name, "content-type"))
            str_copy(a->type, sizeof a->type, headers[i].value);
        if (str_is(headers[i].name, "warning"))
            str_copy(a->warning, sizeof a->warning, headers[i].value);
        if (str_is(headers[i].name, "etag"))
            str_copy(a->etag, sizeof a->etag, headers[i].value);
    }
    return true;
}

static int64_t on_body(void *ctx, struct str bytes)
{
    struct answer *a = ctx;
    if (a->hang_up) {
        a->ended = true;
        a->request = NULL;
        return -1;
    }
    buf_append_str(&a->body, bytes);
    return a->waiting;
}

static void on_end(void *ctx)
{
    struct answer *a = ctx;
    assert_false(a->ended);
    a->ended = true;
    a->request = NULL;
}

static void on_proxy(void *ctx, const struct api_proxy_target *to)
{
    struct answer *a = ctx;
    a->ended = a->proxied = true;
    a->request = NULL;
    a->port = to->port;
    snprintf(a->host, sizeof a->host, "%s", to->host);
    snprintf(a->target, sizeof a->target, "%s", to->target);
    snprintf(a->server_name, sizeof a->server_name, "%s", to->server_name ? to->server_name : "");
}

static const struct api_reply_ops ops = {on_head, on_body, on_end, on_proxy};

static const char *const masters[] = {"system:masters", NULL};
static const struct api_peer admin = {
    .has_cert = true, .cert_user = "admin", .cert_groups = masters};

static void send(struct fixture *f, const struct api_peer *peer, const char *method,
                 const char *target, const char *type, const char *accept, const char *body,
                 struct answer *a)
{
    struct api_header headers[4];
    size_t n = 0;
    struct api_request *request = NULL;
    if (type)
        headers[n++] = (struct api_header){STR("content-type"), str_of(type)};
    if (accept)
        headers[n++] = (struct api_header){STR("accept"), str_of(accept)};
    if (f->impersonate)
        headers[n++] = (struct api_header){STR("impersonate-user"), str_of(f->impersonate)};
    struct api_call call = {.method = method,
                            .target = str_of(target),
                            .headers = headers,
                            .header_count = n,
                            .peer = peer ? *peer : admin,
                            .body = str_of(body ? body : "")};
    buf_init(&a->body, 256 << 20);
    assert_int_equal(api_handle(f->api, &call, &ops, a, &request), 0);
    if (!a->ended)
        a->request = request;
}

struct answer *ask_with(struct fixture *f, const struct api_peer *peer, const char *method,
                        const char *target, const char *type, const char *accept, const char *body)
{
    answer_free(&last);
    memset(&last, 0, sizeof last);
    if (!type && body && !strcmp(method, "PATCH"))
        type = "application/strategic-merge-patch+json";
    send(f, peer, method, target, type ? type : "application/json", accept, body, &last);
    for (int i = 0; i < 5000 && !last.ended; i++)
        assert_int_equal(loop_turn(f->node.loop, 0), 0);
    assert_true(last.ended);
    struct str text = buf_str(&last.body);
    if (text.n && text.p[0] == '{' && json_parse(&f->arena, text, NULL, &last.json, NULL) < 0)
        fail_msg("not JSON: %.*s", (int)text.n, text.p);
    return &last;
}

struct answer *ask(struct fixture *f, const char *method, const char *target, const char *body)
{
    return ask_with(f, NULL, method, target, NULL, NULL, body);
}

struct answer *open_stream(struct fixture *f, const char *target, const char *accept)
{
    struct answer *a = calloc(1, sizeof *a);
    send(f, NULL, "GET", target, NULL, accept, NULL, a);
    fixture_turn(f, 20);
    return a;
}

struct answer *begin(struct fixture *f, const char *method, const char *target, const char *body)
{
    struct answer *a = calloc(1, sizeof *a);
    const char *type =
        strcmp(method, "PATCH") ? "application/json" : "application/strategic-merge-patch+json";
    send(f, NULL, method, target, type, NULL, body, a);
    return a;
}

struct answer *open_slow_stream(struct fixture *f, const char *target, int64_t waiting)
{
    struct answer *a = calloc(1, sizeof *a);
    a->waiting = waiting;
    send(f, NULL, "GET", target, NULL, NULL, NULL, a);
    fixture_turn(f, 20);
    return a;
}

void answer_free(struct answer *a)
{
    if (a->request)
        api_request_cancel(a->request);
    buf_done(&a->body);
    if (a != &last)
        free(a);
}

const char *at(const struct answer *a, const char *path)
{
    return json_path_cstr(a->json, path);
}

int64_t int_at(const struct answer *a, const char *path)
{
    return json_path_i64(a->json, path, -1);
}

void expect(const struct answer *a, int status)
{
    if (a->status != status)
        fail_msg("status %d, not %d: %.*s", a->status, status, (int)buf_len(&a->body),
                 buf_str(&a->body).p);
}

void expect_message(const struct answer *a, int status, const char *message)
{
    expect(a, status);
    assert_string_equal(at(a, "message"), message);
}

struct json *event(struct fixture *f, const struct answer *a, int n)
{
    struct str rest = buf_str(&a->body), line;
    struct json *j;
    while (str_split(&rest, '\n', &line))
        if (line.n && n-- == 0) {
            assert_int_equal(json_parse(&f->arena, line, NULL, &j, NULL), 0);
            return j;
        }
    return NULL;
}

char *forge(struct fixture *f, const char *head, const char *claims)
{
    static char token[4096];
    uint8_t sig[64];
    size_t n = base64url_encode(token, head, strlen(head));
    token[n++] = '.';
    n += base64url_encode(token + n, claims, strlen(claims));
    assert_int_equal(crypto_sign(f->key, str_make(token, n), sig), 0);
    token[n++] = '.';
    n += base64url_encode(token + n, sig, 64);
    token[n] = 0;
    return token;
}
