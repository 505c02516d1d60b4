/*
 * Load on an API server over TLS, one line of figures a round:
 *
 *   api_bench KUBECONFIG PIDS ROUND...      PIDS of the server's processes, with commas, for CPU time
 *
 *   create:CLIENTS   1 KB ConfigMaps       get:CLIENTS     of the first OBJECTS of them
 *   patch:CLIENTS    merge patches of them  apply:CLIENTS  server-side apply of objects of its own
 *   list:PATH        one client            pods:COUNT      creates so many, 32 clients
 *   watch:CLIENTS    one change to all     sync:FILE       bare pwrite + fdatasync of 1 KB
 *   encrypt:BYTES    by the TLS library alone
 *   serial:N         objects are named from N on
 *
 * A line is `ROUND` and pairs of name and number, separated by tabs. tests/bench/bench reads them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/https.h"
#include "codec/yaml.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "kernel-glue/boot/file.h"
#include "port/crypto.h"

enum { MAX_SAMPLES = 4 * 1000 * 1000, OBJECT_BYTES = 1000, OBJECTS = 1000, TEXT = 65536, OPENING = 16, BURST_CLIENTS = 8 };
enum { ROUND_MS = 3000, QUIET_EVENTS = 30, BURST_EVENTS = 200, EVENTS_MAX = QUIET_EVENTS + BURST_EVENTS };

#define WATCHED "/api/v1/namespaces/kube-public/configmaps"

enum kind { CREATE, GET, LIST, POD, CHANGE, PATCH, APPLY };

struct bench {
    struct loop *loop;
    struct tls_context *tls;
    struct tls_config identity;
    struct net_addr server;
    struct worker *workers; /* worker_count, kept between rounds */
    struct watcher *watchers;
    size_t worker_count, watcher_count;
    const char *pids, *list_path;
    int64_t until_ns;
    uint64_t left; /* requests to begin; UINT64_MAX: until the time is over */
    int64_t *samples;
    size_t sample_count, failures;
    size_t running, bytes, open, delivered, wanted;
    uint64_t serial, reads;
    int64_t sent_ns[EVENTS_MAX];
    uint64_t changes;
    char body[OBJECT_BYTES + 1];
};

struct worker {
    struct bench *bench;
    struct client client;
    enum kind kind;
    int64_t began_ns;
};

struct watcher {
    struct bench *bench;
    struct client client;
    size_t seen;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "api_bench: %s: %s\n", what, why);
    exit(1);
}

