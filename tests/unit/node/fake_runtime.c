/* The runtime of fake_world.h: remembers what it was asked and answers one millisecond later. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_world.h"

struct answer {
    struct list link;
    struct fake_runtime *rt;
    struct loop_timer timer;
    runtime_done_fn *done;
    runtime_image_fn *image;
    runtime_streams_fn *streams;
    void *ctx;
    int rc;
    const char *message;
    char *name; /* of the image */
    uint64_t session;
    int fd, in, error;
    bool held;
};

static struct fake_runtime *of(void *self)
{
    return self;
}

static void note(struct fake_runtime *rt, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(struct fake_runtime *rt, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    buf_printf(&rt->log, "%s\n", line);
}

static void deliver(void *ctx)
{
    struct answer *a = ctx;
    struct fake_runtime *rt = a->rt;
    struct runtime_result r = {a->rc, a->message ? a->message : ""};
    if (a->held && rt->hold_pulls) {
        loop_timer_set(rt->loop, &a->timer, 50);
        return;
    }
    list_remove(&a->link);
    if (a->done)
        a->done(a->ctx, &r);
    if (a->image) {
        const char *names[] = {a->name, NULL};
        struct runtime_image image = {.id = "sha256:feed", .repo_digest = "reg/img@sha256:beef", .names = names,
                                      .size_bytes = 4096, .config_json = str_of(rt->image_config)};
        a->image(a->ctx, &r, a->rc == 0 ? &image : NULL);
    }
    if (a->streams) {
        struct runtime_streams s = {.session = a->session, .in = a->in, .out = a->fd, .error = a->error};
        a->streams(a->ctx, &r, &s);
        if (a->session && a->rc == 0 && !rt->keep_execs) {
            struct runtime_exit e = {.code = rt->exec_code};
            rt->events->exec_exited(rt->events_ctx, a->session, &e);
        }
    }
    mem_free(a->name);
    mem_free(a);
}

static struct answer *later(struct fake_runtime *rt, void *ctx, int rc, const char *message)
{
    struct answer *a = mem_zalloc(sizeof *a);
    a->rt = rt;
    a->ctx = ctx;
    a->rc = rc;
    a->message = message;
    a->fd = a->in = a->error = -1;
    loop_timer_init(&a->timer, deliver, a);
    loop_timer_set(rt->loop, &a->timer, 1);
    list_push_back(&rt->waiting, &a->link);
    return a;
}

static void done_later(struct fake_runtime *rt, runtime_done_fn *done, void *ctx, const char *error)
{
    later(rt, ctx, error ? -E_INTERNAL : 0, error)->done = done;
}

/* ---- pods ---- */

static void listen_events(void *self, const struct runtime_events *events, void *ctx)
{
    struct fake_runtime *rt = of(self);
    rt->events = events;
    rt->events_ctx = ctx;
    events->connected(ctx);
}

static void state(void *self, const struct runtime_state_fns *fns, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct fake_pod *p;
    struct fake_container *c;
    LIST_EACH (p, &rt->pods, link)
        if (!p->removed)
            fns->pod(ctx, p->uid, p->namespace, p->name, p->addrs, p->addr_count, true);
    LIST_EACH (c, &rt->containers, link) {
        struct runtime_exit e = {.code = c->code, .started_ns = 1, .finished_ns = 2};
        if (!c->removed)
            fns->container(ctx, c->pod_uid, c->id, c->name, c->attempt, c->image_id,
                           c->running ? RUNTIME_RUNNING : c->exited ? RUNTIME_EXITED : RUNTIME_CREATED,
                           c->exited ? &e : NULL);
    }
    done_later(rt, done, ctx, NULL);
}

static void pod_create(void *self, const struct runtime_pod *p, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    note(rt, "pod_create %s cgroup=%s hostname=%s", p->uid, p->cgroup, p->hostname);
    if (!rt->pod_error) {
        struct fake_pod *f = mem_zalloc(sizeof *f);
        f->uid = mem_strdup(p->uid);
        f->name = mem_strdup(p->name);
        f->namespace = mem_strdup(p->namespace);
        f->cgroup = mem_strdup(p->cgroup);
        memcpy(f->addrs, p->addrs, sizeof f->addrs);
        f->addr_count = p->addr_count;
        list_push_back(&rt->pods, &f->link);
    }
    done_later(rt, done, ctx, rt->pod_error);
}

static void pod_remove(void *self, const char *uid, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct fake_pod *p;
    struct fake_container *c;
    note(rt, "pod_remove %s", uid);
    LIST_EACH (p, &rt->pods, link)
        p->removed |= !strcmp(p->uid, uid);
    LIST_EACH (c, &rt->containers, link)
        c->removed |= !strcmp(c->pod_uid, uid);
    done_later(rt, done, ctx, NULL);
}

static void pod_file(void *self, const char *uid, const char *name, struct str content, runtime_done_fn *done, void *ctx)
{
    note(of(self), "pod_file %s %s " STR_FMT, uid, name, STR_ARG(content));
    done_later(of(self), done, ctx, NULL);
}

/* ---- containers ---- */

static struct fake_container *by_id(struct fake_runtime *rt, const char *id)
{
    struct fake_container *c;
    LIST_EACH (c, &rt->containers, link)
        if (!strcmp(c->id, id))
            return c;
    return NULL;
}

static void do_container_create(void *self, const struct runtime_container *c, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    note(rt, "container_create %s/%s attempt=%u", c->pod_uid, c->name, c->attempt);
    if (!rt->create_error) {
        struct fake_container *f = mem_zalloc(sizeof *f);
        f->pod_uid = mem_strdup(c->pod_uid);
        f->id = mem_strdup(c->id);
        f->name = mem_strdup(c->name);
        f->attempt = c->attempt;
        f->image_id = mem_strdup(c->image_id);
        f->spec = mem_strndup(c->oci_spec_json.p, c->oci_spec_json.n);
        f->log_path = mem_strdup(c->log_path);
        list_push_back(&rt->containers, &f->link);
    }
    done_later(rt, done, ctx, rt->create_error);
}

static void container_start(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct fake_container *c = by_id(rt, id);
    note(rt, "container_start %s", c ? c->name : "(unknown)");
    if (c && !rt->start_error)
        c->running = true;
    done_later(rt, done, ctx, rt->start_error);
}

static void end(struct fake_runtime *rt, struct fake_container *c, int code, int sig)
{
    struct runtime_exit e = {.code = code, .signal = sig, .finished_ns = loop_realtime_ns(rt->loop)};
    if (!c->running)
        return;
    c->running = false;
    c->exited = true;
    c->code = code;
    rt->events->container_exited(rt->events_ctx, c->pod_uid, c->id, &e);
}

static void container_kill(void *self, const char *id, int signal, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct fake_container *c = by_id(rt, id);
    note(rt, "container_kill %s %d", c ? c->name : "(unknown)", signal);
    done_later(rt, done, ctx, NULL);
    if (c && !rt->ignore_kill && (signal == SIGKILL || !rt->ignore_term))
        end(rt, c, 128 + signal, signal);
}

static void container_remove(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct fake_container *c = by_id(rt, id);
    note(rt, "container_remove %s attempt=%u", c ? c->name : "(unknown)", c ? c->attempt : 0);
    if (c)
        c->removed = true;
    done_later(rt, done, ctx, NULL);
}

static void container_update(void *self, const char *id, struct str json, runtime_done_fn *done, void *ctx)
{
    (void)id, (void)json;
    done_later(of(self), done, ctx, NULL);
}

/* ---- sessions and files ---- */

static void open_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
}

