/* The short-lived roles as children of `runtime`. See images_int.h. */
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/image/confine.h"
#include "kernel-glue/abi/process.h"
#include "main/images_int.h"

static void close_sock(struct image_child *c)
{
    if (c->sock.fd < 0)
        return;
    int fd = c->sock.fd;
    loop_fd_remove(c->images->o.loop, &c->sock);
    c->sock.fd = -1;
    close(fd);
}

/* It lasts until its process is reaped and its socket is read to the end, or not wanted any more. */
static void free_when_over(struct image_child *c)
{
    if (!c->in_message && c->sock.fd < 0 && c->exit.fd < 0) {
        list_remove(&c->link);
        mem_free(c);
    }
}

static void on_message(void *ctx, unsigned events)
{
    struct image_child *c = ctx;
    struct imsg_in m;
    (void)events;
    int rc = imsg_recv(c->sock.fd, c->images->buffer, sizeof c->images->buffer, &m);
    if (rc == -E_AGAIN)
        return;
    c->in_message = true;
    if (rc == 0) {
        c->message(c->ctx, &m); /* may end the child */
        imsg_close_fds(&m);
    } else {
        close_sock(c);
        if (!c->ended)
            c->gone(c->ctx);
    }
    c->in_message = false;
    free_when_over(c);
}

static void on_exit_ready(void *ctx, unsigned events)
{
    struct image_child *c = ctx;
    int code, signal, fd = c->exit.fd;
    (void)events;
    if (process_reap(fd, &code, &signal) == PROCESS_RUNNING)
        return;
    loop_fd_remove(c->images->o.loop, &c->exit);
    c->exit.fd = -1;
    close(fd);
    free_when_over(c);
}

int image_child_start(struct images *im, const char *role, void (*message)(void *ctx, struct imsg_in *m),
                      void (*gone)(void *ctx), void *ctx, struct image_child **ret_child, struct err *err)
{
    int sock, pidfd;
    pid_t pid;
    struct image_child *c = mem_zalloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = image_role_spawn(role, &sock, &pid, &pidfd, err);
    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    *c = (struct image_child){.images = im, .role = role, .message = message, .gone = gone, .ctx = ctx};
    loop_fd_init(&c->sock, on_message, c);
    loop_fd_init(&c->exit, on_exit_ready, c);
    list_push_back(&im->children, &c->link);
    rc = loop_fd_add(im->o.loop, &c->exit, pidfd, POLL_IN);
    if (rc < 0)
        c->exit.fd = pidfd;
    else
        rc = loop_fd_add(im->o.loop, &c->sock, sock, POLL_IN);
    if (rc < 0) {
        close(sock);
        image_child_free(c);
        return err_set(err, -rc, "cannot watch the role %s: %s", role, err_text(rc));
    }
    *ret_child = c;
    return 0;
}

int image_child_send(struct image_child *c, const struct imsg_out *m, struct err *err)
{
    int rc = m->failed ? -E_TOO_LARGE : c->sock.fd < 0 ? -E_CLOSED : imsg_send(c->sock.fd, m);
    return rc < 0 ? err_set(err, -rc, "cannot reach the role %s: %s", c->role, err_text(rc)) : 0;
}

void image_child_pause(struct image_child *c, bool paused)
{
    if (c->sock.fd >= 0)
        loop_fd_set(c->images->o.loop, &c->sock, paused ? 0 : POLL_IN);
}

void image_child_end(struct image_child *c)
{
    if (!c || c->ended)
        return;
    c->ended = true;
    close_sock(c);
    if (c->exit.fd >= 0 && process_signal(c->exit.fd, SIGKILL) < 0)
        log_warn("the role %s could not be ended", c->role);
    free_when_over(c);
}

void image_child_free(struct image_child *c)
{
    int code, signal;
    close_sock(c);
    if (c->exit.fd >= 0) {
        int fd = c->exit.fd;
        if (process_signal(fd, SIGKILL) == 0)
            process_reap(fd, &code, &signal);
        loop_fd_remove(c->images->o.loop, &c->exit);
        close(fd);
    }
    list_remove(&c->link);
    mem_free(c);
}
