/*
 * What clients take for granted, made at the first start and mended at every later one: namespaces,
 * priority classes, the accounts and CA bundles of the first namespaces, Services
 * default/kubernetes and kube-system/kube-dns, ServiceCIDR kubernetes, the default roles, and the
 * default flow schemas and priority levels. All of it goes through the API as anybody's would, one
 * request after the other; an object that is there already is left alone, except the endpoints of
 * default/kubernetes, which follow the address of this machine.
 *
 * kube-dns has no pods: every node's dns role answers on 10.96.0.10 itself (the address lies on its
 * lo), so the Service only reserves the address and names it, and it has no selector.
 */
#include <stdio.h>

#include "api/local.h"

#include "api/api_int.h"
#include "api/auth/seed.h"
#include "api/flow/dangling.h"
#include "api/flow/ensure.h"

enum { STEPS = 40, RETRIES = 5, RETRY_MS = 200 };

struct step {
    const char *path, *name; /* collection; name for a PUT over what is there */
    char *body;
};

struct bootstrap {
    struct api *api;
    struct client client;
    struct step steps[STEPS];
    size_t count, at;
    unsigned failures;
    bool replacing;
    struct client_call *call;
    struct seed *seed; /* default roles, behind the steps */
    struct loop_timer timer;
    void (*done)(void *ctx, int rc, const char *message);
    void *ctx;
};

static const char *const groups[] = {"system:masters", NULL};
static const char *const namespaces[] = {"default", "kube-system", "kube-public",
                                         "kube-node-lease"};

static void run(void *ctx);

void bootstrap_free(struct bootstrap *b)
{
    if (!b)
        return;
    loop_timer_cancel(b->api->loop, &b->timer);
    if (b->call)
        client_cancel(&b->client, b->call);
    seed_free(b->seed);
    if (b->client.ops)
        b->client.ops->close(b->client.self);
    for (size_t i = 0; i < b->count; i++)
        mem_free(b->steps[i].body);
    b->api->bootstrap = NULL;
    mem_free(b);
}

static void finish(struct bootstrap *b, int rc, const char *message)
{
    void (*done)(void *, int, const char *) = b->done;
    void *ctx = b->ctx;
    char text[600];
    snprintf(text, sizeof text, "%s", message);
    b->api->ready = rc == 0;
    bootstrap_free(b);
    if (done)
        done(ctx, rc, text);
}

static void next(struct bootstrap *b)
{
    b->at++;
    b->failures = 0;
    b->replacing = false;
    loop_timer_set(b->api->loop, &b->timer, 0);
}

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct bootstrap *b = ctx;
    const struct step *s = &b->steps[b->at];
    char text[600];
    b->call = NULL;
    if (r->rc == 0 || (r->rc == -E_EXISTS && !s->name)) {
        next(b);
    } else if (r->rc == -E_EXISTS) {
        b->replacing = true;
        loop_timer_set(b->api->loop, &b->timer, 0);
    } else if (++b->failures < RETRIES) {
        loop_timer_set(b->api->loop, &b->timer, RETRY_MS);
    } else {
        snprintf(text, sizeof text, "POST %s: %s", s->path, r->message);
        finish(b, r->rc, text);
    }
}

static void ensured(void *ctx, int rc, const char *message)
{
    struct bootstrap *b = ctx;
    if (rc == 0 && (rc = flow_dangling_start(b->api, &b->api->flow_dangling)) < 0)
        message = err_text(rc);
    finish(b, rc, message);
}

static void seeded(void *ctx, int rc, const char *message)
{
    struct bootstrap *b = ctx;
    b->seed = NULL;
    if (rc == 0 && (rc = flow_ensure_start(b->api, ensured, b, &b->api->flow_ensure)) == 0)
        return;
    finish(b, rc, rc < 0 && !message[0] ? err_text(rc) : message);
}

static void run(void *ctx)
{
    struct bootstrap *b = ctx;
    if (b->at == b->count) {
        int rc = seed_start(b->api, &b->client, seeded, b, &b->seed);
        if (rc < 0)
            finish(b, rc, err_text(rc));
        return;
    }
    const struct step *s = &b->steps[b->at];
    char path[200];
    snprintf(path, sizeof path, "%s%s%s", s->path, b->replacing ? "/" : "",
             b->replacing ? s->name : "");
    struct client_request r = {
        .method = b->replacing ? "PUT" : "POST", .path = path, .body = str_of(s->body)};
    int rc = client_do(&b->client, &r, on_reply, b, &b->call);
    if (rc < 0)
        finish(b, rc, err_text(rc));
}

