/* See action.h. */
#include "node/action.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"

enum { OUTPUT_BYTES = 10 * 1024, MESSAGE_BYTES = 512 };

enum action_kind { ACTION_EXEC, ACTION_HTTP, ACTION_SLEEP, ACTION_REFUSED };

struct action {
    struct list link; /* in actions.all */
    struct node *node;
    struct pod *pod; /* referenced while the runtime's answer is awaited */
    enum action_kind kind;
    action_done_fn *done;
    void *ctx;
    bool cancelled, asked; /* asked: the answer to exec is still to come */
    bool exited;
    uint64_t session; /* 0: none */
    int exit_code;
    struct outlet { /* standard output and error go into one text, as upstream */
        struct action *action;
        int fd;
        struct loop_fd watch;
    } outlets[2];
    struct buf output;
    struct httpget *http;
    struct loop_timer timer;
    char refusal[MESSAGE_BYTES];
};

struct actions {
    struct node *node;
    struct list all;
};

int actions_new(struct node *n, struct actions **ret_actions)
{
    struct actions *a = mem_zalloc(sizeof *a);
    if (!a)
        return -E_NOMEM;
    a->node = n;
    list_init(&a->all);
    *ret_actions = a;
    return 0;
}

static void action_free(struct action *a)
{
    struct node *n = a->node;
    list_remove(&a->link);
    loop_timer_cancel(n->loop, &a->timer);
    for (int i = 0; i < 2; i++) {
        loop_fd_remove(n->loop, &a->outlets[i].watch);
        if (a->outlets[i].fd >= 0)
            close(a->outlets[i].fd);
    }
    httpget_free(a->http);
    buf_done(&a->output);
    mem_free(a);
}

void actions_free(struct actions *a)
{
    struct action *one, *next;
    if (!a)
        return;
    LIST_EACH_SAFE (one, next, &a->all, link)
        action_free(one);
    mem_free(a);
}

static void finish(struct action *a, enum action_result result, const char *message)
{
    action_done_fn *done = a->done;
    void *ctx = a->ctx;
    char text[MESSAGE_BYTES];
    snprintf(text, sizeof text, "%s", message);
    if (a->asked)
        a->cancelled = true; /* freed when the runtime has answered */
    else
        action_free(a);
    done(ctx, result, text);
}

void action_cancel(struct action *a)
{
    if (!a)
        return;
    struct runtime *rt = a->node->runtime;
    if (a->session && !a->exited)
        rt->ops->session_close(rt->self, a->session);
    a->cancelled = true;
    loop_timer_cancel(a->node->loop, &a->timer);
    if (!a->asked)
        action_free(a);
}

/* ---- exec ---- */

/* False at the end of the stream. What is beyond the bound is read and dropped. */
static bool read_output(struct outlet *o)
{
    struct buf *output = &o->action->output;
    char chunk[4096];
    for (int turns = 0; turns < 16; turns++) {
        ssize_t n = read(o->fd, chunk, sizeof chunk);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        size_t room = OUTPUT_BYTES - buf_len(output);
        buf_append(output, chunk, (size_t)n < room ? (size_t)n : room);
    }
    return true;
}

static void on_output(void *ctx, unsigned events)
{
    struct outlet *o = ctx;
    (void)events;
    if (!read_output(o))
        loop_fd_remove(o->action->node->loop, &o->watch);
}

static void exec_over(struct action *a)
{
    for (int i = 0; i < 2; i++)
        if (a->outlets[i].fd >= 0)
            (void)read_output(&a->outlets[i]);
    if (a->exit_code == 0)
        finish(a, ACTION_SUCCESS, buf_cstr(&a->output));
    else if (buf_len(&a->output))
        finish(a, ACTION_FAILURE, buf_cstr(&a->output));
    else {
        char text[64];
        snprintf(text, sizeof text, "command exited with %d", a->exit_code);
        finish(a, ACTION_FAILURE, text);
    }
}

void actions_exec_exited(struct actions *all, uint64_t session, const struct runtime_exit *e)
{
    struct action *a, *next;
    LIST_EACH_SAFE (a, next, &all->all, link) {
        if (a->kind != ACTION_EXEC || a->session != session || a->cancelled)
            continue;
        a->exited = true;
        a->exit_code = e->code;
        exec_over(a);
        return;
    }
}

