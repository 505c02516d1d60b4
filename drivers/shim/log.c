/* See log.h. */
#include "drivers/shim/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"

static int open_file(struct log *l)
{
    struct stat st;
    int fd = openat(l->dir_fd, l->name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return -err_from_errno(errno);
    l->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    l->fd = fd;
    return 0;
}

int log_open(struct log *l, int dir_fd, struct str name, uint64_t limit)
{
    *l = (struct log){.dir_fd = dir_fd, .fd = -1, .limit = limit};
    if (!name.n || memchr(name.p, '/', name.n) || !str_copy(l->name, sizeof l->name, name))
        return -E_BAD_REQUEST;
    return open_file(l);
}

void log_close(struct log *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->dir_fd >= 0)
        close(l->dir_fd);
    l->fd = l->dir_fd = -1;
}

int log_rotate(struct log *l)
{
    char from[LOG_NAME_BYTES + 8], to[LOG_NAME_BYTES + 8];
    if (l->dir_fd < 0)
        return -E_NOT_FOUND;
    for (int i = LIMIT_LOG_FILES - 2; i >= 0; i--) {
        snprintf(to, sizeof to, "%s.%d", l->name, i + 1);
        if (i)
            snprintf(from, sizeof from, "%s.%d", l->name, i);
        else
            snprintf(from, sizeof from, "%s", l->name);
        if (renameat(l->dir_fd, from, l->dir_fd, to) < 0 && errno != ENOENT)
            return -err_from_errno(errno);
    }
    int old = l->fd, rc = open_file(l);
    if (rc == 0 && old >= 0)
        close(old);
    return rc;
}

int log_stream_init(struct log_stream *s, const char *name, struct log *l)
{
    *s = (struct log_stream){.name = name, .log = l, .line = mem_alloc(LOG_LINE_BYTES)};
    return s->line ? 0 : -E_NOMEM;
}

static void put_time(struct buf *out)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec);
}

static void put_entry(struct log_stream *s, char kind, const char *p, size_t n, struct buf *out)
{
    put_time(out);
    buf_printf(out, " %s %c ", s->name, kind);
    buf_append(out, s->line, s->n);
    buf_append(out, p, n);
    buf_putc(out, '\n');
    s->n = 0;
}

static void flush(struct log *l, struct buf *out)
{
    struct str text = buf_str(out);
    while (text.n && l->fd >= 0) {
        ssize_t n = write(l->fd, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text = str_make(text.p + n, text.n - (size_t)n);
        l->size += (uint64_t)n;
    }
    buf_clear(out);
    out->failed = false;
    if (l->limit && l->size >= l->limit && log_rotate(l) < 0)
        l->size = 0; /* tried again after as much again */
}

void log_stream_write(struct log_stream *s, const char *p, size_t n, struct buf *scratch)
{
    buf_clear(scratch);
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t room = LOG_LINE_BYTES - s->n, length = end ? (size_t)(end - p) : n;
        if (length > room || (length == room && !end)) {
            put_entry(s, 'P', p, room, scratch);
            p += room;
            n -= room;
        } else if (end) {
            put_entry(s, 'F', p, length, scratch);
            p += length + 1;
            n -= length + 1;
        } else {
            memcpy(s->line + s->n, p, length);
            s->n += length;
            n = 0;
        }
    }
    flush(s->log, scratch);
}

void log_stream_done(struct log_stream *s)
{
    struct buf out CLEANUP_BUF;
    if (s->line && s->n) {
        buf_init(&out, 2 * LOG_LINE_BYTES);
        put_entry(s, 'F', "", 0, &out);
        flush(s->log, &out);
    } else
        buf_init(&out, 0);
    mem_free(s->line);
    s->line = NULL;
}
