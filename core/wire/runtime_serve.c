/* See runtime_serve.h. */
#include "wire/runtime_serve.h"

#include <unistd.h>

#include "base/log.h"
#include "wire/runtime_channel.h"
#include "wire/runtime_msg.h"

enum { ARENA_BYTES = 32 * 1024 * 1024 };

struct runtime_serve {
    struct loop *loop;
    struct runtime rt;
    struct runtime_channel channel;
    uint64_t generation; /* of the link */
    struct buf body;
    struct arena arena;
    size_t open_calls;
};

/* A call on its way. */
struct call {
    struct runtime_serve *s;
    uint64_t generation;
    uint32_t id;
};

/* ---- answers ---- */

static bool current(const struct call *c)
{
    return c->generation == c->s->generation;
}

static void end_call(struct call *c)
{
    c->s->open_calls--;
    mem_free(c);
}

static struct buf *begin_body(struct runtime_serve *s)
{
    buf_clear(&s->body);
    s->body.failed = false;
    return &s->body;
}

static void send_body(struct runtime_serve *s, uint16_t type, uint32_t id, const int *fds, unsigned n)
{
    int rc = runtime_channel_send(&s->channel, type, id, &s->body, fds, n);
    if (rc < 0 && rc != -E_UNAVAILABLE && rc != -E_CLOSED)
        log_warn("answer to node: %s", err_text(rc));
}

static struct buf *begin_answer(struct call *c, const struct runtime_result *r)
{
    struct buf *b = begin_body(c->s);
    runtime_put_u64(b, RT_RC, (uint64_t)(r->rc < 0 ? -r->rc : r->rc));
    runtime_put_cstr(b, RT_TEXT, r->message);
    return b;
}

static void done(void *ctx, const struct runtime_result *r)
{
    struct call *c = ctx;
    if (current(c)) {
        begin_answer(c, r);
        send_body(c->s, RUNTIME_ANSWER, c->id, NULL, 0);
    }
    end_call(c);
}

static void streams_done(void *ctx, const struct runtime_result *r, const struct runtime_streams *s)
{
    struct call *c = ctx;
    int fds[3];
    unsigned n = 0, which = 0;
    const int all[3] = {s ? s->in : -1, s ? s->out : -1, s ? s->error : -1};
    for (unsigned i = 0; i < 3; i++)
        if (all[i] >= 0) {
            fds[n++] = all[i];
            which |= 1u << i;
        }
    if (current(c)) {
        struct buf *b = begin_answer(c, r);
        runtime_put_u64(b, RT_STREAMS, which);
        runtime_put_u64(b, RT_SESSION, s ? s->session : 0);
        send_body(c->s, RUNTIME_ANSWER, c->id, fds, n);
    } else if (s && s->session)
        c->s->rt.ops->session_close(c->s->rt.self, s->session);
    while (n)
        close(fds[--n]);
    end_call(c);
}

static void image_done(void *ctx, const struct runtime_result *r, const struct runtime_image *i)
{
    struct call *c = ctx;
    if (current(c)) {
        struct buf *b = begin_answer(c, r);
        if (i)
            runtime_put_image(b, i);
        send_body(c->s, RUNTIME_ANSWER, c->id, NULL, 0);
    }
    end_call(c);
}

static void image_each(void *ctx, const struct runtime_result *r, const struct runtime_image *i)
{
    struct call *c = ctx;
    (void)r;
    if (!current(c) || !i)
        return;
    runtime_put_image(begin_body(c->s), i);
    send_body(c->s, RUNTIME_PART_IMAGE, c->id, NULL, 0);
}

static void usage_done(void *ctx, const struct runtime_result *r, const struct runtime_usage *u)
{
    struct call *c = ctx;
    if (current(c)) {
        struct buf *b = begin_answer(c, r);
        if (u)
            runtime_put_usage(b, u);
        send_body(c->s, RUNTIME_ANSWER, c->id, NULL, 0);
    }
    end_call(c);
}

