/* Exec and attach: streams of a process handed to the caller, and what is remembered about them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "drivers/runtime/engine_int.h"

static struct session *find(struct engine *e, uint64_t id)
{
    char key[24];
    snprintf(key, sizeof key, "%llu", (unsigned long long)id);
    return map_get(&e->sessions, str_of(key));
}

void session_free(struct session *s)
{
    loop_timer_cancel(s->e->loop, &s->timeout);
    map_remove(&s->e->sessions, str_of(s->key));
    if (s->terminal >= 0)
        close(s->terminal);
    mem_free(s);
}

static void ignore(void *ctx, struct shim_msg *m)
{
    (void)m;
    mem_free(ctx);
}

static void kill_session(struct session *s)
{
    struct container *c = engine_container(s->e, s->container_id);
    struct reply *r = c && c->pod->link ? reply_new(s->e, NULL) : NULL;
    if (!r)
        return;
    shim_link_begin(c->pod->link, &s->e->message, SHIM_KILL);
    field_put_u64(&s->e->message, SHIM_F_SESSION, s->id);
    field_put_u64(&s->e->message, SHIM_F_SIGNAL, SIGKILL);
    if (shim_link_send(c->pod->link, &s->e->message, NULL, 0, ignore, NULL, r) < 0)
        mem_free(r);
}

static void timed_out(void *ctx)
{
    kill_session(ctx); /* its end comes as an event */
}

static struct session *session_new(struct engine *e, const char *container_id, bool exec)
{
    struct session *s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    s->e = e;
    s->id = ++e->next_session;
    s->exec = exec;
    s->terminal = -1;
    str_copy(s->container_id, sizeof s->container_id, str_of(container_id));
    snprintf(s->key, sizeof s->key, "%llu", (unsigned long long)s->id);
    loop_timer_init(&s->timeout, timed_out, s);
    if (map_set(&e->sessions, str_of(s->key), s, NULL) < 0) {
        mem_free(s);
        return NULL;
    }
    return s;
}

/* Hands the descriptors of the reply on; the session stays for window sizes and the end. */
static void give_streams(struct reply *r, struct shim_msg *m)
{
    struct session *s = r->session;
    unsigned streams = (unsigned)field_get_u64(m->fields, SHIM_F_STREAMS, 0), at = 0;
    struct runtime_streams out = {s->id, -1, -1, -1};
    struct runtime_result ok = {0, ""};
    int *slots[3] = {&out.in, &out.out, &out.error};
    if (streams & 8 && m->fd_count > 0) { /* one terminal */
        out.in = m->fds[0];
        out.out = fcntl(out.in, F_DUPFD_CLOEXEC, 0);
        s->terminal = fcntl(out.in, F_DUPFD_CLOEXEC, 0);
        m->fds[0] = -1;
    }
    for (int i = 0; i < 3 && !(streams & 8); i++)
        if (streams & (1u << i) && at < m->fd_count) {
            *slots[i] = m->fds[at];
            m->fds[at++] = -1;
        }
    if (streams & 16 && out.in >= 0)
        s->terminal = fcntl(out.in, F_DUPFD_CLOEXEC, 0);
    r->streams(r->ctx, &ok, &out);
}

static void opened(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    struct str text = {0};
    char message[600] = "the pod died";
    int rc = m ? -(int)field_get_u64(m->fields, SHIM_F_RC, E_INTERNAL) : -E_UNAVAILABLE;
    if (m && rc < 0 && field_get(m->fields, SHIM_F_TEXT, &text))
        str_copy(message, sizeof message, text);
    if (rc == 0)
        give_streams(r, m);
    else {
        session_free(r->session);
        engine_streams_failed(r->streams, r->ctx, rc, message);
    }
    mem_free(r);
}

static int ask(struct container *c, struct reply *r, uint8_t type, const struct prepared *p)
{
    struct buf *m = &c->pod->e->message;
    shim_link_begin(c->pod->link, m, type);
    field_put_cstr(m, SHIM_F_ID, c->id);
    field_put_u64(m, SHIM_F_SESSION, r->session->id);
    return shim_link_send(c->pod->link, m, p->fds, p->count, opened, NULL, r);
}

static void begin(struct engine *e, const char *id, const struct runtime_exec *x, runtime_streams_fn *done, void *ctx)
{
    struct container *c = engine_container(e, id);
    struct prepared prepared = {0};
    struct err err = {0};
    struct reply *r = NULL;
    struct session *s = NULL;
    int rc = c && c->state == RUNTIME_RUNNING && c->pod->link
                 ? 0 : err_set(&err, E_NOT_FOUND, "container %s is not running", id);
    if (rc == 0 && x)
        rc = prepare_exec(c, x, &prepared, &err);
    if (rc == 0 && (!(s = session_new(e, id, x)) || !(r = reply_new(e, ctx))))
        rc = err_set(&err, E_NOMEM, "out of memory");
    if (rc == 0) {
        r->streams = done;
        r->session = s;
        if ((rc = ask(c, r, x ? SHIM_EXEC : SHIM_ATTACH, &prepared)) < 0)
            err_set(&err, -rc, "ask the shim: %s", err_text(rc));
    }
    prepared_done(&prepared);
    if (rc == 0) {
        if (x && x->timeout_ms)
            loop_timer_set(e->loop, &s->timeout, x->timeout_ms);
        return;
    }
    if (s)
        session_free(s);
    mem_free(r);
    engine_streams_failed(done, ctx, rc, err.code ? err.text : err_text(rc));
}

void sessions_exec(void *self, const struct runtime_exec *x, runtime_streams_fn *done, void *ctx)
{
    begin(self, x->container_id, x, done, ctx);
}

void sessions_attach(void *self, const char *id, runtime_streams_fn *done, void *ctx)
{
    begin(self, id, NULL, done, ctx);
}

void sessions_resize(void *self, uint64_t session, uint16_t columns, uint16_t rows)
{
    struct session *s = find(self, session);
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    if (s && s->terminal >= 0 && columns && rows)
        ioctl(s->terminal, TIOCSWINSZ, &size);
}

void sessions_close(void *self, uint64_t session)
{
    struct session *s = find(self, session);
    if (!s)
        return;
    if (s->exec)
        kill_session(s);
    else
        session_free(s);
}

void sessions_exec_exited(struct engine *e, const struct shim_msg *m)
{
    struct session *s = find(e, field_get_u64(m->fields, SHIM_F_SESSION, 0));
    struct runtime_exit x = {.code = (int)field_get_u64(m->fields, SHIM_F_CODE, 0),
                             .signal = (int)field_get_u64(m->fields, SHIM_F_SIGNAL, 0),
                             .started_ns = (int64_t)field_get_u64(m->fields, SHIM_F_STARTED, 0),
                             .finished_ns = (int64_t)field_get_u64(m->fields, SHIM_F_FINISHED, 0)};
    if (!s)
        return;
    uint64_t id = s->id;
    session_free(s);
    if (e->events)
        e->events->exec_exited(e->events_ctx, id, &x);
}

/* The container is gone, and with it every process that could still report. */
void sessions_of_gone(struct engine *e, const char *container_id)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&e->sessions, &it);
    while (map_iter_next(&e->sessions, &it, &key, &value)) {
        struct session *s = value;
        if (!cstr_eq(s->container_id, container_id))
            continue;
        uint64_t id = s->id;
        struct runtime_exit x = {.code = 137, .signal = SIGKILL, .finished_ns = loop_realtime_ns(e->loop)};
        bool exec = s->exec;
        session_free(s);
        if (exec && e->events)
            e->events->exec_exited(e->events_ctx, id, &x);
    }
}
