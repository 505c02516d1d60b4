/* See runtime_link.h. */
#include "wire/runtime_link.h"

#include <unistd.h>

#include "wire/runtime_channel.h"
#include "wire/runtime_msg.h"

enum { ARENA_BYTES = 32 * 1024 * 1024 };
enum call_kind { CALL_DONE, CALL_STREAMS, CALL_IMAGE, CALL_USAGE };

struct call {
    struct list link;
    uint32_t id;
    enum call_kind kind;
    union {
        runtime_done_fn *plain;
        runtime_streams_fn *streams;
        runtime_image_fn *image;
        runtime_usage_fn *usage;
    } done;
    const struct runtime_state_fns *state; /* of a `state` call */
    runtime_image_fn *each;                /* of an `image_list` call */
    void *ctx;
};

struct runtime_link {
    struct loop *loop;
    struct runtime_channel channel;
    struct list calls, failed; /* failed: never sent, answered at the next turn */
    struct loop_task fail_task, connected_task;
    uint32_t last_id;
    const struct runtime_events *events;
    void *events_ctx;
    struct buf body;
    struct arena arena;
};

/* ---- answers ---- */

static void answer(struct call *c, const struct runtime_result *r, const struct imsg_in *m, struct arena *a);

static void fail_all(struct list *calls, int rc, const char *message)
{
    struct runtime_result r = {rc, message};
    struct list taken;
    struct call *c;
    list_init(&taken); /* callbacks may make new calls */
    while ((c = LIST_FIRST(calls, struct call, link))) {
        list_remove(&c->link);
        list_push_back(&taken, &c->link);
    }
    while ((c = LIST_FIRST(&taken, struct call, link))) {
        list_remove(&c->link);
        answer(c, &r, NULL, NULL);
        mem_free(c);
    }
}

static void take_streams(const struct imsg_in *m, struct runtime_streams *s)
{
    uint64_t which = runtime_get_u64(m, RT_STREAMS, 0);
    struct imsg_in *in = (struct imsg_in *)(uintptr_t)m;
    s->session = runtime_get_u64(m, RT_SESSION, 0);
    s->in = which & 1 ? imsg_take_fd(in) : -1;
    s->out = which & 2 ? imsg_take_fd(in) : -1;
    s->error = which & 4 ? imsg_take_fd(in) : -1;
}

static void answer(struct call *c, const struct runtime_result *r, const struct imsg_in *m, struct arena *a)
{
    struct runtime_streams s = {0, -1, -1, -1};
    struct runtime_usage u;
    struct runtime_image i;
    struct runtime_result bad = {-E_SYNTAX, "malformed answer"};
    bool ok = m && r->rc == 0;
    switch (c->kind) {
    case CALL_DONE:
        c->done.plain(c->ctx, r);
        break;
    case CALL_STREAMS:
        if (ok)
            take_streams(m, &s);
        c->done.streams(c->ctx, r, ok ? &s : NULL);
        break;
    case CALL_IMAGE:
        if (ok && runtime_get_image(a, m, &i) < 0)
            c->done.image(c->ctx, &bad, NULL);
        else
            c->done.image(c->ctx, r, ok ? &i : NULL);
        break;
    case CALL_USAGE:
        if (ok)
            runtime_get_usage(m, &u);
        c->done.usage(c->ctx, r, ok ? &u : NULL);
        break;
    }
}

static struct call *find(struct runtime_link *l, uint32_t id)
{
    struct call *c;
    LIST_EACH(c, &l->calls, link)
        if (c->id == id)
            return c;
    return NULL;
}

static void part_pod(struct runtime_link *l, struct call *c, const struct imsg_in *m)
{
    struct runtime_pod p;
    if (c->state && runtime_get_pod(&l->arena, m, &p) == 0)
        c->state->pod(c->ctx, p.uid, p.namespace, p.name, p.addrs, p.addr_count, runtime_get_u64(m, RT_STATE, 0));
}