/* name: NULL when an object that is there is right as it is. */
static int add(struct bootstrap *b, const char *path, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static int add(struct bootstrap *b, const char *path, const char *name, const char *fmt, ...)
{
    struct buf text CLEANUP_BUF;
    char small[4096];
    va_list ap;
    buf_init(&text, 64 * 1024);
    va_start(ap, fmt);
    vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    buf_puts(&text, small);
    char *body = buf_take(&text, NULL);
    if (!body || b->count == STEPS) {
        mem_free(body);
        return -E_NOMEM;
    }
    b->steps[b->count++] = (struct step){path, name, body};
    return 0;
}

static int add_ca(struct bootstrap *b, const char *path)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 256 * 1024);
    buf_puts(&text, "{\"metadata\":{\"name\":\"kube-root-ca.crt\",\"annotations\":{\"kubernetes.io/"
                    "description\":"
                    "\"Contains a CA bundle that can be used to verify the "
                    "kube-apiserver.\"}},\"data\":{\"ca.crt\":");
    json_write_string(&text, str_of(b->api->ca_pem));
    buf_puts(&text, "}}");
    char *body = buf_take(&text, NULL);
    if (!body || b->count == STEPS) {
        mem_free(body);
        return -E_NOMEM;
    }
    b->steps[b->count++] = (struct step){path, "kube-root-ca.crt", body};
    return 0;
}

/* A kubeconfig without users, for who joins: the signer (ctl/token_signer.c) signs it with each
 * bootstrap token. Written anew at each start, as this machine's address may have changed. */
static int add_cluster_info(struct bootstrap *b)
{
    const struct api *api = b->api;
    struct str ca = str_of(api->ca_pem);
    struct buf yaml CLEANUP_BUF, text CLEANUP_BUF;
    buf_init(&yaml, 256 * 1024);
    buf_init(&text, 256 * 1024);
    char *ca_data = mem_alloc(base64_encoded_size(ca.n));
    if (!ca_data || b->count == STEPS) {
        mem_free(ca_data);
        return -E_NOMEM;
    }
    base64_encode(ca_data, ca.p, ca.n);
    buf_printf(&yaml,
               "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: %s\n"
               "    server: https://%s:%u\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\n"
               "kind: Config\npreferences: {}\nusers: null\n",
               ca_data, api->node_addr, (unsigned)api->port);
    mem_free(ca_data);
    buf_puts(&text, "{\"metadata\":{\"name\":\"cluster-info\"},\"data\":{\"kubeconfig\":");
    json_write_string(&text, buf_str(&yaml));
    buf_puts(&text, "}}");
    char *body = yaml.failed ? NULL : buf_take(&text, NULL);
    if (!body)
        return -E_NOMEM;
    b->steps[b->count++] =
        (struct step){"/api/v1/namespaces/kube-public/configmaps", "cluster-info", body};
    return 0;
}

/* What API servers beside this one must know of it (see aggregate/aggregate.h). */
static int add_aggregation(struct bootstrap *b)
{
    static const char path[] = "/api/v1/namespaces/kube-system/configmaps";
    struct buf text CLEANUP_BUF;
    buf_init(&text, 256 * 1024);
    buf_puts(&text, "{\"metadata\":{\"name\":\"extension-apiserver-authentication\"},\"data\":{"
                    "\"requestheader-allowed-names\":\"[\\\"front-proxy-client\\\"]\","
                    "\"requestheader-username-headers\":\"[\\\"X-Remote-User\\\"]\","
                    "\"requestheader-uid-headers\":\"[\\\"X-Remote-Uid\\\"]\","
                    "\"requestheader-group-headers\":\"[\\\"X-Remote-Group\\\"]\","
                    "\"requestheader-extra-headers-prefix\":\"[\\\"X-Remote-Extra-\\\"]\","
                    "\"client-ca-file\":");
    json_write_string(&text, str_of(b->api->ca_pem));
    buf_puts(&text, ",\"requestheader-client-ca-file\":");
    json_write_string(&text, str_of(b->api->ca_pem));
    buf_puts(&text, "}}");
    char *body = buf_take(&text, NULL);
    if (!body || b->count == STEPS) {
        mem_free(body);
        return -E_NOMEM;
    }
    b->steps[b->count++] = (struct step){path, "extension-apiserver-authentication", body};
    return 0;
}

