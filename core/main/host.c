/* See host.h. */
#include "main/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/loop/epoll.h"
#include "kernel-glue/boot/file.h"
#include "main/args.h"
#include "main/config.h"
#include "main/machine.h"
#include "main/supervisor.h"

enum { API_PORT = 6443, KUBELET_PORT = 10250, SETUP_LIMIT_MS = 30000, LOOK_MS = 3000 };

struct host {
    unsigned fronts;
    struct supervisor sup;
    struct loop *loop;
    struct role_start start;
    char kubeconfig[START_PATH + 32];
    int data_fd;
    unsigned on;
    const char *config; /* file or NULL */
    struct loop_timer look; /* for an address, until there is one */
    int status;
};

static void fail(struct host *h, const char *why)
{
    fprintf(stderr, "keelson: %s\n", why);
    h->status = 1;
    supervisor_stop(&h->sup);
}

/* ---- sockets ---- */

static int give(struct host *h, enum role_socket which, const struct net_addr *at, bool stream, struct err *err)
{
    int fd, rc = machine_bind(at, stream, &fd, err);
    if (rc == 0)
        supervisor_give_socket(&h->sup, which, fd);
    return rc;
}

static int bind_all(struct host *h, struct err *err)
{
    struct net_addr kubelet = {.family = 4, .port = KUBELET_PORT};
    struct net_addr dns = {.family = 4, .ip = {10, 96, 0, 10}, .port = 53};
    int rc = 0;
    if (h->on & ROLE_ON_CONTROL)
        rc = give(h, ROLE_SOCKET_API, &h->start.listen, true, err);
    if (rc == 0 && (h->on & ROLE_ON_NODE))
        rc = give(h, ROLE_SOCKET_KUBELET, &kubelet, true, err);
    if (rc == 0 && (h->on & ROLE_ON_NODE))
        rc = give(h, ROLE_SOCKET_DNS_UDP, &dns, false, err);
    if (rc == 0 && (h->on & ROLE_ON_NODE))
        rc = give(h, ROLE_SOCKET_DNS_TCP, &dns, true, err);
    return rc;
}

/* ---- what happens ---- */

static void delivered(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct host *h = ctx;
    (void)result;
    if (rc < 0)
        fail(h, message);
    else
        log_info("%s is written", h->kubeconfig);
}

static void heard(void *ctx, enum role_id from, struct imsg_in *m)
{
    struct host *h = ctx;
    if (m->type != MSG_CA || from != ROLE_KEYS)
        return;
    int fd = imsg_take_fd(m);
    struct setup_step step = {
        .argv = {"deliver", h->kubeconfig}, .fd = fd, .limit_ms = SETUP_LIMIT_MS, .done = delivered, .ctx = h};
    if (fd >= 0 && supervisor_setup(&h->sup, &step) < 0)
        fail(h, "admin.kubeconfig cannot be written");
}

static void signalled(void *ctx, int sig)
{
    struct host *h = ctx;
    if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP)
        supervisor_stop(&h->sup);
}

static void stopped(void *ctx)
{
    struct host *h = ctx;
    loop_stop(h->loop);
}

/* ---- start ---- */

static void set_api(struct role_start *s)
{
    static const struct net_addr loopback = {.family = 4, .ip = {127, 0, 0, 1}};
    static const uint8_t any[16] = {0};
    s->api = s->listen;
    if (memcmp(s->listen.ip, any, s->listen.family == 6 ? 16 : 4) == 0) {
        s->api = loopback;
        s->api.port = s->listen.port;
    }
    if (!s->with_control && s->endpoint[0] && net_addr_parse(str_of(s->endpoint), true, &s->api) < 0)
        log_warn("endpoint %s is a name, not an address: the API is looked for on this host", s->endpoint);
}

static void look_for_address(void *ctx)
{
    struct host *h = ctx;
    struct machine_net net;
    char text[NET_ADDR_TEXT];
    machine_net_of_host(&net);
    if (!net.addr_count) {
        loop_timer_set(h->loop, &h->look, LOOK_MS);
        return;
    }
    log_info("the node's address is %s", net_addr_format(&net.addrs[0], false, text));
    supervisor_set_net(&h->sup, &net);
}

/* A node is registered by its address: without one it is waited for, and that is said. */
static void want_address(struct host *h)
{
    if (!h->start.with_node || h->start.net.addr_count)
        return;
    log_warn("this host has no address a node could have, so none is registered until there is one: give an "
             "interface that is up an address outside 127.0.0.0/8, 169.254.0.0/16, fe80::/10, and the cluster's own "
             "10.96.0.0/12 (services) and 10.244.0.0/16 (pods), as in: ip address add 192.0.2.1/24 dev eth0");
    loop_timer_init(&h->look, look_for_address, h);
    loop_timer_set(h->loop, &h->look, LOOK_MS);
}

static void go(struct host *h)
{
    static const enum role_id order[] = {ROLE_KEYS, ROLE_CONTROL, ROLE_FRONT, ROLE_RUNTIME, ROLE_NODE, ROLE_DNS};
    struct err err = {0};
    set_api(&h->start);
    h->sup.start = h->start;
    if (supervisor_make_dirs(&h->sup, h->data_fd, &err) < 0 || bind_all(h, &err) < 0) {
        fail(h, err.text);
        return;
    }
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        supervisor_start(&h->sup, order[i]);
    for (unsigned n = 1; n < h->fronts; n++)
        supervisor_start(&h->sup, role_front(n));
    want_address(h);
}