static int64_t now_ns(const struct bench *b)
{
    return loop_realtime_ns(b->loop);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(struct bench *b, double q)
{
    qsort(b->samples, b->sample_count, sizeof b->samples[0], by_value);
    return b->sample_count ? (double)b->samples[(size_t)((double)(b->sample_count - 1) * q)] / 1e6 : 0;
}

/* ---- CPU time ---- */

static double cpu_of(const char *pid)
{
    char path[64], text[1024];
    unsigned long long user, system;
    size_t n;
    struct err err = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", atoi(pid));
    if (file_read(FILE_HERE, path, text, sizeof text - 1, &n, &err) < 0)
        die(path, err.text);
    text[n] = 0;
    const char *after = strrchr(text, ')');
    if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        die(path, "not understood");
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double server_cpu(const struct bench *b)
{
    double sum = 0;
    for (const char *p = b->pids; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        sum += cpu_of(p);
    return sum;
}

static double own_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- requests ---- */

static void next(struct worker *w);

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct worker *w = ctx;
    struct bench *b = w->bench;
    if (r->rc < 0) {
        if (b->failures++ == 0)
            fprintf(stderr, "api_bench: a request failed: %s\n", r->message);
    } else if (w->kind != CHANGE && b->sample_count < MAX_SAMPLES) {
        b->samples[b->sample_count++] = now_ns(b) - w->began_ns;
        b->bytes += r->body.n;
    }
    next(w);
}

static void put_config_map(struct bench *b, struct buf *body)
{
    buf_printf(body, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"bench-%llu\"},\"data\":{\"x\":\"",
               (unsigned long long)b->serial++);
    buf_puts(body, b->body);
    buf_puts(body, "\"}}");
}

/* One of the objects that create made, or one that apply made before. */
static void put_change(struct bench *b, struct worker *w, struct client_request *r, char *path, size_t size,
                       struct buf *body)
{
    unsigned long long n = b->reads++ % OBJECTS;
    bool apply = w->kind == APPLY;
    r->method = "PATCH";
    r->content_type = apply ? "application/apply-patch+yaml" : "application/merge-patch+json";
    snprintf(path, size, "/api/v1/namespaces/default/configmaps/%s-%llu%s", apply ? "apply" : "bench", n,
             apply ? "?fieldManager=bench&force=true" : "");
    if (apply)
        buf_printf(body, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"apply-%llu\"},", n);
    buf_printf(body, "%s\"data\":{\"round\":\"%llu\"", apply ? "" : "{", (unsigned long long)b->serial++);
    if (apply)
        buf_printf(body, ",\"x\":\"%s\"", b->body);
    buf_puts(body, "}}");
}

/* What a Deployment of a small web server makes. No scheduler takes it: it stays as it is. */
static void put_pod(struct bench *b, struct buf *body)
{
    buf_printf(body,
               "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod-%llu\",\"labels\":{\"app\":\"web\","
               "\"pod-template-hash\":\"5d9c7f6b8\",\"tier\":\"front\"},\"annotations\":{\"example.com/revision\":\"7\"}},",
               (unsigned long long)b->serial++);
    buf_puts(body, "\"spec\":{\"schedulerName\":\"nobody\",\"containers\":[{\"name\":\"web\",\"image\":\"registry.example.com/team/web:v1.24.3\","
                   "\"args\":[\"--listen=:8080\",\"--log-level=info\"],\"ports\":[{\"name\":\"http\",\"containerPort\":8080}],"
                   "\"env\":[{\"name\":\"GREETING\",\"value\":\"hello\"},{\"name\":\"POD_NAME\",\"valueFrom\":{\"fieldRef\":"
                   "{\"fieldPath\":\"metadata.name\"}}}],\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"},"
                   "\"limits\":{\"cpu\":\"500m\",\"memory\":\"128Mi\"}},\"readinessProbe\":{\"httpGet\":{\"path\":\"/ready\","
                   "\"port\":\"http\"}},\"livenessProbe\":{\"httpGet\":{\"path\":\"/alive\",\"port\":\"http\"}},\"volumeMounts\":"
                   "[{\"name\":\"config\",\"mountPath\":\"/etc/web\"}]}],\"volumes\":[{\"name\":\"config\",\"configMap\":{\"name\":\"web\"}}]}}");
}

static void next(struct worker *w)
{
    struct bench *b = w->bench;
    char path[200];
    struct buf body CLEANUP_BUF;
    struct client_request r = {.method = "POST", .path = path};

    buf_init(&body, 8192);
    w->began_ns = now_ns(b);
    if (w->began_ns >= b->until_ns || b->left == 0 || b->failures > 100) {
        if (--b->running == 0 && (w->kind != CHANGE || b->delivered == b->wanted))
            loop_stop(b->loop);
        return;
    }
    if (b->left != UINT64_MAX)
        b->left--;
    snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps");
    if (w->kind == CHANGE) {
        snprintf(path, sizeof path, WATCHED);
        if (b->changes < EVENTS_MAX)
            b->sent_ns[b->changes++] = w->began_ns;
        put_config_map(b, &body);
    } else if (w->kind == CREATE) {
        put_config_map(b, &body);
    } else if (w->kind == POD) {
        snprintf(path, sizeof path, "/api/v1/namespaces/default/pods");
        put_pod(b, &body);
    } else if (w->kind == PATCH || w->kind == APPLY) {
        put_change(b, w, &r, path, sizeof path, &body);
    } else {
        r.method = "GET";
        if (w->kind == GET)
            snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps/bench-%llu",
                     (unsigned long long)(b->reads++ % OBJECTS));
        else
            r.path = b->list_path;
    }
    r.body = buf_str(&body);
    if (client_do(&w->client, &r, on_reply, w, NULL) < 0)
        die("request", "out of memory");
}

static struct client new_client(struct bench *b)
{
    struct client c;
    struct client_https_options o = {.loop = b->loop, .net = net_socket(), .tls = b->tls, .server = b->server,
                                     .server_name = "127.0.0.1", .user_agent = "bench"};
    if (client_https_new(&o, &c) < 0)
        die("client", "out of memory");
    return c;
}

static void start(struct bench *b, enum kind kind, size_t clients, uint64_t count)
{
    if (clients > b->worker_count)
        die("round", "too many clients");
    b->sample_count = b->failures = b->bytes = 0;
    b->left = count;
    b->running = clients;
    b->until_ns = now_ns(b) + (count == UINT64_MAX ? ROUND_MS : 120 * 1000) * 1000000ll;
    for (size_t i = 0; i < clients; i++) {
        b->workers[i].kind = kind;
        next(&b->workers[i]);
    }
}

