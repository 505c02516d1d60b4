/*
 * The state machine of a container.
 *
 *   IDLE -> PULLING -> CREATING -> [POST_START] -> RUNNING -> [PRE_STOP] -> STOPPING
 *    ^ ^        |          |            |             |            |           |
 *    | +- PULL_FAILED  CREATE_FAILED    +------ the process ends --+-----------+
 *    |    (back-off)   (again later)                   |
 *    +------ BACKOFF <----- EXITED <---- REAPING <-----+
 *
 * Each run is an instance with an id and an attempt number of its own; the last one is kept until
 * the next but one is made, for its log. Decisions about what runs when are in containers.c.
 */
#include "base/assert.h"
#include "base/log.h"
#include "node/action.h"
#include "node/events.h"
#include "node/lifecycle.h"
#include "node/node_int.h"
#include "node/probes.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    CRASH_FIRST_MS = 10 * 1000,
    CRASH_LONGEST_MS = 300 * 1000,
    CRASH_FORGET_MS = 600 * 1000,
    KILL_AGAIN_MS = 5 * 1000,
    LEAST_GRACE_MS = 2 * 1000, /* after a preStop hook that took all of it, as upstream */
    EXIT_LOST = 137,
};

static void on_timer(void *ctx);

void container_init(struct container *c, struct pod *p, const char *name, enum container_kind kind)
{
    *c = (struct container){.pod = p, .kind = kind, .name = mem_strdup(name)};
    loop_timer_init(&c->timer, on_timer, c);
    c->waiting_reason = p->init_count && kind == CONTAINER_MAIN ? "PodInitializing" : "ContainerCreating";
    probes_init(c);
}

void container_instance_clear(struct instance *i)
{
    mem_free(i->message);
    *i = (struct instance){0};
}

void container_done(struct container *c)
{
    loop_timer_cancel(c->pod->node->loop, &c->timer);
    probes_stop(c);
    action_cancel(c->hook);
    c->hook = NULL;
    container_instance_clear(&c->now);
    container_instance_clear(&c->last);
    mem_free(c->name);
    mem_free(c->waiting_message);
    mem_free(c->image_id);
    mem_free(c->image_name);
    mem_free(c->repo_digest);
    mem_free(c->image_config);
}

bool container_alive(const struct container *c)
{
    return c->state >= CONTAINER_CREATING && c->state <= CONTAINER_REAPING &&
           c->state != CONTAINER_CREATE_FAILED;
}

bool container_running(const struct container *c)
{
    return c->state == CONTAINER_RUNNING || c->state == CONTAINER_POST_START;
}

bool container_waiting(const struct container *c)
{
    return c->state <= CONTAINER_CREATE_FAILED || c->state == CONTAINER_BACKOFF;
}

void container_wait_reason(struct container *c, const char *reason, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->waiting_reason = reason;
    node_text_set(&c->waiting_message, text[0] ? text : NULL);
    pod_wake(c->pod);
}

void container_wait_for(struct container *c, enum container_state state, int64_t delay_ms)
{
    c->state = state;
    loop_timer_set(c->pod->node->loop, &c->timer, delay_ms);
    pod_wake(c->pod);
}

/* ---- beginning ---- */

void container_begin(struct container *c)
{
    ASSERT(c->state == CONTAINER_IDLE);
    c->never_ran = false;
    c->started = c->ready = c->was_started = c->was_ready = false;
    c->state = CONTAINER_PULLING;
    container_pull(c);
}

void container_now_running(struct container *c)
{
    c->state = CONTAINER_RUNNING;
    probes_start(c);
    pod_wake(c->pod);
}