static void configured(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct host *h = ctx;
    struct config c;
    config_default(&c);
    if (rc < 0 || !result || config_get(result, &c) < 0) {
        fail(h, rc < 0 ? message : "keelson.yaml: malformed result");
        h->status = 2;
        return;
    }
    if (c.named)
        snprintf(h->start.node_name, sizeof h->start.node_name, "%s", c.name);
    snprintf(h->start.endpoint, sizeof h->start.endpoint, "%s", c.endpoint);
    snprintf(h->start.registries, sizeof h->start.registries, "%s", c.registries);
    snprintf(h->start.oidc, sizeof h->start.oidc, "%s", c.oidc);
    h->fronts = config_fronts(&c);
    snprintf(h->start.audit, sizeof h->start.audit, "%s", c.audit);
    int ca = imsg_take_fd(result);
    if (ca >= 0)
        supervisor_give_socket(&h->sup, ROLE_SOCKET_CA, ca);
    go(h);
}

static void begin(struct host *h)
{
    struct err err = {0};
    struct setup_step step = {
        .argv = {"config-file", h->config}, .limit_ms = SETUP_LIMIT_MS, .done = configured, .ctx = h};
    if (!h->config) {
        struct config c;
        config_default(&c);
        h->fronts = config_fronts(&c);
        go(h);
        return;
    }
    if (file_open(FILE_HERE, h->config, &step.fd, &err) < 0) {
        fail(h, err.text);
        h->status = 2;
    } else if (supervisor_setup(&h->sup, &step) < 0) {
        fail(h, "the configuration cannot be read");
    }
}

static int open_all(struct host *h, const char *data, struct err *err)
{
    struct poll poll;
    char path[START_PATH * 2];
    int rc = file_make_dir(FILE_HERE, data, 0711, (uid_t)-1, &h->data_fd, err);
    if (rc < 0)
        return rc;
    /* Roles change their directory and user: they get the absolute path. */
    if (!file_real_path(h->data_fd, path, sizeof path) || strlen(path) >= sizeof h->start.data_dir)
        return err_set(err, E_TOO_LARGE, "%s: its path is longer than %d bytes", data, START_PATH - 1);
    snprintf(h->start.data_dir, sizeof h->start.data_dir, "%s", path);
    snprintf(h->kubeconfig, sizeof h->kubeconfig, "%s/admin.kubeconfig", path);
    if ((rc = poll_epoll_open(&poll)) < 0 || (rc = loop_new(poll, &h->loop)) < 0)
        return err_set(err, -rc, "event loop: %s", err_text(rc));
    struct supervisor_options o = {
        .loop = h->loop,
        .start = &h->start,
        .on = h->on,
        .error_fd = -1,
        .die_with_parent = true,
        .message = heard,
        .signal = signalled,
        .stopped = stopped,
        .ctx = h,
    };
    return supervisor_init(&h->sup, &o, err);
}

static int parse(struct host *h, int argc, char **argv, const char **ret_data)
{
    const char *data = NULL, *role = NULL, *listen = NULL;
    const struct args_option options[] = {
        {"--data", &data}, {"--role", &role}, {"--listen", &listen}, {"--config", &h->config}, {NULL, NULL}};
    if (!args_parse(argc, argv, options, NULL))
        return 2;
    if (!data)
        return args_error("run wants --data DIR");
    if (!role || strcmp(role, "all") == 0)
        h->on = ROLE_ON_CONTROL | ROLE_ON_NODE;
    else if (strcmp(role, "control") == 0)
        h->on = ROLE_ON_CONTROL;
    else if (strcmp(role, "node") == 0)
        h->on = ROLE_ON_NODE;
    else
        return args_error("--role '%s': expected all, control or node", role);
    if (listen && (net_addr_parse(str_of(listen), true, &h->start.listen) < 0 || !h->start.listen.port))
        return args_error("--listen '%s': expected ADDRESS:PORT", listen);
    *ret_data = data;
    return 0;
}

int host_main(int argc, char **argv)
{
    static struct host host; /* the supervisor's buffers are too much for a stack */
    struct host *h = &host;
    const char *data;
    struct err err = {0};
    struct net_addr loopback = {.family = 4, .ip = {127, 0, 0, 1}, .port = API_PORT};
    h->start.listen = loopback;
    snprintf(h->start.registries, sizeof h->start.registries, "[]");
    int status = parse(h, argc, argv, &data);
    if (status)
        return status;
    h->start.root = geteuid() == 0;
    h->start.with_node = h->on & ROLE_ON_NODE;
    h->start.with_control = h->on & ROLE_ON_CONTROL;
    if (h->start.with_node && !h->start.root)
        return args_error("the node's roles need root; --role control does not");
    log_init("keelson", 2, LOG_INFO);
    machine_host_name(h->start.node_name);
    machine_net_of_host(&h->start.net);
    int rc = open_all(h, data, &err);
    if (rc == 0) {
        begin(h);
        rc = loop_run(h->loop);
        supervisor_done(&h->sup);
        loop_free(h->loop);
    }
    if (rc < 0)
        fprintf(stderr, "keelson: %s\n", err.code ? err.text : err_text(rc));
    return rc < 0 ? 1 : h->status;
}