static void part_container(struct runtime_link *l, struct call *c, const struct imsg_in *m)
{
    const char *uid, *id, *name, *image;
    struct runtime_exit exit;
    enum runtime_container_state state = (enum runtime_container_state)runtime_get_u64(m, RT_STATE, 0);
    if (!c->state || runtime_get_cstr(&l->arena, m, RT_UID, &uid) < 0 || runtime_get_cstr(&l->arena, m, RT_ID, &id) < 0 ||
        runtime_get_cstr(&l->arena, m, RT_NAME, &name) < 0 || runtime_get_cstr(&l->arena, m, RT_IMAGE, &image) < 0)
        return;
    runtime_get_exit(m, &exit);
    c->state->container(c->ctx, uid, id, name, (uint32_t)runtime_get_u64(m, RT_ATTEMPT, 0), image, state,
                        state == RUNTIME_EXITED ? &exit : NULL);
}

static void part_image(struct runtime_link *l, struct call *c, const struct imsg_in *m)
{
    struct runtime_result ok = {0, ""};
    struct runtime_image i;
    if (c->each && runtime_get_image(&l->arena, m, &i) == 0)
        c->each(c->ctx, &ok, &i);
}

static void event(struct runtime_link *l, const struct imsg_in *m)
{
    const char *uid = "", *id = "";
    struct runtime_exit e;
    runtime_get_exit(m, &e);
    if (!l->events)
        return;
    if (m->type == RUNTIME_EVENT_EXEC_EXITED)
        l->events->exec_exited(l->events_ctx, runtime_get_u64(m, RT_SESSION, 0), &e);
    else if (runtime_get_cstr(&l->arena, m, RT_UID, &uid) == 0 && m->type == RUNTIME_EVENT_DIED)
        l->events->pod_died(l->events_ctx, uid);
    else if (m->type == RUNTIME_EVENT_EXITED && runtime_get_cstr(&l->arena, m, RT_ID, &id) == 0)
        l->events->container_exited(l->events_ctx, uid, id, &e);
}

static void message(void *ctx, struct imsg_in *m)
{
    struct runtime_link *l = ctx;
    struct call *c = m->id ? find(l, m->id) : NULL;
    const char *text = "";
    arena_clear(&l->arena);
    if (m->type >= RUNTIME_EVENT_EXITED) {
        event(l, m);
        return;
    }
    if (!c)
        return;
    if (m->type == RUNTIME_PART_POD)
        part_pod(l, c, m);
    else if (m->type == RUNTIME_PART_CONTAINER)
        part_container(l, c, m);
    else if (m->type == RUNTIME_PART_IMAGE)
        part_image(l, c, m);
    else if (m->type == RUNTIME_ANSWER) {
        int rc = -(int)runtime_get_u64(m, RT_RC, 0);
        if (runtime_get_cstr(&l->arena, m, RT_TEXT, &text) < 0 || !text[0])
            text = rc < 0 ? err_text(rc) : "";
        struct runtime_result r = {rc > 0 ? -rc : rc, text};
        list_remove(&c->link);
        answer(c, &r, m, &l->arena);
        mem_free(c);
    }
}

static void closed(void *ctx)
{
    struct runtime_link *l = ctx;
    fail_all(&l->calls, -E_UNAVAILABLE, "the runtime went away");
}

static void run_failed(void *ctx)
{
    fail_all(&((struct runtime_link *)ctx)->failed, -E_UNAVAILABLE, "the runtime is not there");
}

/* ---- calls ---- */

static struct call *begin(struct runtime_link *l, enum call_kind kind, void *ctx)
{
    struct call *c = mem_zalloc(sizeof *c);
    buf_clear(&l->body);
    l->body.failed = false;
    if (c) {
        c->id = ++l->last_id ? l->last_id : ++l->last_id;
        c->kind = kind;
        c->ctx = ctx;
        list_init(&c->link);
    }
    return c;
}