void container_restart(struct container *c)
{
    struct node *n = c->pod->node;
    int64_t now_ns = loop_realtime_ns(n->loop);
    ASSERT(c->state == CONTAINER_EXITED);
    if (c->now.finished_ns - c->now.started_ns >= CRASH_FORGET_MS * 1000000LL)
        c->crash_delay_ms = 0;
    int64_t delay_ms = c->crash_delay_ms;
    c->crash_delay_ms = delay_ms ? delay_ms * 2 : CRASH_FIRST_MS;
    if (c->crash_delay_ms > CRASH_LONGEST_MS)
        c->crash_delay_ms = CRASH_LONGEST_MS;
    int64_t left_ms = delay_ms - (now_ns - c->now.finished_ns) / 1000000;
    if (left_ms > delay_ms)
        left_ms = delay_ms; /* the clock went back */
    if (left_ms <= 0) {
        c->state = CONTAINER_IDLE;
        pod_wake(c->pod);
        return;
    }
    container_wait_reason(c, "CrashLoopBackOff", "back-off %llds restarting failed container=%s pod=%s_%s(%s)",
                          (long long)delay_ms / 1000, c->name, c->pod->name, c->pod->namespace,
                          c->pod->uid);
    events_pod(c->pod, c, "Warning", "BackOff",
               "Back-off restarting failed container %s in pod %s_%s(%s)", c->name, c->pod->name,
               c->pod->namespace, c->pod->uid);
    container_wait_for(c, CONTAINER_BACKOFF, left_ms);
}

/* ---- stopping ---- */

static void killed(void *ctx, const struct runtime_result *r)
{
    struct pod *p = ctx;
    if (r->rc < 0 && r->rc != -E_NOT_FOUND)
        log_warn("pod %s/%s: signalling a container: %s", p->namespace, p->name, r->message);
    pod_unref(p);
}

static void send_signal(struct container *c, int signal)
{
    struct runtime *rt = c->pod->node->runtime;
    pod_ref(c->pod);
    rt->ops->container_kill(rt->self, c->now.id, signal, killed, c->pod);
}

void container_signal_stop(struct container *c, int64_t grace_ms)
{
    struct node *n = c->pod->node;
    c->state = CONTAINER_STOPPING;
    c->kill_sent = grace_ms <= 0;
    if (grace_ms <= 0) {
        send_signal(c, SIGKILL);
        grace_ms = KILL_AGAIN_MS;
    } else {
        send_signal(c, c->stop_signal ? c->stop_signal : SIGTERM);
    }
    c->kill_at_ms = loop_now_ms(n->loop) + grace_ms;
    loop_timer_set(n->loop, &c->timer, grace_ms);
    pod_wake(c->pod);
}

static void stop_sooner(struct container *c, int64_t grace_ms)
{
    struct node *n = c->pod->node;
    int64_t at = loop_now_ms(n->loop) + grace_ms;
    if (at >= c->kill_at_ms || (c->state == CONTAINER_STOPPING && c->kill_sent))
        return;
    c->kill_at_ms = at;
    loop_timer_set(n->loop, &c->timer, grace_ms);
}

void container_stop(struct container *c, int64_t grace_ms, const char *why)
{
    if (c->state == CONTAINER_PRE_STOP || c->state == CONTAINER_STOPPING) {
        stop_sooner(c, grace_ms);
        return;
    }
    if (!container_running(c))
        return;
    events_pod(c->pod, c, "Normal", "Killing", "%s%sStopping container %s", why ? why : "",
               why ? ", " : "", c->name);
    probes_stopping(c);
    action_cancel(c->hook);
    c->hook = NULL;
    c->kill_at_ms = loop_now_ms(c->pod->node->loop) + grace_ms;
    if (grace_ms > 0 && lifecycle_pre_stop(c)) {
        c->state = CONTAINER_PRE_STOP;
        loop_timer_set(c->pod->node->loop, &c->timer, grace_ms);
        return;
    }
    container_signal_stop(c, grace_ms);
}

static void on_timer(void *ctx)
{
    struct container *c = ctx;
    switch (c->state) {
    case CONTAINER_PULL_FAILED:
        if (container_pull_backoff(c))
            break;
        c->state = CONTAINER_IDLE;
        pod_wake(c->pod);
        break;
    case CONTAINER_CREATE_FAILED:
    case CONTAINER_BACKOFF:
        c->state = CONTAINER_IDLE;
        pod_wake(c->pod);
        break;
    case CONTAINER_PRE_STOP: /* the hook took all of the grace */
        action_cancel(c->hook);
        c->hook = NULL;
        container_signal_stop(c, LEAST_GRACE_MS);
        break;
    case CONTAINER_STOPPING:
        container_signal_stop(c, 0);
        break;
    default:
        break;
    }
}

/* ---- ending ---- */

static void reaped(struct container *c)
{
    c->state = CONTAINER_EXITED;
    if (c->kind == CONTAINER_INIT)
        c->ready = c->now.exit_code == 0;
    pod_wake(c->pod);
}