static void state_pod(void *ctx, const char *uid, const char *ns, const char *name, const struct net_addr *addrs,
                      size_t count, bool alive)
{
    struct call *c = ctx;
    struct runtime_pod p = {.uid = uid, .namespace = ns, .name = name, .cgroup = "", .addr_count = count};
    if (!current(c) || count > RUNTIME_MAX_ADDRS)
        return;
    memcpy(p.addrs, addrs, count * sizeof *addrs);
    struct buf *b = begin_body(c->s);
    runtime_put_pod(b, &p);
    runtime_put_u64(b, RT_STATE, alive);
    send_body(c->s, RUNTIME_PART_POD, c->id, NULL, 0);
}

static void state_container(void *ctx, const char *uid, const char *id, const char *name, uint32_t attempt,
                            const char *image, enum runtime_container_state state, const struct runtime_exit *exit)
{
    struct call *c = ctx;
    if (!current(c))
        return;
    struct buf *b = begin_body(c->s);
    runtime_put_cstr(b, RT_UID, uid);
    runtime_put_cstr(b, RT_ID, id);
    runtime_put_cstr(b, RT_NAME, name);
    runtime_put_u64(b, RT_ATTEMPT, attempt);
    runtime_put_cstr(b, RT_IMAGE, image);
    runtime_put_u64(b, RT_STATE, state);
    if (exit)
        runtime_put_exit(b, exit);
    send_body(c->s, RUNTIME_PART_CONTAINER, c->id, NULL, 0);
}

static const struct runtime_state_fns state_fns = {state_pod, state_container};

/* ---- events ---- */

static void on_exited(void *ctx, const char *uid, const char *id, const struct runtime_exit *e)
{
    struct runtime_serve *s = ctx;
    struct buf *b = begin_body(s);
    runtime_put_cstr(b, RT_UID, uid);
    runtime_put_cstr(b, RT_ID, id);
    runtime_put_exit(b, e);
    send_body(s, RUNTIME_EVENT_EXITED, 0, NULL, 0);
}

static void on_died(void *ctx, const char *uid)
{
    struct runtime_serve *s = ctx;
    runtime_put_cstr(begin_body(s), RT_UID, uid);
    send_body(s, RUNTIME_EVENT_DIED, 0, NULL, 0);
}

static void on_exec_exited(void *ctx, uint64_t session, const struct runtime_exit *e)
{
    struct runtime_serve *s = ctx;
    struct buf *b = begin_body(s);
    runtime_put_u64(b, RT_SESSION, session);
    runtime_put_exit(b, e);
    send_body(s, RUNTIME_EVENT_EXEC_EXITED, 0, NULL, 0);
}

static void on_connected(void *ctx)
{
    (void)ctx;
}

static const struct runtime_events events = {on_exited, on_died, on_exec_exited, on_connected};

/* ---- calls ---- */

/* Those that name one thing. false: not one of these. */
static int simple_call(struct runtime_serve *s, struct imsg_in *m, struct call *c)
{
    const struct runtime_ops *o = s->rt.ops;
    void *self = s->rt.self;
    struct arena *a = &s->arena;
    const char *text = "";
    uint8_t tag = m->type == RUNTIME_POD_REMOVE || m->type == RUNTIME_DIAL ? RT_UID
                  : m->type == RUNTIME_LOG_OPEN                            ? RT_LOG_PATH
                  : m->type == RUNTIME_IMAGE_GET                           ? RT_IMAGE
                                                                           : RT_ID;
    int rc = runtime_get_cstr(a, m, tag, &text);
    if (rc < 0)
        return rc;
    switch (m->type) {
    case RUNTIME_POD_REMOVE: o->pod_remove(self, text, done, c); break;
    case RUNTIME_CONTAINER_START: o->container_start(self, text, done, c); break;
    case RUNTIME_CONTAINER_KILL:
        o->container_kill(self, text, (int)runtime_get_u64(m, RT_SIGNAL, 0), done, c);
        break;
    case RUNTIME_CONTAINER_REMOVE: o->container_remove(self, text, done, c); break;
    case RUNTIME_ATTACH: o->attach(self, text, streams_done, c); break;
    case RUNTIME_DIAL: o->dial(self, text, (uint16_t)runtime_get_u64(m, RT_PORT, 0), streams_done, c); break;
    case RUNTIME_LOG_OPEN: o->log_open(self, text, streams_done, c); break;
    case RUNTIME_LOG_ROTATE: o->log_rotate(self, text, done, c); break;
    case RUNTIME_TERMINATION_OPEN: o->termination_open(self, text, streams_done, c); break;
    case RUNTIME_IMAGE_GET: o->image_get(self, text, image_done, c); break;
    case RUNTIME_IMAGE_REMOVE: o->image_remove(self, text, done, c); break;
    case RUNTIME_USAGE: o->usage(self, text, usage_done, c); break;
    default: return -E_UNSUPPORTED;
    }
    return 0;
}

