/* See journal.h. */
#include "main/journal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"

enum { FILE_MOST = 1024 * 1024, RECORD_MOST = 8192, TURN_MOST = 256 };

struct journal {
    struct role_env *env;
    int dir_fd, file_fd, kmsg_fd;
    uint64_t size;
    struct loop_fd watch;
};

static int open_file(struct journal *j, struct err *err)
{
    int rc = file_open_append(j->dir_fd, "console.log", 0600, &j->file_fd, err);
    if (rc == 0) {
        off_t end = lseek(j->file_fd, 0, SEEK_END);
        j->size = end > 0 ? (uint64_t)end : 0;
    }
    return rc;
}

static void rotate(struct journal *j)
{
    struct err err = {0};
    close(j->file_fd);
    j->file_fd = -1;
    if (file_rename(j->dir_fd, "console.log", "console.log.1") < 0 || open_file(j, &err) < 0)
        role_env_status(j->env, "console.log cannot be rotated");
}

/* "6,1234,5678901,-;text\n KEY=value\n": seconds since the start of the kernel and the text stay. */
static void keep(struct journal *j, struct str record)
{
    char line[RECORD_MOST + 64];
    struct str head, level, number, time;
    uint64_t us = 0, priority = 0;
    if (!str_split(&record, ';', &head) || !record.p)
        return;
    if (!str_split(&head, ',', &level) || !str_split(&head, ',', &number) || !str_split(&head, ',', &time) ||
        str_to_u64(time, &us) < 0 || str_to_u64(level, &priority) < 0)
        return;
    ptrdiff_t end = str_find_byte(record, '\n');
    if (end >= 0)
        record.n = (size_t)end;
    int n = snprintf(line, sizeof line, "%6llu.%06llu <%llu> " STR_FMT "\n", (unsigned long long)(us / 1000000),
                     (unsigned long long)(us % 1000000), (unsigned long long)(priority & 7), STR_ARG(record));
    if (j->size + (uint64_t)n > FILE_MOST)
        rotate(j);
    if (j->file_fd < 0 || write(j->file_fd, line, (size_t)n) != n)
        return; /* a full disk: the kernel's buffer still has the message */
    j->size += (uint64_t)n;
}

static void readable(void *ctx, unsigned events)
{
    struct journal *j = ctx;
    char record[RECORD_MOST];
    (void)events;
    for (int i = 0; i < TURN_MOST; i++) {
        ssize_t n = read(j->kmsg_fd, record, sizeof record);
        if (n < 0 && errno == EPIPE) /* overtaken by the writers: the next read is the oldest there is */
            continue;
        if (n <= 0)
            return;
        keep(j, str_make(record, (size_t)n));
    }
}

int journal_run(struct role_env *env, struct err *err)
{
    struct journal j = {.env = env, .file_fd = -1, .kmsg_fd = -1};
    j.dir_fd = role_env_socket(env, ROLE_SOCKET_DIR);
    if (j.dir_fd < 0)
        return err_set(err, E_NOT_FOUND, "directory of the log");
    loop_fd_init(&j.watch, readable, &j);
    int rc = open_file(&j, err);
    if (rc == 0)
        rc = file_open_nonblocking(FILE_HERE, "/dev/kmsg", &j.kmsg_fd, err);
    /* After a restart of this role the same messages are not written twice. */
    if (rc == 0 && env->start.restarts > 0)
        lseek(j.kmsg_fd, 0, SEEK_END);
    if (rc == 0 && (rc = loop_fd_add(env->loop, &j.watch, j.kmsg_fd, POLL_IN)) < 0)
        err_set(err, -rc, "/dev/kmsg: %s", err_text(rc));
    if (rc == 0) {
        role_env_ready(env);
        rc = role_env_loop(env, err);
        readable(&j, POLL_IN); /* the last words of those that stopped before */
        loop_fd_remove(env->loop, &j.watch);
    }
    close(j.dir_fd);
    if (j.file_fd >= 0)
        close(j.file_fd);
    if (j.kmsg_fd >= 0)
        close(j.kmsg_fd);
    return rc;
}