static const char *reason_of(const struct runtime_exit *e)
{
    if (e->oom)
        return "OOMKilled";
    return e->code == 0 && e->signal == 0 ? "Completed" : "Error";
}

static void record_exit(struct container *c, const struct runtime_exit *e)
{
    struct instance *i = &c->now;
    loop_timer_cancel(c->pod->node->loop, &c->timer);
    probes_stop(c);
    action_cancel(c->hook);
    c->hook = NULL;
    c->ready = c->started = false;
    i->exited = true;
    i->exit_code = e->code;
    i->signal = e->signal;
    i->reason = reason_of(e);
    if (e->started_ns)
        i->started_ns = e->started_ns;
    i->finished_ns = e->finished_ns ? e->finished_ns : loop_realtime_ns(c->pod->node->loop);
}

void container_ended(struct container *c, const struct runtime_exit *e)
{
    if (c->now.exited || c->state == CONTAINER_REAPING)
        return;
    if (c->state == CONTAINER_CREATING) {
        /* It ended before the answer to its start came; that answer goes on with this. */
        record_exit(c, e);
        return;
    }
    record_exit(c, e);
    c->state = CONTAINER_REAPING;
    termination_read(c, reaped);
    pod_wake(c->pod);
}

void container_lost(struct container *c)
{
    const struct runtime_exit lost = {.code = EXIT_LOST, .signal = SIGKILL};
    if (c->state == CONTAINER_REAPING)
        return;
    if (c->now.id[0] && !c->now.exited && c->state != CONTAINER_IDLE) {
        record_exit(c, &lost);
        if (c->state != CONTAINER_CREATING)
            c->state = CONTAINER_EXITED;
    }
    if (c->kind == CONTAINER_INIT && c->state == CONTAINER_EXITED)
        c->state = CONTAINER_IDLE; /* runs again in the new sandbox */
}

/* ---- after a restart of this role, or of the runtime ---- */

void container_settle(struct container *c, bool sandbox)
{
    if (c->state != CONTAINER_IDLE || !c->now.id[0])
        return;
    if (!c->now.exited) {
        c->now.exited = true;
        c->now.exit_code = EXIT_LOST;
        c->now.reason = "ContainerStatusUnknown";
        c->now.finished_ns = loop_realtime_ns(c->pod->node->loop);
        node_text_set(&c->now.message, "The container could not be located when the node came back");
    }
    if (c->kind != CONTAINER_INIT || sandbox)
        c->state = CONTAINER_EXITED;
}

static void take_instance(struct container *c, const char *id, uint32_t attempt)
{
    if (c->now.id[0] && !cstr_eq(c->now.id, id) && c->now.attempt < attempt) {
        container_instance_clear(&c->last);
        c->last = c->now;
        c->now = (struct instance){0};
    }
    str_copy(c->now.id, sizeof c->now.id, str_of(id));
    c->now.attempt = attempt;
}

void container_adopt(struct container *c, const char *id, uint32_t attempt, const char *image_id,
                     enum runtime_container_state state, const struct runtime_exit *e)
{
    if (c->now.id[0] && (attempt < c->now.attempt ||
                         (attempt == c->now.attempt && !cstr_eq(c->now.id, id))))
        return; /* an older instance, kept for its log */
    bool known = cstr_eq(c->now.id, id) && c->state != CONTAINER_IDLE && c->state != CONTAINER_EXITED;
    if (known) {
        if (state == RUNTIME_EXITED && e)
            container_ended(c, e);
        return;
    }
    if (state == RUNTIME_CREATED)
        return; /* never started: another is made, and this one goes with its pod */
    take_instance(c, id, attempt);
    node_text_set(&c->image_id, image_id);
    if (c->kind == CONTAINER_MAIN)
        c->pod->initialized = true;
    if (e && e->started_ns)
        c->now.started_ns = e->started_ns;
    if (state == RUNTIME_EXITED) {
        const struct runtime_exit unknown = {.code = EXIT_LOST, .signal = SIGKILL};
        if (!c->now.exited) /* else the API has told how */
            record_exit(c, e ? e : &unknown);
        c->state = CONTAINER_REAPING;
        termination_read(c, reaped);
        return;
    }
    c->now.exited = false;
    container_now_running(c);
}