static int pod_file(struct runtime_serve *s, struct imsg_in *m, struct call *c)
{
    const char *uid, *name;
    struct str content = {"", 0};
    int rc = runtime_get_cstr(&s->arena, m, RT_UID, &uid);
    if (rc == 0)
        rc = runtime_get_cstr(&s->arena, m, RT_NAME, &name);
    imsg_get(m, RT_CONTENT, &content);
    if (rc == 0)
        s->rt.ops->pod_file(s->rt.self, uid, name, content, done, c);
    return rc;
}

static int container_update(struct runtime_serve *s, struct imsg_in *m, struct call *c)
{
    const char *id;
    struct str json = {"", 0};
    int rc = runtime_get_cstr(&s->arena, m, RT_ID, &id);
    imsg_get(m, RT_SPEC, &json);
    if (rc == 0)
        s->rt.ops->container_update(s->rt.self, id, json, done, c);
    return rc;
}

static int host_path(struct runtime_serve *s, struct imsg_in *m, struct call *c)
{
    const char *path, *type;
    int rc = runtime_get_cstr(&s->arena, m, RT_PATH, &path);
    if (rc == 0)
        rc = runtime_get_cstr(&s->arena, m, RT_TYPE, &type);
    if (rc == 0)
        s->rt.ops->host_path(s->rt.self, path, type, done, c);
    return rc;
}

static int network_setup(struct runtime_serve *s, struct imsg_in *m, struct call *c)
{
    struct net_addr cidr, dns = {0};
    struct str b;
    int rc = imsg_get(m, RT_ADDR, &b) ? runtime_get_addr(b, &cidr) : -E_SYNTAX;
    bool has_dns = imsg_get(m, RT_DNS, &b);
    if (rc == 0 && has_dns)
        rc = runtime_get_addr(b, &dns);
    unsigned prefix = (unsigned)runtime_get_u64(m, RT_PREFIX, 0);
    if (rc == 0 && (cidr.family == 0 || prefix > (cidr.family == 6 ? 128 : 32)))
        rc = -E_SYNTAX;
    if (rc == 0)
        s->rt.ops->network_setup(s->rt.self, &cidr, prefix, has_dns ? &dns : NULL, done, c);
    return rc;
}