static void send_call(struct runtime_link *l, struct call *c, uint16_t type, int fd)
{
    int rc = runtime_channel_send(&l->channel, type, c->id, &l->body, &fd, fd >= 0);
    list_push_back(rc < 0 ? &l->failed : &l->calls, &c->link);
    if (rc < 0)
        loop_defer(l->loop, &l->fail_task);
}

/* The plain form: a body that is in l->body. */
static void call_done(struct runtime_link *l, struct call *c, uint16_t type, runtime_done_fn *done, void *ctx)
{
    struct runtime_result r = {-E_NOMEM, "out of memory"};
    if (!c) {
        done(ctx, &r);
        return;
    }
    c->done.plain = done;
    send_call(l, c, type, -1);
}

static void call_streams(struct runtime_link *l, struct call *c, uint16_t type, runtime_streams_fn *done, void *ctx)
{
    struct runtime_result r = {-E_NOMEM, "out of memory"};
    if (!c) {
        done(ctx, &r, NULL);
        return;
    }
    c->done.streams = done;
    send_call(l, c, type, -1);
}

static void call_image(struct runtime_link *l, struct call *c, uint16_t type, int fd, runtime_image_fn *done, void *ctx)
{
    struct runtime_result r = {-E_NOMEM, "out of memory"};
    if (!c) {
        done(ctx, &r, NULL);
        return;
    }
    c->done.image = done;
    send_call(l, c, type, fd);
}

static void call_id(struct runtime_link *l, uint16_t type, uint8_t tag, const char *id, runtime_done_fn *done, void *ctx)
{
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_cstr(&l->body, tag, id);
    call_done(l, c, type, done, ctx);
}

static void call_id_streams(struct runtime_link *l, uint16_t type, uint8_t tag, const char *id,
                            runtime_streams_fn *done, void *ctx)
{
    struct call *c = begin(l, CALL_STREAMS, ctx);
    runtime_put_cstr(&l->body, tag, id);
    call_streams(l, c, type, done, ctx);
}

static void op_listen(void *self, const struct runtime_events *events, void *ctx)
{
    struct runtime_link *l = self;
    l->events = events;
    l->events_ctx = ctx;
    if (l->channel.link)
        loop_defer(l->loop, &l->connected_task);
}

static void op_state(void *self, const struct runtime_state_fns *fns, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    if (c)
        c->state = fns;
    call_done(l, c, RUNTIME_STATE, done, ctx);
}

static void op_pod_create(void *self, const struct runtime_pod *p, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_pod(&l->body, p);
    call_done(l, c, RUNTIME_POD_CREATE, done, ctx);
}

static void op_pod_remove(void *self, const char *uid, runtime_done_fn *done, void *ctx)
{
    call_id(self, RUNTIME_POD_REMOVE, RT_UID, uid, done, ctx);
}

static void op_pod_file(void *self, const char *uid, const char *name, struct str content, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_cstr(&l->body, RT_UID, uid);
    runtime_put_cstr(&l->body, RT_NAME, name);
    runtime_put(&l->body, RT_CONTENT, content);
    call_done(l, c, RUNTIME_POD_FILE, done, ctx);
}

static void op_container_create(void *self, const struct runtime_container *rc, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_container(&l->body, rc);
    call_done(l, c, RUNTIME_CONTAINER_CREATE, done, ctx);
}

static void op_container_start(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    call_id(self, RUNTIME_CONTAINER_START, RT_ID, id, done, ctx);
}

static void op_container_kill(void *self, const char *id, int signal, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_cstr(&l->body, RT_ID, id);
    runtime_put_u64(&l->body, RT_SIGNAL, (uint64_t)signal);
    call_done(l, c, RUNTIME_CONTAINER_KILL, done, ctx);
}

static void op_container_remove(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    call_id(self, RUNTIME_CONTAINER_REMOVE, RT_ID, id, done, ctx);
}

