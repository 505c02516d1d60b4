/*
 * What a container left to be told: its termination message file, or the end of its log when the
 * file is empty and terminationMessagePolicy asks for it (at most 80 lines, 2048 bytes, as
 * upstream). Also where logs are kept.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "node/logs.h"
#include "node/node_int.h"

enum { MESSAGE_BYTES = 4096, TAIL_BYTES = 2048, TAIL_LINES = 80, LOG_READ_BYTES = 16 * 1024 };

struct reading {
    struct container *container;
    char id[CONTAINER_ID_TEXT];
    void (*done)(struct container *c);
    bool log_too;
};

const char *container_log_path(struct arena *a, const struct container *c, uint32_t attempt)
{
    const struct pod *p = c->pod;
    return arena_printf(a, "%s_%s_%s/%s/%u.log", p->namespace, p->name, p->uid, c->name, attempt);
}

static void finish(struct reading *r)
{
    struct container *c = r->container;
    struct pod *p = c->pod;
    if (c->state == CONTAINER_REAPING && cstr_eq(c->now.id, r->id))
        r->done(c);
    mem_free(r);
    pod_unref(p);
}

/* Last bytes of a file, whole UTF-8 or not; only what fits. */
static size_t read_tail(int fd, char *p, size_t size)
{
    off_t end = lseek(fd, 0, SEEK_END);
    off_t at = end > (off_t)size ? end - (off_t)size : 0;
    size_t n = 0;
    while (end > 0 && n < size) {
        ssize_t got = pread(fd, p + n, size - n, at + (off_t)n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

static void log_opened(void *ctx, const struct runtime_result *res, const struct runtime_streams *s)
{
    struct reading *r = ctx;
    struct container *c = r->container;
    if (res->rc == 0 && s->out >= 0) {
        char raw[LOG_READ_BYTES], text[TAIL_BYTES + 1];
        size_t n = read_tail(s->out, raw, sizeof raw);
        close(s->out);
        logs_tail_text(str_make(raw, n), TAIL_LINES, text, sizeof text);
        if (text[0] && cstr_eq(c->now.id, r->id))
            node_text_set(&c->now.message, text);
    }
    finish(r);
}

static void message_opened(void *ctx, const struct runtime_result *res, const struct runtime_streams *s)
{
    struct reading *r = ctx;
    struct container *c = r->container;
    struct runtime *rt = c->pod->node->runtime;
    char text[MESSAGE_BYTES + 1];
    ssize_t n = 0;
    if (res->rc == 0 && s->out >= 0) {
        n = pread(s->out, text, MESSAGE_BYTES, 0);
        close(s->out);
    }
    if (n > 0 && cstr_eq(c->now.id, r->id) && !c->never_ran) {
        text[n] = 0;
        node_text_set(&c->now.message, text);
    }
    if (n <= 0 && r->log_too) {
        struct arena a CLEANUP_ARENA = {0};
        arena_init(&a, LIMIT_REQUEST_ARENA);
        const char *path = container_log_path(&a, c, c->now.attempt);
        if (path) {
            rt->ops->log_open(rt->self, path, log_opened, r);
            return;
        }
    }
    finish(r);
}

void termination_read(struct container *c, void (*done)(struct container *c))
{
    struct runtime *rt = c->pod->node->runtime;
    struct arena a CLEANUP_ARENA = {0};
    struct reading *r = mem_zalloc(sizeof *r);
    if (!r) {
        done(c);
        return;
    }
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct json *tree = pod_tree(c->pod, &a);
    const struct json *spec = container_spec(json_get(tree, "spec"), c);
    r->container = c;
    r->done = done;
    str_copy(r->id, sizeof r->id, str_of(c->now.id));
    r->log_too = c->now.exit_code != 0 && cstr_eq(json_path_cstr(spec, "terminationMessagePolicy"),
                                                  "FallbackToLogsOnError");
    pod_ref(c->pod);
    rt->ops->termination_open(rt->self, c->now.id, message_opened, r);
}
