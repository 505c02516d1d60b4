/* See shim_link.h. */
#include "drivers/runtime/shim_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel-glue/abi/path.h"
#include "kernel-glue/abi/process.h"

extern const char shim_elf_start[], shim_elf_end[];

struct pending {
    struct list link;
    uint32_t id;
    shim_reply_fn *reply, *part;
    void *ctx;
};

struct shim_link {
    struct loop *loop;
    struct loop_fd fd;
    int sock;
    uint32_t next_id;
    struct list pending;
    const struct shim_link_fns *fns;
    void *ctx;
    bool busy, dead; /* freed by a callback: memory goes at the end */
    char *buffer;
};

/* ---- the program ---- */

/* The directory by its descriptor: a socket's name has room for 107 bytes only. */
static int address_of(int dir_fd, const char *name, struct sockaddr_un *ret_at)
{
    char dir[PATH_FD_TEXT];
    *ret_at = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret_at->sun_path, sizeof ret_at->sun_path, "%s/%s", path_of_fd(dir_fd, dir), name);
    return n < (int)sizeof ret_at->sun_path ? 0 : -E_LIMIT;
}

int shim_listen(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    struct sockaddr_un at;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(dir_fd, name, 0);
    if (fd < 0 || address_of(dir_fd, name, &at) < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(fd, 4) < 0) {
        err_set_errno(err, "socket of the shim");
        if (fd >= 0)
            close(fd);
        return -E_IO;
    }
    *ret_fd = fd;
    return 0;
}

static void become_shim(int program, int listen_fd, const char *uid) __attribute__((noreturn));
static void become_shim(int program, int listen_fd, const char *uid)
{
    static const char name[] = "keelson-shim";
    char *const argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)uid, NULL}, *const envp[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    /* The program out of the way first: it may sit where the socket goes. */
    program = fcntl(program, F_DUPFD_CLOEXEC, 10);
    if (listen_fd == SHIM_FD_LISTEN)
        fcntl(listen_fd, F_SETFD, 0);
    else
        dup2(listen_fd, SHIM_FD_LISTEN);
    if (process_close_from(SHIM_FD_FIRST_FREE, true) < 0 || chdir("/") < 0)
        _exit(1);
    process_exec_fd(program, argv, envp);
    _exit(1);
}

int shim_spawn(int listen_fd, unsigned namespaces, int cgroup_fd, const char *uid, pid_t *ret_pid,
               int *ret_pidfd, struct err *err)
{
    int program, rc;
    pid_t pid;
    rc = process_sealed_memory("keelson-shim", shim_elf_start, (size_t)(shim_elf_end - shim_elf_start), true, &program);
    if (rc < 0)
        return err_set_errno(err, "program of the shim");
    rc = process_clone(namespaces, cgroup_fd, &pid, ret_pidfd);
    if (rc == 0 && pid == 0)
        become_shim(program, listen_fd, uid);
    if (rc < 0)
        err_set_errno(err, "clone the shim");
    else
        *ret_pid = pid;
    close(program);
    return rc;
}

/* ---- the link ---- */

static void fail_pending(struct shim_link *l)
{
    struct pending *p;
    while ((p = LIST_FIRST(&l->pending, struct pending, link))) {
        list_remove(&p->link);
        p->reply(p->ctx, NULL);
        mem_free(p);
    }
}

static void answer(struct shim_link *l, struct shim_msg *m)
{
    struct pending *p, *found = NULL;
    LIST_EACH(p, &l->pending, link)
        if (p->id == m->id)
            found = p;
    if (!found)
        return;
    if (m->type != SHIM_REPLY) {
        if (found->part)
            found->part(found->ctx, m);
        return;
    }
    list_remove(&found->link);
    found->reply(found->ctx, m);
    mem_free(found);
}

static void release(struct shim_link *l)
{
    mem_free(l->buffer);
    mem_free(l);
}

static void ready(void *ctx, unsigned events)
{
    struct shim_link *l = ctx;
    struct shim_msg m;
    int rc = 0;
    (void)events;
    l->busy = true;
    for (int i = 0; i < 32 && !l->dead; i++) {
        if ((rc = shim_msg_recv(l->sock, l->buffer, &m)) < 0)
            break;
        if (m.id)
            answer(l, &m);
        else
            l->fns->event(l->ctx, &m);
        shim_msg_close_fds(&m);
    }
    l->busy = false;
    if (!l->dead && rc < 0 && rc != -E_AGAIN) {
        const struct shim_link_fns *fns = l->fns;
        void *to = l->ctx;
        shim_link_free(l);
        fns->closed(to);
        return;
    }
    if (l->dead)
        release(l);
}

int shim_link_open(struct loop *loop, int dir_fd, const char *name, const struct shim_link_fns *fns, void *ctx,
                   struct shim_link **ret_link)
{
    struct sockaddr_un at;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
    if (fd < 0)
        return -E_LIMIT;
    rc = address_of(dir_fd, name, &at);
    if (rc == 0 && connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
        rc = -err_from_errno(errno);
    struct shim_link *l = rc == 0 ? mem_zalloc(sizeof *l) : NULL;
    if (l)
        l->buffer = mem_alloc(SHIM_MSG_BYTES);
    if (rc == 0 && (!l || !l->buffer))
        rc = -E_NOMEM;
    if (rc == 0) {
        list_init(&l->pending);
        loop_fd_init(&l->fd, ready, l);
        rc = loop_fd_add(loop, &l->fd, fd, POLL_IN);
    }
    if (rc < 0) {
        close(fd);
        if (l)
            release(l);
        return rc;
    }
    l->loop = loop;
    l->sock = fd;
    l->fns = fns;
    l->ctx = ctx;
    *ret_link = l;
    return 0;
}

void shim_link_free(struct shim_link *l)
{
    if (!l || l->dead)
        return;
    l->dead = true;
    loop_fd_remove(l->loop, &l->fd);
    close(l->sock);
    fail_pending(l);
    if (!l->busy)
        release(l);
}

void shim_link_begin(struct shim_link *l, struct buf *m, uint8_t type)
{
    if (++l->next_id == 0)
        l->next_id = 1;
    shim_msg_begin(m, type, l->next_id);
}

int shim_link_send(struct shim_link *l, struct buf *m, const int *fds, unsigned fd_count, shim_reply_fn *reply,
                   shim_reply_fn *part, void *ctx)
{
    struct pending *p = mem_zalloc(sizeof *p);
    int rc = p ? shim_msg_send(l->sock, m, fds, fd_count) : -E_NOMEM;
    if (rc < 0) {
        mem_free(p);
        return rc;
    }
    *p = (struct pending){.id = l->next_id, .reply = reply, .part = part, .ctx = ctx};
    list_push_back(&l->pending, &p->link);
    return 0;
}
