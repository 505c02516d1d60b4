/*
 * The API under load on the host: the control role alone, real TLS and real fsync, load generator
 * included on the same cores. Beside each figure upstream's (Kubernetes 1.28.7 on such a host).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/https.h"
#include "codec/yaml.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "kernel-glue/boot/file.h"

enum { MAX_CLIENTS = 64, MAX_SAMPLES = 200000, OBJECT_BYTES = 1000, OBJECTS = 1000, ROUND_MS = 4000, TEXT = 65536 };

struct bench {
    struct loop *loop;
    struct tls_context *tls;
    struct net_addr server;
    struct worker *workers;
    int64_t until_ns;
    int64_t *samples;
    size_t sample_count, failures;
    int running;
    uint64_t serial;
    char *body;
};

struct worker {
    struct bench *bench;
    struct client client;
    int kind;
    int64_t began_ns;
};

enum { CREATE, GET, LIST };

static void next(struct worker *w);

static int64_t now_ns(struct bench *b)
{
    return loop_realtime_ns(b->loop);
}

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct worker *w = ctx;
    struct bench *b = w->bench;
    if (r->rc < 0 && b->failures++ == 0)
        fprintf(stderr, "request failed: %s\n", r->message);
    else if (b->sample_count < MAX_SAMPLES)
        b->samples[b->sample_count++] = now_ns(b) - w->began_ns;
    next(w);
}

static void next(struct worker *w)
{
    struct bench *b = w->bench;
    char path[200], head[300];
    struct buf body CLEANUP_BUF = {0};
    struct client_request r = {.method = "GET", .path = path};

    w->began_ns = now_ns(b);
    if (w->began_ns >= b->until_ns || b->failures > 100) {
        if (--b->running == 0)
            loop_stop(b->loop);
        return;
    }
    buf_init(&body, 4096);
    snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps");
    if (w->kind == CREATE) {
        snprintf(head, sizeof head,
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"bench-%llu\"},\"data\":{\"x\":\"",
                 (unsigned long long)b->serial++);
        buf_puts(&body, head);
        buf_puts(&body, b->body);
        buf_puts(&body, "\"}}");
        r.method = "POST";
        r.body = buf_str(&body);
    } else if (w->kind == GET) {
        snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps/bench-%llu",
                 (unsigned long long)(b->serial++ % OBJECTS));
    } else {
        snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps?limit=%d", OBJECTS);
    }
    if (client_do(&w->client, &r, on_reply, w, NULL) < 0) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void round_of(struct bench *b, const char *what, int kind, int clients, double upstream)
{
    b->sample_count = b->failures = 0;
    b->running = clients;
    int64_t start = now_ns(b);
    b->until_ns = start + (int64_t)ROUND_MS * 1000000;
    for (int i = 0; i < clients; i++) {
        b->workers[i].kind = kind;
        next(&b->workers[i]);
    }
    int rc = loop_run(b->loop);
    double seconds = (double)(now_ns(b) - start) / 1e9;
    if (rc < 0 || b->sample_count == 0) {
        printf("| %s, %d clients | failed | | | | |\n", what, clients);
        return;
    }
    qsort(b->samples, b->sample_count, sizeof b->samples[0], by_value);
    double rate = (double)b->sample_count / seconds;
    printf("| %s, %d client%s | %.0f /s | %.2f ms | %.2f ms | %.0f /s | %.1f |\n", what, clients,
           clients == 1 ? "" : "s", rate, (double)b->samples[b->sample_count / 2] / 1e6,
           (double)b->samples[b->sample_count * 99 / 100] / 1e6, upstream, rate / upstream);
    fflush(stdout);
}

/* ---- setting up ---- */

static struct str decoded(struct arena *a, const struct json *user, const char *key)
{
    struct str text = json_path_str(user, key);
    char *out = arena_alloc(a, text.n + 4);
    size_t n = 0;
    if (!out || base64_decode(out, &n, text) < 0) {
        fprintf(stderr, "the kubeconfig has no usable %s\n", key);
        exit(1);
    }
    return str_make(out, n);
}

