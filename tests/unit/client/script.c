/* See script.h. */
#include "script.h"

#include <stdio.h>

#include "base/assert.h"

static int64_t now(void *ctx)
{
    return ((struct script *)ctx)->now_ns;
}

static int set(void *ctx, int fd, unsigned events, void *tag)
{
    (void)ctx;
    (void)fd;
    (void)events;
    (void)tag;
    return 0;
}

static int wait_none(void *ctx, int timeout_ms, struct poll_event *ret, int max)
{
    (void)ctx;
    (void)timeout_ms;
    (void)ret;
    (void)max;
    return 0;
}

static void close_none(void *ctx)
{
    (void)ctx;
}

static int send_call(void *self, const struct client_request *r, const struct client_handlers *h,
                     void *ctx, struct client_call **ret_call)
{
    struct script *s = self;
    ASSERT(s->count < SCRIPT_CALLS);
    struct script_call *c = &s->calls[s->count++];
    c->open = true;
    snprintf(c->method, sizeof c->method, "%s", r->method);
    snprintf(c->path, sizeof c->path, "%s", r->path);
    str_copy(c->body, sizeof c->body, r->body);
    c->handlers = *h;
    c->ctx = ctx;
    *ret_call = (struct client_call *)c;
    return 0;
}

static void cancel(void *self, struct client_call *call)
{
    (void)self;
    ((struct script_call *)call)->open = false;
}

void script_init(struct script *s)
{
    static const struct poll_ops poll = {now, now, set, wait_none, close_none};
    static const struct client_transport_ops ops = {send_call, cancel, close_none};
    *s = (struct script){.now_ns = 1000000000};
    int rc = loop_new((struct poll){&poll, s}, &s->loop);
    ASSERT(rc == 0);
    s->client = (struct client){&ops, s, s->loop};
}

void script_done(struct script *s)
{
    loop_free(s->loop);
}

void script_turn(struct script *s, int64_t ms)
{
    s->now_ns += ms * 1000000;
    for (int i = 0; i < 3; i++) {
        int rc = loop_turn(s->loop, 0);
        ASSERT(rc == 0);
    }
}

struct script_call *script_find(struct script *s, const char *method, const char *path)
{
    for (int i = s->count; i-- > 0;)
        if (s->calls[i].open && cstr_eq(s->calls[i].method, method) &&
            str_starts(str_of(s->calls[i].path), str_of(path)))
            return &s->calls[i];
    return NULL;
}

void script_head(struct script_call *c, int status)
{
    if (c->handlers.head)
        c->handlers.head(c->ctx, status);
}

void script_data(struct script_call *c, const char *bytes)
{
    if (c->handlers.data)
        c->handlers.data(c->ctx, str_of(bytes));
}

void script_end(struct script_call *c, int rc)
{
    c->open = false;
    c->handlers.end(c->ctx, rc, rc ? "broken" : "");
}

void script_answer(struct script_call *c, int status, const char *body)
{
    script_head(c, status);
    script_data(c, body);
    script_end(c, 0);
}