static int add_namespaces(struct bootstrap *b)
{
    static const char *const accounts[] = {"/api/v1/namespaces/default/serviceaccounts",
                                           "/api/v1/namespaces/kube-system/serviceaccounts",
                                           "/api/v1/namespaces/kube-public/serviceaccounts",
                                           "/api/v1/namespaces/kube-node-lease/serviceaccounts"};
    static const char *const maps[] = {"/api/v1/namespaces/default/configmaps",
                                       "/api/v1/namespaces/kube-system/configmaps",
                                       "/api/v1/namespaces/kube-public/configmaps",
                                       "/api/v1/namespaces/kube-node-lease/configmaps"};
    int rc = 0;
    for (size_t i = 0; i < 4 && rc == 0; i++)
        rc = add(b, "/api/v1/namespaces", NULL, "{\"metadata\":{\"name\":\"%s\"}}", namespaces[i]);
    for (size_t i = 0; i < 4 && rc == 0; i++)
        rc = add(b, accounts[i], NULL, "{\"metadata\":{\"name\":\"default\"}}");
    for (size_t i = 0; i < 4 && rc == 0 && b->api->ca_pem[0]; i++)
        rc = add_ca(b, maps[i]);
    if (rc == 0 && b->api->ca_pem[0])
        rc = add_aggregation(b);
    if (rc == 0 && b->api->ca_pem[0])
        rc = add_cluster_info(b);
    return rc;
}

static int add_priorities(struct bootstrap *b)
{
    static const char path[] = "/apis/scheduling.k8s.io/v1/priorityclasses";
    int rc = add(
        b, path, NULL,
        "{\"metadata\":{\"name\":\"system-node-critical\"},\"value\":2000001000,\"description\":"
        "\"Used for system critical pods that must not be moved from their current node.\"}");
    return rc < 0 ? rc
                  : add(b, path, NULL,
                        "{\"metadata\":{\"name\":\"system-cluster-critical\"},\"value\":2000000000,"
                        "\"description\":"
                        "\"Used for system critical pods that must run in the cluster, but can be "
                        "moved to another "
                        "node if necessary.\"}");
}

static int add_kubernetes(struct bootstrap *b)
{
    const struct api *api = b->api;
    int rc = add(b, "/api/v1/namespaces/default/services", NULL,
                 "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\","
                 "\"provider\":"
                 "\"kubernetes\"}},\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"name\":"
                 "\"https\",\"port\":443,"
                 "\"protocol\":\"TCP\",\"targetPort\":%u}]}}",
                 (unsigned)api->port);
    if (rc == 0)
        rc = add(b, "/api/v1/namespaces/default/endpoints", "kubernetes",
                 "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"endpointslice.kubernetes.io/"
                 "skip-mirror\":"
                 "\"true\"}},\"subsets\":[{\"addresses\":[{\"ip\":\"%s\"}],\"ports\":[{\"name\":"
                 "\"https\",\"port\":%u,"
                 "\"protocol\":\"TCP\"}]}]}",
                 api->node_addr, (unsigned)api->port);
    if (rc == 0)
        rc = add(b, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", "kubernetes",
                 "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"kubernetes.io/"
                 "service-name\":\"kubernetes\"}},"
                 "\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"%s\"],\"conditions\":{"
                 "\"ready\":true}}],"
                 "\"ports\":[{\"name\":\"https\",\"port\":%u,\"protocol\":\"TCP\"}]}",
                 api->node_addr, (unsigned)api->port);
    return rc;
}

static int add_dns(struct bootstrap *b)
{
    return add(b, "/api/v1/namespaces/kube-system/services", NULL,
               "{\"metadata\":{\"name\":\"kube-dns\",\"labels\":{\"k8s-app\":\"kube-dns\","
               "\"kubernetes.io/cluster-service\":\"true\",\"kubernetes.io/"
               "name\":\"CoreDNS\"},\"annotations\":{"
               "\"keelson.dev/served-by\":\"each node answers on this address "
               "itself\"}},\"spec\":{\"clusterIP\":"
               "\"10.96.0.10\",\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\","
               "\"targetPort\":53},"
               "{\"name\":\"dns-tcp\",\"port\":53,\"protocol\":\"TCP\",\"targetPort\":53}]}}");
}

/* The range that addresses of Services come from (kinds/service_alloc.c). */
static int add_range(struct bootstrap *b)
{
    return add(b, "/apis/networking.k8s.io/v1/servicecidrs", NULL,
               "{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[\"10.96.0.0/12\"]}}");
}

int api_bootstrap(struct api *api, void (*done)(void *ctx, int rc, const char *message), void *ctx)
{
    struct bootstrap *b = mem_zalloc(sizeof *b);
    if (!b)
        return -E_NOMEM;
    b->api = api;
    b->done = done;
    b->ctx = ctx;
    loop_timer_init(&b->timer, run, b);
    int rc = api_local_client(api, "system:apiserver", groups, &b->client);
    if (rc == 0)
        rc = add_namespaces(b);
    if (rc == 0)
        rc = add_priorities(b);
    if (rc == 0)
        rc = add_kubernetes(b);
    if (rc == 0)
        rc = add_dns(b);
    if (rc == 0)
        rc = add_range(b);
    if (rc < 0) {
        bootstrap_free(b);
        return rc;
    }
    api->bootstrap = b;
    loop_timer_set(api->loop, &b->timer, 0);
    return 0;
}