static void connect_all(struct bench *b, const char *kubeconfig)
{
    static char text[TEXT];
    struct arena a CLEANUP_ARENA;
    struct json *root;
    struct err err = {0};
    size_t n;
    arena_init(&a, 1 << 20);
    if (file_read(FILE_HERE, kubeconfig, text, sizeof text, &n, &err) < 0 ||
        yaml_parse(&a, str_make(text, n), NULL, &root, NULL, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    struct json *user = json_get(json_first(json_get(root, "users")), "user");
    struct json *cluster = json_get(json_first(json_get(root, "clusters")), "cluster");
    struct tls_config c = {.cert_chain_pem = decoded(&a, user, "client-certificate-data"),
                           .key_pem = decoded(&a, user, "client-key-data"),
                           .trust_pem = decoded(&a, cluster, "certificate-authority-data"),
                           .peer = TLS_PEER_REQUIRED};
    if (tls_context_new(&c, &b->tls, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    for (int i = 0; i < MAX_CLIENTS; i++) {
        struct client_https_options o = {.loop = b->loop, .net = net_socket(), .tls = b->tls,
                                         .server = b->server, .server_name = "127.0.0.1", .user_agent = "bench"};
        b->workers[i].bench = b;
        if (client_https_new(&o, &b->workers[i].client) < 0)
            exit(1);
    }
}

static void print_memory(pid_t supervisor)
{
    char command[300];
    fflush(stdout);
    snprintf(command, sizeof command,
             "ps -o rss=,args= -p %d --ppid %d | awk '{ n += $1; printf \"| %%s %%s | %%.1f MB |\\n\", $2, $3, $1 / 1024 } "
             "END { printf \"| all of the control plane | %%.1f MB (upstream, idle: 453 MB) |\\n\", n / 1024 }'",
             (int)supervisor, (int)supervisor);
    if (system(command) != 0)
        fprintf(stderr, "ps failed\n");
}

int main(void)
{
    const char *keelson = getenv("KEELSON"), *build = getenv("BUILD");
    char dir[256], kubeconfig[300];
    struct poll poll;
    struct bench b = {.server = {.family = 4, .ip = {127, 0, 0, 1}, .port = 16999}};
    snprintf(dir, sizeof dir, "%s/api-bench.%d", build ? build : "build", (int)getpid());
    snprintf(kubeconfig, sizeof kubeconfig, "%s/admin.kubeconfig", dir);
    pid_t child = fork();
    if (child == 0) {
        execl(keelson ? keelson : "build/keelson", "keelson", "run", "--data", dir, "--role", "control", "--listen",
              "127.0.0.1:16999", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 100 && !file_exists(FILE_HERE, kubeconfig); i++)
        usleep(100000);
    usleep(500000);
    b.samples = mem_calloc(MAX_SAMPLES, sizeof(int64_t));
    b.workers = mem_calloc(MAX_CLIENTS, sizeof *b.workers);
    b.body = mem_zalloc(OBJECT_BYTES + 1);
    if (!b.samples || !b.workers || !b.body || poll_epoll_open(&poll) < 0 || loop_new(poll, &b.loop) < 0)
        return 1;
    memset(b.body, 'x', OBJECT_BYTES);
    connect_all(&b, kubeconfig);
    printf("\n| resident memory, idle | |\n| --- | --- |\n");
    print_memory(child);
    printf("\n| API, 1 KB ConfigMaps | here | p50 | p99 | upstream | ratio |\n| --- | --- | --- | --- | --- | --- |\n");
    round_of(&b, "create", CREATE, 1, 590);
    round_of(&b, "create", CREATE, 64, 1610);
    b.serial = 0;
    round_of(&b, "get", GET, 1, 1560);
    round_of(&b, "get", GET, 64, 3930);
    round_of(&b, "list of 1,000", LIST, 1, 42);
    printf("\n| resident memory after it | |\n| --- | --- |\n");
    print_memory(child);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    snprintf(kubeconfig, sizeof kubeconfig, "rm -r '%s'", dir);
    return b.failures || system(kubeconfig) != 0;
}