static void exec(void *self, const struct runtime_exec *e, runtime_streams_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    static uint64_t session;
    note(rt, "exec %s", e->args[0]);
    struct answer *a = later(rt, ctx, 0, NULL);
    a->streams = done;
    a->session = rt->last_session = ++session;
    if (rt->keep_execs) {
        int pair[2];
        open_pair(pair);
        rt->session_out = pair[0];
        a->fd = pair[1];
        open_pair(pair);
        rt->session_in = pair[0];
        a->in = pair[1];
        if (e->error) {
            open_pair(pair);
            rt->session_error = pair[0];
            a->error = pair[1];
        }
    }
}

void rt_exec_exit(struct world *w, int code)
{
    struct runtime_exit e = {.code = code};
    close(w->rt.session_in);
    close(w->rt.session_out);
    if (w->rt.session_error >= 0)
        close(w->rt.session_error);
    w->rt.events->exec_exited(w->rt.events_ctx, w->rt.last_session, &e);
}

static void attach(void *self, const char *id, runtime_streams_fn *done, void *ctx)
{
    (void)id;
    later(of(self), ctx, -E_UNSUPPORTED, "attach")->streams = done;
}

static void resize(void *self, uint64_t session, uint16_t columns, uint16_t rows)
{
    note(of(self), "resize %llu %ux%u", (unsigned long long)session, columns, rows);
}