static void op_container_update(void *self, const char *id, struct str json, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_cstr(&l->body, RT_ID, id);
    runtime_put(&l->body, RT_SPEC, json);
    call_done(l, c, RUNTIME_CONTAINER_UPDATE, done, ctx);
}

static void op_exec(void *self, const struct runtime_exec *x, runtime_streams_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_STREAMS, ctx);
    runtime_put_exec(&l->body, x);
    call_streams(l, c, RUNTIME_EXEC, done, ctx);
}

static void op_attach(void *self, const char *id, runtime_streams_fn *done, void *ctx)
{
    call_id_streams(self, RUNTIME_ATTACH, RT_ID, id, done, ctx);
}

/* Calls without an answer; without a link there is no session either. */
static void send_word(struct runtime_link *l, uint16_t type)
{
    int rc = runtime_channel_send(&l->channel, type, 0, &l->body, NULL, 0);
    (void)rc;
}

static void op_resize(void *self, uint64_t session, uint16_t columns, uint16_t rows)
{
    struct runtime_link *l = self;
    buf_clear(&l->body);
    runtime_put_u64(&l->body, RT_SESSION, session);
    runtime_put_u64(&l->body, RT_COLUMNS, columns);
    runtime_put_u64(&l->body, RT_ROWS, rows);
    send_word(l, RUNTIME_RESIZE);
}

static void op_session_close(void *self, uint64_t session)
{
    struct runtime_link *l = self;
    buf_clear(&l->body);
    runtime_put_u64(&l->body, RT_SESSION, session);
    send_word(l, RUNTIME_SESSION_CLOSE);
}

static void op_dial(void *self, const char *uid, uint16_t port, runtime_streams_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_STREAMS, ctx);
    runtime_put_cstr(&l->body, RT_UID, uid);
    runtime_put_u64(&l->body, RT_PORT, port);
    call_streams(l, c, RUNTIME_DIAL, done, ctx);
}

static void op_log_open(void *self, const char *path, runtime_streams_fn *done, void *ctx)
{
    call_id_streams(self, RUNTIME_LOG_OPEN, RT_LOG_PATH, path, done, ctx);
}

static void op_log_rotate(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    call_id(self, RUNTIME_LOG_ROTATE, RT_ID, id, done, ctx);
}

static void op_termination_open(void *self, const char *id, runtime_streams_fn *done, void *ctx)
{
    call_id_streams(self, RUNTIME_TERMINATION_OPEN, RT_ID, id, done, ctx);
}

static void op_volume_set(void *self, const struct runtime_volume *v, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_volume(&l->body, v);
    call_done(l, c, RUNTIME_VOLUME_SET, done, ctx);
}

static void op_host_path(void *self, const char *path, const char *type, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_cstr(&l->body, RT_PATH, path);
    runtime_put_cstr(&l->body, RT_TYPE, type ? type : "");
    call_done(l, c, RUNTIME_HOST_PATH, done, ctx);
}

static void op_image_pull(void *self, const struct runtime_pull *p, runtime_image_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_IMAGE, ctx);
    runtime_put_pull(&l->body, p);
    call_image(l, c, RUNTIME_IMAGE_PULL, -1, done, ctx);
}

static void op_image_get(void *self, const char *image, runtime_image_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_IMAGE, ctx);
    runtime_put_cstr(&l->body, RT_IMAGE, image);
    call_image(l, c, RUNTIME_IMAGE_GET, -1, done, ctx);
}

static void op_image_list(void *self, runtime_image_fn *each, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    if (c)
        c->each = each;
    call_done(l, c, RUNTIME_IMAGE_LIST, done, ctx);
}

static void op_image_remove(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    call_id(self, RUNTIME_IMAGE_REMOVE, RT_ID, id, done, ctx);
}

static void op_image_load(void *self, int fd, runtime_image_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    call_image(l, begin(l, CALL_IMAGE, ctx), RUNTIME_IMAGE_LOAD, fd, done, ctx);
    close(fd);
}

