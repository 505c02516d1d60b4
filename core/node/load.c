/*
 * POST /images/load: an archive of images, as it comes, through a pipe to the runtime. The answer
 * is the loaded image's name and id as JSON, or the runtime's reason as text.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "node/server_int.h"

enum { LOAD_BUFFER_BYTES = 4 * 1024 * 1024, LOAD_HIGH = 256 * 1024 };

struct load {
    struct request *request; /* NULL: the client is gone or has its answer */
    struct loop *loop;
    struct loop_fd pipe;  /* our end; fd -1 when closed */
    struct buf waiting;   /* for room in the pipe */
    bool complete;        /* the archive has come whole */
    bool answered;        /* by the runtime */
};

static void close_pipe(struct load *l)
{
    int fd = l->pipe.fd;
    if (fd < 0)
        return;
    loop_fd_remove(l->loop, &l->pipe);
    l->pipe.fd = -1;
    close(fd);
}

static void free_when_over(struct load *l)
{
    if (l->request || !l->answered)
        return;
    close_pipe(l);
    buf_done(&l->waiting);
    mem_free(l);
}

/* Writes what the pipe takes. A reader that is gone has its reason: the runtime's answer tells it. */
static void push(struct load *l)
{
    while (l->pipe.fd >= 0 && buf_len(&l->waiting)) {
        struct str s = buf_str(&l->waiting);
        ssize_t n = write(l->pipe.fd, s.p, s.n);
        if (n > 0) {
            buf_consume(&l->waiting, (size_t)n);
        } else if (errno == EAGAIN) {
            loop_fd_set(l->loop, &l->pipe, POLL_OUT);
            return;
        } else if (errno != EINTR) {
            close_pipe(l);
        }
    }
    if (l->pipe.fd >= 0)
        loop_fd_set(l->loop, &l->pipe, 0);
    if (l->complete)
        close_pipe(l);
    if (l->request && l->request->http && !l->complete)
        http_request_pause(l->request->http, false);
}

static void on_room(void *ctx, unsigned events)
{
    (void)events;
    push(ctx);
}

static void loaded(void *ctx, const struct runtime_result *r, const struct runtime_image *image)
{
    struct load *l = ctx;
    struct request *q = l->request;
    struct buf b CLEANUP_BUF = {0};
    l->answered = true;
    close_pipe(l);
    if (!q) {
        free_when_over(l);
        return;
    }
    buf_init(&b, 16384);
    if (r->rc == 0) {
        buf_puts(&b, "{\"name\":");
        json_write_string(&b, str_of(image->names && image->names[0] ? image->names[0] : ""));
        buf_puts(&b, ",\"id\":");
        json_write_string(&b, str_of(image->id));
        buf_puts(&b, "}\n");
        if (q->http)
            http_reply_whole(q->http, 200, "application/json", buf_str(&b));
        q->http = NULL;
        request_free(q);
    } else {
        request_fail(q, err_http_status(r->rc), "%s", r->message); /* frees q, and with it l */
    }
}

void load_begin(struct request *q)
{
    struct runtime *runtime = q->server->node->runtime;
    int ends[2];
    struct load *l = mem_zalloc(sizeof *l);
    if (!l || pipe2(ends, O_CLOEXEC) < 0) {
        mem_free(l);
        request_fail(q, 503, "cannot take an archive now");
        return;
    }
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    l->loop = q->server->node->loop;
    buf_init(&l->waiting, LOAD_BUFFER_BYTES);
    loop_fd_init(&l->pipe, on_room, l);
    if (loop_fd_add(l->loop, &l->pipe, ends[1], 0) < 0) {
        close(ends[0]);
        close(ends[1]);
        mem_free(l);
        request_fail(q, 503, "cannot take an archive now");
        return;
    }
    l->request = q;
    q->load = l;
    runtime->ops->image_load(runtime->self, ends[0], loaded, l);
}

void load_body(struct request *q, struct str bytes)
{
    struct load *l = q->load;
    if (l->pipe.fd < 0)
        return; /* nobody reads any more: the rest is thrown away until the answer is there */
    buf_append_str(&l->waiting, bytes);
    if (l->waiting.failed) {
        close_pipe(l);
        return;
    }
    push(l);
    if (buf_len(&l->waiting) > LOAD_HIGH && q->http)
        http_request_pause(q->http, true);
}

void load_complete(struct request *q)
{
    q->load->complete = true;
    push(q->load);
}

void load_forget(struct request *q)
{
    struct load *l = q->load;
    q->load = NULL;
    if (!l)
        return;
    l->request = NULL;
    close_pipe(l); /* half an archive is none: the runtime refuses it */
    free_when_over(l);
}