static int struct_call(struct runtime_serve *s, struct imsg_in *m, struct call *c)
{
    const struct runtime_ops *o = s->rt.ops;
    void *self = s->rt.self;
    struct arena *a = &s->arena;
    union {
        struct runtime_pod pod;
        struct runtime_container container;
        struct runtime_exec exec;
        struct runtime_volume volume;
        struct runtime_pull pull;
        struct rules_table rules;
    } v;
    int rc, fd;
    switch (m->type) {
    case RUNTIME_POD_CREATE:
        if ((rc = runtime_get_pod(a, m, &v.pod)) == 0)
            o->pod_create(self, &v.pod, done, c);
        return rc;
    case RUNTIME_CONTAINER_CREATE:
        if ((rc = runtime_get_container(a, m, &v.container)) == 0)
            o->container_create(self, &v.container, done, c);
        return rc;
    case RUNTIME_EXEC:
        if ((rc = runtime_get_exec(a, m, &v.exec)) == 0)
            o->exec(self, &v.exec, streams_done, c);
        return rc;
    case RUNTIME_VOLUME_SET:
        if ((rc = runtime_get_volume(a, m, &v.volume)) == 0)
            o->volume_set(self, &v.volume, done, c);
        return rc;
    case RUNTIME_IMAGE_PULL:
        if ((rc = runtime_get_pull(a, m, &v.pull)) == 0)
            o->image_pull(self, &v.pull, image_done, c);
        return rc;
    case RUNTIME_RULES_APPLY:
        if ((rc = runtime_get_rules(a, m, &v.rules)) == 0)
            o->rules_apply(self, &v.rules, done, c);
        return rc;
    case RUNTIME_IMAGE_LOAD:
        if ((fd = imsg_take_fd(m)) < 0)
            return -E_SYNTAX;
        o->image_load(self, fd, image_done, c);
        return 0;
    case RUNTIME_STATE: o->state(self, &state_fns, done, c); return 0;
    case RUNTIME_IMAGE_LIST: o->image_list(self, image_each, done, c); return 0;
    case RUNTIME_POD_FILE: return pod_file(s, m, c);
    case RUNTIME_CONTAINER_UPDATE: return container_update(s, m, c);
    case RUNTIME_HOST_PATH: return host_path(s, m, c);
    case RUNTIME_NETWORK_SETUP: return network_setup(s, m, c);
    default: return simple_call(s, m, c);
    }
}

static void message(void *ctx, struct imsg_in *m)
{
    struct runtime_serve *s = ctx;
    uint64_t session = runtime_get_u64(m, RT_SESSION, 0);
    if (m->type == RUNTIME_NOTHING)
        return;
    if (m->type == RUNTIME_RESIZE) {
        s->rt.ops->resize(s->rt.self, session, (uint16_t)runtime_get_u64(m, RT_COLUMNS, 0),
                          (uint16_t)runtime_get_u64(m, RT_ROWS, 0));
        return;
    }
    if (m->type == RUNTIME_SESSION_CLOSE) {
        s->rt.ops->session_close(s->rt.self, session);
        return;
    }
    struct call *c = mem_zalloc(sizeof *c);
    if (!c) {
        log_warn("a call of node was dropped: out of memory");
        return;
    }
    *c = (struct call){s, s->generation, m->id};
    s->open_calls++;
    arena_clear(&s->arena);
    int rc = struct_call(s, m, c);
    if (rc < 0) {
        struct runtime_result r = {rc, rc == -E_UNSUPPORTED ? "unknown call" : "malformed call"};
        done(c, &r);
    }
}

static void closed(void *ctx)
{
    ((struct runtime_serve *)ctx)->generation++;
}

/* ---- life ---- */

int runtime_serve_new(struct loop *loop, struct runtime rt, struct runtime_serve **ret_serve)
{
    struct runtime_serve *s = mem_zalloc(sizeof *s);
    int rc = s ? runtime_channel_init(&s->channel, loop, message, closed, s) : -E_NOMEM;
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    s->loop = loop;
    s->rt = rt;
    buf_init(&s->body, RUNTIME_BODY_MAX);
    arena_init(&s->arena, ARENA_BYTES);
    rt.ops->listen(rt.self, &events, s);
    *ret_serve = s;
    return 0;
}

void runtime_serve_free(struct runtime_serve *s)
{
    if (!s)
        return;
    runtime_channel_done(&s->channel);
    buf_done(&s->body);
    arena_done(&s->arena);
    mem_free(s);
}

int runtime_serve_attach(struct runtime_serve *s, int fd)
{
    int rc = runtime_channel_attach(&s->channel, fd);
    if (rc == 0)
        s->generation++;
    return rc;
}