static void run_round(struct bench *b, const char *name, enum kind kind, size_t clients, uint64_t count)
{
    start(b, kind, clients, clients); /* connects: the handshakes are not counted */
    if (loop_run(b->loop) < 0)
        die(name, "the loop failed");
    if (count != UINT64_MAX)
        count = count > clients ? count - clients : 0;
    double cpu = server_cpu(b), own = own_cpu();
    int64_t began = now_ns(b);
    start(b, kind, clients, count);
    if (loop_run(b->loop) < 0 || b->sample_count == 0 || b->failures)
        die(name, "requests failed");
    double seconds = (double)(now_ns(b) - began) / 1e9, n = (double)b->sample_count;
    printf("%s\trate\t%.1f\tp50_ms\t%.3f\tp99_ms\t%.3f\tserver_cpu_us\t%.1f\town_cpu_us\t%.1f\tbytes\t%.0f\n", name, n / seconds,
           quantile_ms(b, 0.5), quantile_ms(b, 0.99), (server_cpu(b) - cpu) / n * 1e6, (own_cpu() - own) / n * 1e6,
           (double)b->bytes / n);
}

/* ---- watchers ---- */

static void open_watcher(struct bench *b);

static void on_watch_head(void *ctx, int status)
{
    struct watcher *w = ctx;
    struct bench *b = w->bench;
    if (status != 200)
        die("watch", "refused");
    b->open++;
    if (b->watcher_count < b->wanted)
        open_watcher(b);
    else if (b->open == b->wanted)
        loop_stop(b->loop);
}

static void on_watch_data(void *ctx, struct str bytes)
{
    struct watcher *w = ctx;
    struct bench *b = w->bench;
    int64_t now = now_ns(b);
    for (const char *p = bytes.p, *end = bytes.p + bytes.n; (p = memchr(p, '\n', (size_t)(end - p))); p++) {
        if (w->seen < b->changes && b->sample_count < MAX_SAMPLES)
            b->samples[b->sample_count++] = now - b->sent_ns[w->seen];
        w->seen++;
        if (++b->delivered == b->wanted && b->running == 0)
            loop_stop(b->loop);
    }
    b->bytes += bytes.n;
}

static void on_watch_end(void *ctx, int rc, const char *message)
{
    (void)ctx;
    (void)rc;
    die("a watch ended", message);
}

static void open_watcher(struct bench *b)
{
    static const struct client_handlers handlers = {on_watch_head, on_watch_data, on_watch_end};
    struct watcher *w = &b->watchers[b->watcher_count++];
    struct client_request r = {.method = "GET", .path = WATCHED "?watch=1", .timeout_ms = -1};
    struct client_call *call;
    w->bench = b;
    w->client = new_client(b);
    if (w->client.ops->send(w->client.self, &r, &handlers, w, &call) < 0)
        die("watch", "out of memory");
}

static void deliver_changes(struct bench *b, size_t clients, uint64_t count)
{
    size_t kept = b->sample_count, bytes = b->bytes;
    b->delivered = 0;
    b->wanted = b->watcher_count * count;
    start(b, CHANGE, clients, count);
    b->sample_count = kept; /* until here it only connected */
    b->bytes = bytes;
    if (loop_run(b->loop) < 0 || b->failures)
        die("watch", "a change failed");
}

static void settle(struct bench *b)
{
    int64_t until = now_ns(b) + 1000000000;
    while (now_ns(b) < until)
        if (loop_turn(b->loop, 100) < 0)
            die("watch", "the loop failed");
    b->sample_count = b->bytes = b->changes = 0;
    for (size_t i = 0; i < b->watcher_count; i++)
        b->watchers[i].seen = 0;
}

static void watch_round(struct bench *b, const char *name, size_t count)
{
    double last_ms[QUIET_EVENTS];
    b->watchers = mem_calloc(count, sizeof *b->watchers);
    if (!b->watchers)
        die(name, "out of memory");
    b->wanted = count;
    for (size_t i = 0; i < OPENING && i < count; i++)
        open_watcher(b);
    if (loop_run(b->loop) < 0)
        die(name, "the loop failed");
    b->delivered = b->wanted = 0;
    start(b, CHANGE, BURST_CLIENTS, BURST_CLIENTS); /* connects */
    settle(b);
    for (int i = 0; i < QUIET_EVENTS; i++) {
        deliver_changes(b, 1, 1);
        last_ms[i] = (double)(now_ns(b) - b->sent_ns[i]) / 1e6;
    }
    double sum = 0;
    for (int i = 0; i < QUIET_EVENTS; i++)
        sum += last_ms[i];
    double p50 = quantile_ms(b, 0.5), p99 = quantile_ms(b, 0.99), cpu = server_cpu(b);
    int64_t began = now_ns(b);
    b->sample_count = 0;
    deliver_changes(b, BURST_CLIENTS, BURST_EVENTS);
    double seconds = (double)(now_ns(b) - began) / 1e9, events = (double)count * BURST_EVENTS;
    printf("%s\tp50_ms\t%.3f\tp99_ms\t%.3f\tall_ms\t%.3f\trate\t%.0f\tserver_cpu_us\t%.2f\n", name, p50, p99,
           sum / QUIET_EVENTS, events / seconds, (server_cpu(b) - cpu) / events * 1e6);
}