static void exec_begun(void *ctx, const struct runtime_result *r, const struct runtime_streams *s)
{
    struct action *a = ctx;
    struct runtime *rt = a->node->runtime;
    a->asked = false;
    pod_unref(a->pod);
    a->pod = NULL;
    if (r->rc == 0) {
        if (s->in >= 0)
            close(s->in);
        a->outlets[0].fd = s->out;
        a->outlets[1].fd = s->error;
        a->session = s->session;
    }
    if (a->cancelled) {
        if (r->rc == 0)
            rt->ops->session_close(rt->self, a->session);
        action_free(a);
        return;
    }
    if (r->rc < 0) {
        finish(a, ACTION_FAILURE, r->message);
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct outlet *o = &a->outlets[i];
        if (o->fd < 0 || (fcntl(o->fd, F_SETFL, O_NONBLOCK) == 0 &&
                          loop_fd_add(a->node->loop, &o->watch, o->fd, POLL_IN) == 0))
            continue;
        close(o->fd);
        o->fd = -1; /* its output is lost, its exit code is not */
    }
}

static void refuse(struct action *a, const char *why)
{
    a->kind = ACTION_REFUSED;
    snprintf(a->refusal, sizeof a->refusal, "%s", why);
    loop_timer_set(a->node->loop, &a->timer, 0);
}

static void start_exec(struct action *a, struct container *c, const struct json *exec)
{
    struct runtime *rt = a->node->runtime;
    struct arena arena CLEANUP_ARENA = {0};
    const struct json *command = json_get(exec, "command");
    size_t i = 0;
    arena_init(&arena, LIMIT_REQUEST_ARENA);
    const char **args = arena_zalloc(&arena, (json_count(command) + 1) * sizeof *args);
    for (struct json *j = json_first(command); args && j; j = j->next)
        args[i++] = json_cstr(j);
    if (!args || i == 0) {
        refuse(a, "the exec handler has no command");
        return;
    }
    struct runtime_exec e = {.container_id = c->now.id, .args = args, .out = true, .error = true};
    a->asked = true;
    a->pod = c->pod;
    pod_ref(a->pod);
    rt->ops->exec(rt->self, &e, exec_begun, a);
}

/* ---- HTTP and TCP ---- */

static void http_done(void *ctx, enum action_result result, const char *message)
{
    finish(ctx, result, message);
}

static uint16_t port_of(const struct json *container, const struct json *port)
{
    if (json_is(port, JSON_INT))
        return (uint16_t)json_i64(port, 0);
    for (struct json *p = json_first(json_get(container, "ports")); p; p = p->next)
        if (str_eq(json_path_str(p, "name"), json_str(port)))
            return (uint16_t)json_path_i64(p, "containerPort", 0);
    int64_t number;
    return str_to_i64(json_str(port), &number) == 0 && number > 0 && number < 65536 ? (uint16_t)number : 0;
}

static int address_of(struct container *c, const struct json *container, const struct json *target,
                      struct net_addr *ret, struct err *err)
{
    const struct pod *p = c->pod;
    struct str host = json_path_str(target, "host");
    uint16_t port = port_of(container, json_get(target, "port"));
    if (port == 0)
        return err_set(err, E_INVALID, "the handler's port is neither a number nor the name of a port");
    if (host.n) {
        if (net_addr_parse(host, false, ret) < 0)
            return err_set(err, E_UNSUPPORTED, "host " STR_FMT " of the handler is not an IP address", STR_ARG(host));
    } else if (p->host_network) {
        *ret = p->node->o.addrs[0];
    } else {
        *ret = p->addrs[0];
    }
    ret->port = port;
    return 0;
}