static void op_usage(void *self, const char *id, runtime_usage_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct runtime_result r = {-E_NOMEM, "out of memory"};
    struct call *c = begin(l, CALL_USAGE, ctx);
    runtime_put_cstr(&l->body, RT_ID, id);
    if (!c) {
        done(ctx, &r, NULL);
        return;
    }
    c->done.usage = done;
    send_call(l, c, RUNTIME_USAGE, -1);
}

static void op_rules_apply(void *self, const struct rules_table *t, runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_rules(&l->body, t);
    call_done(l, c, RUNTIME_RULES_APPLY, done, ctx);
}

static void op_network_setup(void *self, const struct net_addr *cidr, unsigned prefix_len, const struct net_addr *dns,
                             runtime_done_fn *done, void *ctx)
{
    struct runtime_link *l = self;
    struct call *c = begin(l, CALL_DONE, ctx);
    runtime_put_addr(&l->body, RT_ADDR, cidr);
    runtime_put_u64(&l->body, RT_PREFIX, prefix_len);
    if (dns)
        runtime_put_addr(&l->body, RT_DNS, dns);
    call_done(l, c, RUNTIME_NETWORK_SETUP, done, ctx);
}

static const struct runtime_ops ops = {
    .listen = op_listen, .state = op_state, .pod_create = op_pod_create, .pod_remove = op_pod_remove,
    .pod_file = op_pod_file, .container_create = op_container_create, .container_start = op_container_start,
    .container_kill = op_container_kill, .container_remove = op_container_remove,
    .container_update = op_container_update, .exec = op_exec, .attach = op_attach, .resize = op_resize,
    .session_close = op_session_close, .dial = op_dial, .log_open = op_log_open, .log_rotate = op_log_rotate,
    .termination_open = op_termination_open, .volume_set = op_volume_set, .host_path = op_host_path,
    .image_pull = op_image_pull, .image_get = op_image_get, .image_list = op_image_list,
    .image_remove = op_image_remove, .image_load = op_image_load, .usage = op_usage,
    .rules_apply = op_rules_apply, .network_setup = op_network_setup,
};

/* ---- life ---- */

static void tell_connected(void *ctx)
{
    struct runtime_link *l = ctx;
    if (l->events && l->channel.link)
        l->events->connected(l->events_ctx);
}

int runtime_link_new(struct loop *loop, struct runtime_link **ret_link)
{
    struct runtime_link *l = mem_zalloc(sizeof *l);
    int rc = l ? runtime_channel_init(&l->channel, loop, message, closed, l) : -E_NOMEM;
    if (rc < 0) {
        mem_free(l);
        return rc;
    }
    l->loop = loop;
    list_init(&l->calls);
    list_init(&l->failed);
    loop_task_init(&l->fail_task, run_failed, l);
    loop_task_init(&l->connected_task, tell_connected, l);
    buf_init(&l->body, RUNTIME_BODY_MAX);
    arena_init(&l->arena, ARENA_BYTES);
    *ret_link = l;
    return 0;
}

void runtime_link_free(struct runtime_link *l)
{
    if (!l)
        return;
    l->events = NULL;
    runtime_channel_done(&l->channel);
    fail_all(&l->calls, -E_CLOSED, "closed");
    fail_all(&l->failed, -E_CLOSED, "closed");
    loop_task_cancel(&l->fail_task);
    loop_task_cancel(&l->connected_task);
    buf_done(&l->body);
    arena_done(&l->arena);
    mem_free(l);
}

int runtime_link_attach(struct runtime_link *l, int fd)
{
    int rc = runtime_channel_attach(&l->channel, fd);
    if (rc < 0)
        return rc;
    closed(l); /* what was asked over the old one */
    loop_defer(l->loop, &l->connected_task);
    return 0;
}

struct runtime runtime_link_runtime(struct runtime_link *l)
{
    return (struct runtime){&ops, l};
}