/* ---- what the parts alone can do ---- */

static void sync_round(struct bench *b, const char *name, const char *path)
{
    static char block[OBJECT_BYTES + 300], zeros[1 << 20];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path, "cannot be written");
    for (off_t i = 0; i < 16; i++)
        if (pwrite(fd, zeros, sizeof zeros, i * (off_t)sizeof zeros) != (ssize_t)sizeof zeros)
            die(path, "cannot be written");
    if (fsync(fd) != 0)
        die(path, "fsync");
    b->sample_count = 0;
    int64_t began = now_ns(b), at = began;
    for (off_t i = 0; at < began + 2000000000ll && i < 12000; i++) {
        if (pwrite(fd, block, sizeof block, i * (off_t)sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            die(path, "cannot be written");
        int64_t done = now_ns(b);
        b->samples[b->sample_count++] = done - at;
        at = done;
    }
    printf("%s\trate\t%.1f\tp50_ms\t%.3f\tp99_ms\t%.3f\n", name, (double)b->sample_count / ((double)(at - began) / 1e9),
           quantile_ms(b, 0.5), quantile_ms(b, 0.99));
    close(fd);
    unlink(path);
}

static void move(struct tls *from, struct tls *to)
{
    if (tls_feed(to, buf_str(tls_output(from))) < 0)
        die("encrypt", "out of memory");
    buf_done(tls_output(from));
}

/* A server of its own, signed by itself. */
static void own_server(struct tls_config *ret_config, struct buf *cert, struct buf *key)
{
    struct cert_profile p = {.common_name = "bench", .use = CERT_USE_SERVER, .not_after_s = (int64_t)4e9};
    struct crypto_key *pair;
    struct err err = {0};
    buf_init(cert, TEXT);
    buf_init(key, TEXT);
    if (crypto_key_generate(&pair, &err) < 0 || cert_issue(&p, pair, pair, str_make(NULL, 0), cert, &err) < 0 ||
        crypto_key_private_pem(pair, key) < 0)
        die("encrypt", err.text);
    crypto_key_free(pair);
    *ret_config = (struct tls_config){.server = true, .cert_chain_pem = buf_str(cert), .key_pem = buf_str(key),
                                      .trust_pem = buf_str(cert), .peer = TLS_PEER_NONE};
}

/* Encrypting so many bytes, and nothing else. */
static void encrypt_round(struct bench *b, const char *name, size_t bytes)
{
    struct buf cert CLEANUP_BUF, key CLEANUP_BUF;
    struct tls_config s, c = {.trust_pem = b->identity.trust_pem, .peer = TLS_PEER_NONE};
    struct tls_context *sc, *cc;
    struct tls *server, *client;
    struct err err = {0};
    own_server(&s, &cert, &key);
    if (tls_context_new(&s, &sc, &err) < 0 || tls_context_new(&c, &cc, &err) < 0 || tls_new(sc, NULL, &server) < 0 ||
        tls_new(cc, "127.0.0.1", &client) < 0)
        die(name, err.text);
    for (int i = 0, done = 0; done < 2; i++) {
        int rc = tls_handshake(client, &err), rs = tls_handshake(server, &err);
        move(client, server);
        move(server, client);
        done = (rc == 0) + (rs == 0);
        if (i > 20 || (rc < 0 && rc != -E_AGAIN) || (rs < 0 && rs != -E_AGAIN))
            die(name, err.text);
    }
    static const char chunk[16384];
    b->sample_count = 0;
    for (int round = 0; round < 20; round++) {
        int64_t began = now_ns(b);
        for (size_t at = 0; at < bytes; at += sizeof chunk) {
            if (tls_write(server, chunk, bytes - at < sizeof chunk ? bytes - at : sizeof chunk) < 0)
                die(name, "cannot be encrypted");
            buf_clear(tls_output(server));
        }
        b->samples[b->sample_count++] = now_ns(b) - began;
    }
    printf("%s\tp50_ms\t%.3f\tp99_ms\t%.3f\n", name, quantile_ms(b, 0.5), quantile_ms(b, 0.99));
}

/* ---- setting up ---- */

static struct str decoded(struct arena *a, const struct json *user, const char *key)
{
    struct str text = json_path_str(user, key);
    char *out = arena_alloc(a, text.n + 4);
    size_t n = 0;
    if (!out || base64_decode(out, &n, text) < 0)
        die("kubeconfig", key);
    return str_make(out, n);
}

static void read_config(struct bench *b, struct arena *a, const char *kubeconfig)
{
    static char text[TEXT];
    struct json *root;
    struct err err = {0};
    size_t n;
    if (file_read(FILE_HERE, kubeconfig, text, sizeof text, &n, &err) < 0 ||
        yaml_parse(a, str_make(text, n), NULL, &root, NULL, &err) < 0)
        die(kubeconfig, err.text);
    struct json *user = json_get(json_first(json_get(root, "users")), "user");
    struct json *cluster = json_get(json_first(json_get(root, "clusters")), "cluster");
    struct str server = json_path_str(cluster, "server");
    int64_t port = 0;
    const char *colon = server.n ? memchr(server.p + 8, ':', server.n - 8) : NULL;
    if (!colon || str_to_i64(str_make(colon + 1, (size_t)(server.p + server.n - colon - 1)), &port) < 0)
        die(kubeconfig, "no port in its server");
    b->server = (struct net_addr){.family = 4, .ip = {127, 0, 0, 1}, .port = (uint16_t)port};
    b->identity = (struct tls_config){.cert_chain_pem = decoded(a, user, "client-certificate-data"),
                                      .key_pem = decoded(a, user, "client-key-data"),
                                      .trust_pem = decoded(a, cluster, "certificate-authority-data"),
                                      .peer = TLS_PEER_REQUIRED};
    if (tls_context_new(&b->identity, &b->tls, &err) < 0)
        die(kubeconfig, err.text);
}

static void one_round(struct bench *b, const char *name)
{
    const char *value = strchr(name, ':') ? strchr(name, ':') + 1 : "1";
    size_t n = (size_t)strtoul(value, NULL, 10);
    b->list_path = value;
    alarm(180); /* a server that does not answer ends the bench */
    if (strncmp(name, "create:", 7) == 0)
        run_round(b, name, CREATE, n, UINT64_MAX);
    else if (strncmp(name, "get:", 4) == 0)
        run_round(b, name, GET, n, UINT64_MAX);
    else if (strncmp(name, "patch:", 6) == 0)
        run_round(b, name, PATCH, n, UINT64_MAX);
    else if (strncmp(name, "apply:", 6) == 0)
        run_round(b, name, APPLY, n, UINT64_MAX);
    else if (strncmp(name, "list:", 5) == 0)
        run_round(b, name, LIST, 1, UINT64_MAX);
    else if (strncmp(name, "pods:", 5) == 0)
        run_round(b, name, POD, 32, n);
    else if (strncmp(name, "serial:", 7) == 0)
        printf("%s\tnext\t%llu\n", name, (unsigned long long)(b->serial = n));
    else if (strncmp(name, "watch:", 6) == 0)
        watch_round(b, name, n);
    else if (strncmp(name, "sync:", 5) == 0)
        sync_round(b, name, value);
    else if (strncmp(name, "encrypt:", 8) == 0)
        encrypt_round(b, name, n);
    else
        die(name, "no such round");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct poll poll;
    struct arena a;
    struct bench b = {.worker_count = 256};
    if (argc < 4)
        die("usage", "api_bench KUBECONFIG PIDS ROUND...");
    arena_init(&a, 1 << 20);
    b.samples = mem_calloc(MAX_SAMPLES, sizeof(int64_t));
    b.workers = mem_calloc(b.worker_count, sizeof *b.workers);
    if (!b.samples || !b.workers || poll_epoll_open(&poll) < 0 || loop_new(poll, &b.loop) < 0)
        die("setting up", "out of memory");
    memset(b.body, 'x', OBJECT_BYTES);
    b.pids = argv[2];
    read_config(&b, &a, argv[1]);
    for (size_t i = 0; i < b.worker_count; i++) {
        b.workers[i].bench = &b;
        b.workers[i].client = new_client(&b);
    }
    for (int i = 3; i < argc; i++)
        one_round(&b, argv[i]);
    return 0;
}
