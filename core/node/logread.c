/*
 * See logread.h. Regular files are always ready, so a reader takes a bounded piece a turn and, at
 * the end of a file that still grows, looks again a little later.
 */
#include "node/logread.h"

#include <sys/stat.h>
#include <unistd.h>

#include "codec/time.h"
#include "node/logs.h"

enum {
    CHUNK_BYTES = 16 * 1024,
    LINE_BYTES = 64 * 1024, /* the runtime cuts lines far below */
    LOOK_MS = 200,
    ROTATED_EVERY = 5, /* looks between two questions whether the file was rotated */
};

struct logread {
    struct node *node;
    int fd;
    char *path;
    struct logread_options o;
    const struct logread_handlers *h;
    void *ctx;
    off_t at;
    struct buf input; /* an unfinished line */
    int64_t given_bytes;
    bool paused, asking, freed, last_round;
    unsigned looks;
    int next_fd; /* the file that took this one's place, or -1 */
    struct loop_timer timer;
};

static void dispose(struct logread *r)
{
    if (r->fd >= 0)
        close(r->fd);
    if (r->next_fd >= 0)
        close(r->next_fd);
    buf_done(&r->input);
    mem_free(r->path);
    mem_free(r);
}

void logread_free(struct logread *r)
{
    if (!r || r->freed)
        return;
    loop_timer_cancel(r->node->loop, &r->timer);
    r->freed = true;
    if (!r->asking)
        dispose(r);
}

/* ---- tail ---- */

/* Where the last `lines` lines of the file begin. */
static off_t tail_start(int fd, int64_t lines)
{
    char block[CHUNK_BYTES];
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    int64_t seen = 0;
    if (lines == 0)
        return end > 0 ? end : 0;
    while (at > 0) {
        size_t n = at < CHUNK_BYTES ? (size_t)at : CHUNK_BYTES;
        at -= (off_t)n;
        if (pread(fd, block, n, at) != (ssize_t)n)
            return 0;
        for (size_t i = n; i-- > 0;)
            if (block[i] == '\n' && at + (off_t)i + 1 != end && ++seen == lines)
                return at + (off_t)i + 1;
    }
    return 0;
}

/* ---- lines ---- */

/* False: the reader must stop (paused, limit reached, freed). */
static bool give(struct logread *r, struct str bytes)
{
    int64_t left = r->o.limit_bytes - r->given_bytes;
    if (r->o.limit_bytes >= 0 && (int64_t)bytes.n > left)
        bytes.n = (size_t)left;
    r->given_bytes += (int64_t)bytes.n;
    if (bytes.n && !r->h->data(r->ctx, bytes)) {
        r->paused = true;
        return false;
    }
    return !r->freed;
}

static bool limit_reached(const struct logread *r)
{
    return r->o.limit_bytes >= 0 && r->given_bytes >= r->o.limit_bytes;
}

static void put_line(struct logread *r, struct str line, struct buf *out)
{
    struct logs_line l;
    int64_t us;
    if (logs_parse(line, &l) < 0)
        return; /* half a line after a power cut */
    if (r->o.since_us && time_parse(l.time, &us, NULL) == 0 && us < r->o.since_us)
        return;
    if (r->o.timestamps) {
        buf_append_str(out, l.time);
        buf_putc(out, ' ');
    }
    buf_append_str(out, l.text);
    if (!l.partial)
        buf_putc(out, '\n');
}

static bool take_lines(struct logread *r)
{
    struct buf out CLEANUP_BUF = {0};
    struct str all = buf_str(&r->input);
    ptrdiff_t at;
    buf_init(&out, CHUNK_BYTES * 4 + LINE_BYTES);
    while ((at = str_find_byte(all, '\n')) >= 0) {
        put_line(r, str_make(all.p, (size_t)at), &out);
        all.p += at + 1;
        all.n -= (size_t)at + 1;
    }
    buf_consume(&r->input, buf_len(&r->input) - all.n);
    if (r->input.failed)
        buf_done(&r->input), buf_init(&r->input, LINE_BYTES + CHUNK_BYTES);
    return give(r, buf_str(&out));
}

/* ---- following ---- */

static void reopened(void *ctx, const struct runtime_result *res, const struct runtime_streams *s)
{
    struct logread *r = ctx;
    struct stat old, new;
    r->asking = false;
    if (r->freed) {
        if (res->rc == 0 && s->out >= 0)
            close(s->out);
        dispose(r);
        return;
    }
    if (res->rc == 0 && s->out >= 0) {
        bool other = fstat(r->fd, &old) == 0 && fstat(s->out, &new) == 0 && old.st_ino != new.st_ino;
        if (other && r->next_fd < 0)
            r->next_fd = s->out;
        else
            close(s->out);
    }
}

static void look_again(struct logread *r)
{
    struct runtime *rt = r->node->runtime;
    loop_timer_set(r->node->loop, &r->timer, LOOK_MS);
    if (++r->looks % ROTATED_EVERY || r->asking)
        return;
    r->asking = true;
    rt->ops->log_open(rt->self, r->path, reopened, r);
}

static void at_end(struct logread *r)
{
    if (r->next_fd >= 0) {
        close(r->fd);
        r->fd = r->next_fd;
        r->next_fd = -1;
        r->at = 0;
        loop_timer_set(r->node->loop, &r->timer, 0);
    } else if (r->o.follow && r->h->alive(r->ctx)) {
        look_again(r);
    } else if (r->o.follow && !r->last_round) {
        r->last_round = true; /* what was written between the last read and the exit */
        loop_timer_set(r->node->loop, &r->timer, LOOK_MS);
    } else {
        r->h->end(r->ctx);
    }
}

static void on_timer(void *ctx)
{
    struct logread *r = ctx;
    char *p = buf_reserve(&r->input, CHUNK_BYTES);
    if (r->paused)
        return;
    ssize_t n = p ? pread(r->fd, p, CHUNK_BYTES, r->at) : -1;
    if (n <= 0) {
        at_end(r);
        return;
    }
    buf_commit(&r->input, (size_t)n);
    r->at += n;
    bool more = take_lines(r);
    if (r->freed)
        return;
    if (limit_reached(r))
        r->h->end(r->ctx);
    else if (more)
        loop_timer_set(r->node->loop, &r->timer, 0);
}

void logread_resume(struct logread *r)
{
    if (!r->paused)
        return;
    r->paused = false;
    loop_timer_set(r->node->loop, &r->timer, 0);
}

int logread_new(struct node *n, int fd, const char *path, const struct logread_options *o,
                const struct logread_handlers *h, void *ctx, struct logread **ret_reader)
{
    struct logread *r = mem_zalloc(sizeof *r);
    char *copy = mem_strdup(path);
    if (!r || !copy) {
        mem_free(r);
        mem_free(copy);
        return -E_NOMEM;
    }
    r->node = n;
    r->fd = fd;
    r->next_fd = -1;
    r->path = copy;
    r->o = *o;
    r->h = h;
    r->ctx = ctx;
    buf_init(&r->input, LINE_BYTES + CHUNK_BYTES);
    loop_timer_init(&r->timer, on_timer, r);
    if (o->tail_lines >= 0)
        r->at = tail_start(fd, o->tail_lines);
    loop_timer_set(n->loop, &r->timer, 0);
    *ret_reader = r;
    return 0;
}
