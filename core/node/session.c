/*
 * See session.h. An exec is over when its process has ended and its output was read to the end, or
 * nothing has come for a moment after the exit (a child may hold the pipe open for ever).
 */
#include "node/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"

enum { CHUNK_BYTES = 16 * 1024, INPUT_BYTES = 256 * 1024, INPUT_ENOUGH = 64 * 1024, QUIET_MS = 250, ANSWER_MS = 2000 };

struct pipe { /* one direction */
    struct session *session;
    enum session_channel channel;
    int fd; /* -1: none, or ended */
    struct loop_fd watch;
};

struct session {
    struct node *node;
    const struct session_sink *sink;
    void *ctx;
    bool exec, tty, stays, ending, plain_error, asked, freed, paused, input_ended, input_full, exited, told;
    uint64_t id;
    int exit_code;
    char *command; /* for the message */
    struct pipe in, out, error;
    struct buf input; /* not yet written to the process */
    uint16_t columns, rows;
    struct loop_timer timer;
};

static void pipe_close(struct pipe *p)
{
    loop_fd_remove(p->session->node->loop, &p->watch);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void dispose(struct session *s)
{
    pipe_close(&s->in);
    pipe_close(&s->out);
    pipe_close(&s->error);
    buf_done(&s->input);
    mem_free(s->command);
    mem_free(s);
}

void session_drop(struct session *s)
{
    if (!s || s->freed)
        return;
    struct runtime *rt = s->node->runtime;
    loop_timer_cancel(s->node->loop, &s->timer);
    s->freed = true;
    if (s->asked)
        return; /* disposed of when the runtime has answered */
    if (s->id && !(s->exec && s->exited))
        rt->ops->session_close(rt->self, s->id);
    dispose(s);
}

/* ---- the end ---- */

enum { MESSAGE_TEXT = 512 };

static void failure_text(const struct session *s, char text[MESSAGE_TEXT])
{
    snprintf(text, MESSAGE_TEXT,
             "command terminated with non-zero exit code: error executing command [%.300s], exit code %d",
             s->command ? s->command : "", s->exit_code);
}

static void put_failure(struct session *s, struct buf *b)
{
    char message[MESSAGE_TEXT];
    failure_text(s, message);
    buf_puts(b, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
    json_write_string(b, str_of(message));
    buf_printf(b, ",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
               s->exit_code);
}

static void tell_status(struct session *s, const char *error)
{
    struct buf b CLEANUP_BUF = {0};
    buf_init(&b, 8192);
    if (s->told)
        return;
    s->told = true;
    if (s->plain_error) {
        char message[MESSAGE_TEXT] = "";
        if (!error && s->exec && s->exit_code != 0)
            failure_text(s, message);
        buf_puts(&b, error ? error : message);
    } else if (error) {
        buf_puts(&b, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
        json_write_string(&b, str_of(error));
        buf_puts(&b, ",\"reason\":\"InternalError\",\"code\":500}");
    } else if (s->exec && s->exit_code != 0) {
        put_failure(s, &b);
    } else {
        buf_puts(&b, "{\"metadata\":{},\"status\":\"Success\"}");
    }
    if (buf_len(&b))
        (void)s->sink->output(s->ctx, SESSION_ERROR, buf_str(&b));
    s->sink->over(s->ctx);
}

static void check_over(struct session *s)
{
    bool drained = s->out.fd < 0 && s->error.fd < 0;
    if (s->asked || s->freed)
        return;
    if (drained && (s->exited || !s->exec))
        tell_status(s, NULL);
}

static void on_quiet(void *ctx)
{
    struct session *s = ctx;
    if (s->paused) {
        loop_timer_set(s->node->loop, &s->timer, QUIET_MS);
        return;
    }
    pipe_close(&s->out);
    pipe_close(&s->error);
    check_over(s);
}

bool session_exec_exited(struct session *s, uint64_t id, const struct runtime_exit *e)
{
    if (s->freed || !s->exec || s->id != id)
        return false;
    s->exited = true;
    s->exit_code = e->code;
    loop_timer_set(s->node->loop, &s->timer, QUIET_MS);
    check_over(s);
    return true;
}

/* ---- output ---- */

static void on_output(void *ctx, unsigned events)
{
    struct pipe *p = ctx;
    struct session *s = p->session;
    char chunk[CHUNK_BYTES];
    (void)events;
    ssize_t n = read(p->fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* a pty's master says EIO when the last process is gone */
        pipe_close(p);
        s->sink->output_end(s->ctx, p->channel);
        check_over(s);
        return;
    }
    if (s->exited)
        loop_timer_set(s->node->loop, &s->timer, QUIET_MS);
    else if (s->ending)
        loop_timer_set(s->node->loop, &s->timer, ANSWER_MS);
    if (!s->sink->output(s->ctx, p->channel, str_make(chunk, (size_t)n))) {
        s->paused = true;
        loop_fd_set(s->node->loop, &s->out.watch, 0);
        loop_fd_set(s->node->loop, &s->error.watch, 0);
    }
}

void session_resume(struct session *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    if (s->out.fd >= 0)
        loop_fd_set(s->node->loop, &s->out.watch, POLL_IN);
    if (s->error.fd >= 0)
        loop_fd_set(s->node->loop, &s->error.watch, POLL_IN);
}

/* ---- input ---- */

static void flush_input(struct session *s)
{
    struct pipe *p = &s->in;
    while (p->fd >= 0 && buf_len(&s->input)) {
        struct str all = buf_str(&s->input);
        ssize_t n = write(p->fd, all.p, all.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) { /* nobody reads it any more */
            pipe_close(p);
            buf_clear(&s->input);
            break;
        }
        buf_consume(&s->input, (size_t)n);
    }
    if (p->fd >= 0)
        loop_fd_set(s->node->loop, &p->watch, buf_len(&s->input) ? POLL_OUT : 0);
    if (buf_len(&s->input) == 0 && s->input_ended && !s->asked && !s->tty)
        pipe_close(p);
    if (buf_len(&s->input) == 0 && s->input_ended && !s->asked && s->stays) {
        s->stays = false;
        s->ending = true; /* once what answers the input has come */
        loop_timer_set(s->node->loop, &s->timer, ANSWER_MS);
    }
    if (s->input_full && buf_len(&s->input) < INPUT_ENOUGH) {
        s->input_full = false;
        s->sink->input_wanted(s->ctx);
    }
}

static void on_input_room(void *ctx, unsigned events)
{
    struct pipe *p = ctx;
    (void)events;
    flush_input(p->session);
}

static void resize(struct session *s, struct str bytes)
{
    struct arena a CLEANUP_ARENA = {0};
    struct runtime *rt = s->node->runtime;
    struct json *size = NULL;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (json_parse(&a, bytes, NULL, &size, NULL) < 0)
        return;
    int64_t columns = json_path_i64(size, "Width", 0), rows = json_path_i64(size, "Height", 0);
    if (columns <= 0 || rows <= 0 || columns > 65535 || rows > 65535)
        return;
    s->columns = (uint16_t)columns;
    s->rows = (uint16_t)rows;
    if (s->id)
        rt->ops->resize(rt->self, s->id, s->columns, s->rows);
}

bool session_input(struct session *s, enum session_channel channel, struct str bytes)
{
    if (channel == SESSION_RESIZE)
        resize(s, bytes);
    if (channel != SESSION_STDIN || (!s->asked && s->in.fd < 0))
        return true; /* input that nobody reads is dropped */
    buf_append_str(&s->input, bytes);
    if (!s->asked)
        flush_input(s);
    s->input_full = buf_len(&s->input) >= INPUT_ENOUGH;
    return !s->input_full;
}

void session_input_end(struct session *s)
{
    s->input_ended = true;
    if (!s->asked)
        flush_input(s);
}

/* ---- beginning ---- */

static void pipe_begin(struct pipe *p, int fd, unsigned events)
{
    if (fd < 0)
        return;
    p->fd = fd;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || loop_fd_add(p->session->node->loop, &p->watch, fd, events) < 0)
        pipe_close(p);
}

static void close_all(const struct runtime_streams *st)
{
    const int fds[] = {st->in, st->out, st->error};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void begun(void *ctx, const struct runtime_result *r, const struct runtime_streams *st)
{
    struct session *s = ctx;
    struct runtime *rt = s->node->runtime;
    s->asked = false;
    if (s->freed) {
        if (r->rc == 0) {
            close_all(st);
            rt->ops->session_close(rt->self, st->session);
        }
        dispose(s);
        return;
    }
    if (r->rc < 0) {
        tell_status(s, r->message);
        return;
    }
    s->id = st->session;
    if (s->columns)
        rt->ops->resize(rt->self, s->id, s->columns, s->rows);
    pipe_begin(&s->in, st->in, 0);
    pipe_begin(&s->out, st->out, POLL_IN);
    pipe_begin(&s->error, st->error, POLL_IN);
    flush_input(s);
    check_over(s);
}

static void pipe_init(struct session *s, struct pipe *p, enum session_channel channel,
                      void (*fn)(void *ctx, unsigned events))
{
    p->session = s;
    p->channel = channel;
    p->fd = -1;
    loop_fd_init(&p->watch, fn, p);
}

static char *joined(const char *const *args)
{
    struct buf b CLEANUP_BUF = {0};
    size_t n;
    buf_init(&b, 4096);
    for (size_t i = 0; args && args[i]; i++)
        buf_printf(&b, "%s%s", i ? " " : "", args[i]);
    return buf_take(&b, &n);
}

int session_new(const struct session_options *o, const char *container_id, const struct session_sink *sink,
                void *ctx, struct session **ret_session)
{
    struct runtime *rt = o->node->runtime;
    struct session *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->node = o->node;
    s->sink = sink;
    s->ctx = ctx;
    s->exec = o->args != NULL;
    s->tty = o->tty;
    s->stays = o->stays && o->in && !o->args;
    s->plain_error = o->plain_error;
    s->command = joined(o->args);
    s->asked = true;
    buf_init(&s->input, INPUT_BYTES);
    loop_timer_init(&s->timer, on_quiet, s);
    pipe_init(s, &s->in, SESSION_STDIN, on_input_room);
    pipe_init(s, &s->out, SESSION_STDOUT, on_output);
    pipe_init(s, &s->error, SESSION_STDERR, on_output);
    *ret_session = s;
    if (!s->exec) {
        rt->ops->attach(rt->self, container_id, begun, s);
        return 0;
    }
    struct runtime_exec e = {.container_id = container_id, .args = o->args, .tty = o->tty, .in = o->in,
                             .out = o->out, .error = o->error && !o->tty};
    rt->ops->exec(rt->self, &e, begun, s);
    return 0;
}