static void session_close(void *self, uint64_t session)
{
    note(of(self), "session_close %llu", (unsigned long long)session);
}

static void dial(void *self, const char *uid, uint16_t port, runtime_streams_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    note(rt, "dial %s %u", uid, port);
    struct answer *a = later(rt, ctx, rt->dial_works ? 0 : -E_UNAVAILABLE, "connection refused");
    a->streams = done;
    if (rt->dial_works) {
        int pair[2];
        open_pair(pair);
        rt->dialled = pair[0];
        a->fd = pair[1];
    }
}

/* A file without a name that holds the text. */
static int text_fd(const char *text)
{
    FILE *f = tmpfile();
    int fd;
    if (!f)
        abort();
    fputs(text, f);
    fflush(f);
    fd = dup(fileno(f));
    fclose(f);
    return fd;
}

static void log_open(void *self, const char *path, runtime_streams_fn *done, void *ctx)
{
    struct answer *a = later(of(self), ctx, 0, NULL);
    note(of(self), "log_open %s", path);
    a->streams = done;
    a->fd = text_fd(of(self)->log_text);
}

static void log_rotate(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    (void)id;
    done_later(of(self), done, ctx, NULL);
}

static void termination_open(void *self, const char *id, runtime_streams_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct answer *a = later(rt, ctx, 0, NULL);
    (void)id;
    a->streams = done;
    a->fd = text_fd(rt->termination ? rt->termination : "");
}

/* ---- volumes and images ---- */

static void volume_set(void *self, const struct runtime_volume *v, runtime_done_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    struct buf b CLEANUP_BUF;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < v->file_count; i++)
        buf_printf(&b, "%s=" STR_FMT ":%o;", v->files[i].path, STR_ARG(v->files[i].content), v->files[i].mode);
    note(rt, "volume_set %s kind=%d files=%zu", v->name, v->kind, v->file_count);
    if (v->kind == RUNTIME_VOLUME_FILES) {
        mem_free(rt->files);
        rt->files = mem_strdup(buf_cstr(&b));
    }
    done_later(rt, done, ctx, NULL);
}

static void host_path(void *self, const char *path, const char *type, runtime_done_fn *done, void *ctx)
{
    note(of(self), "host_path %s %s", path, type);
    done_later(of(self), done, ctx, NULL);
}

static struct answer *image_later(struct fake_runtime *rt, const char *image, void *ctx, int rc, const char *message)
{
    struct answer *a = later(rt, ctx, rc, message);
    a->name = mem_strdup(image);
    return a;
}

static void image_pull(void *self, const struct runtime_pull *p, runtime_image_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    note(rt, "image_pull %s auth=" STR_FMT, p->image, STR_ARG(p->auth_json));
    struct answer *a = image_later(rt, p->image, ctx, rt->pull_error ? -E_NOT_FOUND : 0, rt->pull_error);
    a->image = done;
    a->held = true;
}

static void image_get(void *self, const char *image, runtime_image_fn *done, void *ctx)
{
    struct fake_runtime *rt = of(self);
    image_later(rt, image, ctx, rt->image_missing ? -E_NOT_FOUND : 0, "no such image")->image = done;
}

static void image_list(void *self, runtime_image_fn *each, runtime_done_fn *done, void *ctx)
{
    static const char *const names[] = {"reg/img:1", NULL};
    struct runtime_result r = {0, ""};
    struct runtime_image image = {.id = "sha256:feed", .repo_digest = "", .names = names, .size_bytes = 4096};
    each(ctx, &r, &image);
    done_later(of(self), done, ctx, NULL);
}

static void image_remove(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    (void)id;
    done_later(of(self), done, ctx, NULL);
}

static void image_load(void *self, int fd, runtime_image_fn *done, void *ctx)
{
    close(fd);
    image_later(of(self), "loaded", ctx, -E_UNSUPPORTED, "load")->image = done;
}