static void put_head(struct buf *head, const struct net_addr *to, const struct json *get)
{
    char at[NET_ADDR_TEXT];
    struct str path = json_path_str(get, "path");
    bool host = false, agent = false, accept = false;
    buf_printf(head, "GET %s" STR_FMT " HTTP/1.1\r\n", path.n && path.p[0] == '/' ? "" : "/", STR_ARG(path));
    for (struct json *h = json_first(json_get(get, "httpHeaders")); h; h = h->next) {
        struct str name = json_path_str(h, "name");
        host |= str_eq_nocase(name, STR("Host"));
        agent |= str_eq_nocase(name, STR("User-Agent"));
        accept |= str_eq_nocase(name, STR("Accept"));
        buf_printf(head, STR_FMT ": " STR_FMT "\r\n", STR_ARG(name), STR_ARG(json_path_str(h, "value")));
    }
    if (!host)
        buf_printf(head, "Host: %s\r\n", net_addr_format(to, true, at));
    if (!agent)
        buf_puts(head, "User-Agent: kube-probe/1.35\r\n");
    if (!accept)
        buf_puts(head, "Accept: */*\r\n");
    buf_puts(head, "Connection: close\r\n\r\n");
}

static int start_http(struct action *a, struct container *c, const struct json *container,
                      const struct json *target, bool get, struct err *err)
{
    struct buf head CLEANUP_BUF = {0};
    struct httpget_request r = {.node = a->node};
    int rc = address_of(c, container, target, &r.to, err);
    if (rc < 0)
        return rc;
    buf_init(&head, LIMIT_HEADER_BYTES);
    if (get) {
        put_head(&head, &r.to, target);
        r.head = buf_str(&head);
        r.tls = cstr_eq(json_path_cstr(target, "scheme"), "HTTPS");
    }
    if (head.failed)
        return err_set(err, E_TOO_LARGE, "the request of the handler is too large");
    rc = httpget_start(&r, http_done, a, &a->http);
    return rc < 0 ? err_set(err, -rc, "%s", err_text(rc)) : 0;
}

/* ---- all kinds ---- */

static void on_timer(void *ctx)
{
    struct action *a = ctx;
    struct runtime *rt = a->node->runtime;
    switch (a->kind) {
    case ACTION_SLEEP:
        finish(a, ACTION_SUCCESS, "");
        break;
    case ACTION_REFUSED: {
        char text[MESSAGE_BYTES];
        memcpy(text, a->refusal, sizeof text);
        finish(a, ACTION_FAILURE, text);
        break;
    }
    case ACTION_EXEC:
        if (a->session)
            rt->ops->session_close(rt->self, a->session);
        finish(a, ACTION_FAILURE, "command timed out");
        break;
    case ACTION_HTTP:
        finish(a, ACTION_FAILURE, "context deadline exceeded (timed out awaiting an answer)");
        break;
    }
}

struct action *action_start(struct container *c, const struct json *container, const struct json *handler,
                            int64_t timeout_ms, action_done_fn *done, void *ctx)
{
    struct node *n = c->pod->node;
    const struct json *what;
    struct err err = {0};
    struct action *a = mem_zalloc(sizeof *a);
    if (!a)
        return NULL;
    a->node = n;
    a->done = done;
    a->ctx = ctx;
    buf_init(&a->output, OUTPUT_BYTES);
    for (int i = 0; i < 2; i++) {
        a->outlets[i] = (struct outlet){.action = a, .fd = -1};
        loop_fd_init(&a->outlets[i].watch, on_output, &a->outlets[i]);
    }
    loop_timer_init(&a->timer, on_timer, a);
    list_push_back(&n->actions->all, &a->link);
    loop_timer_set(n->loop, &a->timer, timeout_ms);
    if ((what = json_get(handler, "exec"))) {
        a->kind = ACTION_EXEC;
        start_exec(a, c, what);
    } else if ((what = json_get(handler, "httpGet")) || (what = json_get(handler, "tcpSocket"))) {
        a->kind = ACTION_HTTP;
        if (start_http(a, c, container, what, json_get(handler, "httpGet") != NULL, &err) < 0)
            refuse(a, err.text);
    } else if ((what = json_get(handler, "sleep"))) {
        a->kind = ACTION_SLEEP;
        loop_timer_set(n->loop, &a->timer, json_path_i64(what, "seconds", 0) * 1000);
    } else {
        refuse(a, json_get(handler, "grpc") ? "gRPC handlers are not supported" : "the handler says nothing to do");
    }
    return a;
}