static void usage(void *self, const char *id, runtime_usage_fn *done, void *ctx)
{
    struct runtime_result r = {0, ""};
    struct runtime_usage u = {-1, -1, -1, -1};
    (void)self, (void)id;
    done(ctx, &r, &u);
}

static void rules_apply(void *self, const struct rules_table *t, runtime_done_fn *done, void *ctx)
{
    (void)t;
    done_later(of(self), done, ctx, NULL);
}

static void network_setup(void *self, const struct net_addr *cidr, unsigned prefix, const struct net_addr *dns,
                          runtime_done_fn *done, void *ctx)
{
    (void)cidr, (void)prefix, (void)dns;
    note(of(self), "network_setup");
    done_later(of(self), done, ctx, NULL);
}

/* ---- life ---- */

void fake_runtime_init(struct fake_runtime *rt, struct loop *loop)
{
    static const struct runtime_ops ops = {
        listen_events, state, pod_create, pod_remove, pod_file, do_container_create, container_start,
        container_kill, container_remove, container_update, exec, attach, resize, session_close, dial,
        log_open, log_rotate, termination_open, volume_set, host_path, image_pull, image_get,
        image_list, image_remove, image_load, usage, rules_apply, network_setup};
    *rt = (struct fake_runtime){.loop = loop, .runtime = {&ops, rt}};
    rt->image_config = "{\"config\":{\"Entrypoint\":[\"/bin/app\"],\"Cmd\":[\"serve\"],\"Env\":[\"PATH=/bin\",\"COLOR=red\"],"
                       "\"WorkingDir\":\"/srv\",\"User\":\"app\"}}";
    rt->session_error = -1;
    rt->log_text = "2026-01-01T00:00:00.000000000Z stdout F first\n"
                   "2026-01-01T00:00:01.000000000Z stderr F last words\n";
    buf_init(&rt->log, 1 << 22);
    list_init(&rt->pods);
    list_init(&rt->containers);
    list_init(&rt->waiting);
}

/* What was asked by a node that is gone is not answered. */
void fake_runtime_forget_callers(struct fake_runtime *rt)
{
    struct answer *a, *next;
    LIST_EACH_SAFE (a, next, &rt->waiting, link) {
        loop_timer_cancel(rt->loop, &a->timer);
        list_remove(&a->link);
        if (a->fd >= 0)
            close(a->fd);
        mem_free(a->name);
        mem_free(a);
    }
}

void fake_runtime_done(struct fake_runtime *rt)
{
    struct fake_pod *p, *pnext;
    struct fake_container *c, *cnext;
    fake_runtime_forget_callers(rt);
    LIST_EACH_SAFE (p, pnext, &rt->pods, link) {
        char *const texts[] = {p->uid, p->name, p->namespace, p->cgroup};
        for (int i = 0; i < 4; i++)
            mem_free(texts[i]);
        mem_free(p);
    }
    LIST_EACH_SAFE (c, cnext, &rt->containers, link) {
        char *const texts[] = {c->pod_uid, c->id, c->name, c->spec, c->log_path, c->image_id};
        for (int i = 0; i < 6; i++)
            mem_free(texts[i]);
        mem_free(c);
    }
    buf_done(&rt->log);
    mem_free(rt->files);
}

struct fake_container *rt_container(struct world *w, const char *name)
{
    struct fake_container *c, *found = NULL;
    LIST_EACH (c, &w->rt.containers, link)
        if (!strcmp(c->name, name))
            found = c;
    return found;
}

void rt_exit(struct world *w, const char *name, int code)
{
    struct fake_container *c = rt_container(w, name);
    if (!c || !c->running)
        abort();
    end(&w->rt, c, code, 0);
}

unsigned rt_count(struct world *w, const char *line_part)
{
    unsigned n = 0;
    for (const char *at = buf_cstr(&w->rt.log); (at = strstr(at, line_part)); at++)
        n++;
    return n;
}

void rt_kill_pod(struct world *w, const char *uid)
{
    struct fake_pod *p;
    struct fake_container *c;
    LIST_EACH (c, &w->rt.containers, link)
        if (!strcmp(c->pod_uid, uid))
            c->running = false, c->exited = true, c->code = 137;
    LIST_EACH (p, &w->rt.pods, link)
        p->removed |= !strcmp(p->uid, uid);
    w->rt.events->pod_died(w->rt.events_ctx, uid);
}
