/*
 * From an image to a running process: environment and OCI spec, container_create, container_start.
 * A missing ConfigMap or Secret is CreateContainerConfigError, tried again; a start that fails is a
 * run that ended with 128 and StartError, as upstream with containerd.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "node/events.h"
#include "node/lifecycle.h"
#include "node/node_int.h"
#include "node/spec.h"

enum { AGAIN_MS = 10 * 1000, SOURCES_WAIT_MS = 100, START_ERROR = 128, SPEC_BYTES = 1024 * 1024 };

struct making { /* of one instance */
    struct container *container;
    char id[CONTAINER_ID_TEXT];
    uint32_t attempt;
};

static void making_free(struct making *m)
{
    struct pod *p = m->container->pod;
    mem_free(m);
    pod_unref(p);
}

static void ignore(void *ctx, const struct runtime_result *r)
{
    (void)ctx;
    if (r->rc < 0 && r->rc != -E_NOT_FOUND)
        log_warn("removing a container: %s", r->message);
}

static void fail(struct container *c, const char *reason, const char *text)
{
    events_pod(c->pod, c, "Warning", "Failed", "Error: %s", text);
    container_wait_reason(c, reason, "%s", text);
    container_wait_for(c, CONTAINER_CREATE_FAILED, AGAIN_MS);
}

static void started(void *ctx, const struct runtime_result *r)
{
    struct making *m = ctx;
    struct container *c = m->container;
    if (c->state != CONTAINER_CREATING || !cstr_eq(c->now.id, m->id)) {
        making_free(m);
        return;
    }
    int64_t now = loop_realtime_ns(c->pod->node->loop);
    if (r->rc < 0) {
        events_pod(c->pod, c, "Warning", "Failed", "Error: %s", r->message);
        const struct runtime_exit e = {.code = START_ERROR, .started_ns = now, .finished_ns = now};
        c->state = CONTAINER_RUNNING;
        container_ended(c, &e);
        c->now.reason = "StartError";
        c->never_ran = true;
        node_text_set(&c->now.message, r->message);
        making_free(m);
        return;
    }
    if (!c->now.started_ns)
        c->now.started_ns = now;
    events_pod(c->pod, c, "Normal", "Started", "Started container %s", c->name);
    if (c->now.exited) { /* it was quicker than the answer */
        struct runtime_exit e = {.code = c->now.exit_code, .signal = c->now.signal,
                                 .oom = cstr_eq(c->now.reason, "OOMKilled"),
                                 .finished_ns = c->now.finished_ns};
        c->now.exited = false;
        c->state = CONTAINER_RUNNING;
        container_ended(c, &e);
    } else if (lifecycle_post_start(c)) {
        c->state = CONTAINER_POST_START;
        pod_wake(c->pod);
    } else {
        container_now_running(c);
    }
    making_free(m);
}

/* The instance before the last goes; its log goes with it. */
static void install(struct container *c, const struct making *m)
{
    struct runtime *rt = c->pod->node->runtime;
    if (c->now.id[0]) {
        if (c->last.id[0])
            rt->ops->container_remove(rt->self, c->last.id, ignore, NULL);
        container_instance_clear(&c->last);
        c->last = c->now;
    }
    c->now = (struct instance){.attempt = m->attempt};
    str_copy(c->now.id, sizeof c->now.id, str_of(m->id));
}

static void created(void *ctx, const struct runtime_result *r)
{
    struct making *m = ctx;
    struct container *c = m->container;
    struct runtime *rt = c->pod->node->runtime;
    if (c->state != CONTAINER_CREATING || c->pod->state != POD_RUNNING) {
        if (r->rc == 0)
            rt->ops->container_remove(rt->self, m->id, ignore, NULL);
        if (c->state == CONTAINER_CREATING)
            c->state = CONTAINER_IDLE;
        pod_wake(c->pod);
        making_free(m);
        return;
    }
    if (r->rc < 0) {
        fail(c, "CreateContainerError", r->message);
        making_free(m);
        return;
    }
    install(c, m);
    events_pod(c->pod, c, "Normal", "Created", "Created container: %s", c->name);
    rt->ops->container_start(rt->self, m->id, started, m);
}

static int describe(struct making *m, struct arena *a, struct runtime_container *ret_rc, struct err *err)
{
    struct container *c = m->container;
    struct step s = {.pod = c->pod, .a = a, .tree = pod_tree(c->pod, a)};
    struct json *image = NULL;
    s.spec = json_get(s.tree, "spec");
    if (!s.tree || !c->image_config)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = json_parse(a, str_of(c->image_config), NULL, &image, err);
    if (rc < 0)
        return err_wrap(err, rc, "image configuration");
    const struct json *spec = container_spec(s.spec, c);
    struct str text = {NULL, 0};
    rc = spec_build(&s, c, image, &text, err);
    if (rc < 0)
        return rc;
    c->stop_signal = spec_stop_signal(image, spec);
    *ret_rc = (struct runtime_container){
        .pod_uid = c->pod->uid,
        .id = m->id,
        .name = c->name,
        .attempt = m->attempt,
        .image_id = c->image_id,
        .read_only_root = json_path_bool(spec, "securityContext.readOnlyRootFilesystem", false),
        .oci_spec_json = text,
        .log_path = container_log_path(a, c, m->attempt),
        .tty = json_path_bool(spec, "tty", false),
        .stdin_open = json_path_bool(spec, "stdin", false),
        .stdin_once = json_path_bool(spec, "stdinOnce", false),
    };
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

void container_create(struct container *c)
{
    struct runtime *rt = c->pod->node->runtime;
    struct arena a CLEANUP_ARENA = {0};
    struct runtime_container container;
    struct err err = {0};
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    struct making *m = mem_zalloc(sizeof *m);
    if (!m) {
        fail(c, "CreateContainerError", "out of memory");
        return;
    }
    m->container = c;
    m->attempt = c->now.id[0] ? c->now.attempt + 1 : 0;
    node_id_new(m->id);
    int rc = describe(m, &a, &container, &err);
    if (rc < 0) {
        mem_free(m);
        if (rc == -E_AGAIN)
            container_wait_for(c, CONTAINER_CREATE_FAILED, SOURCES_WAIT_MS);
        else
            fail(c, "CreateContainerConfigError", err.text);
        return;
    }
    mem_free(c->image_config);
    c->image_config = NULL;
    c->state = CONTAINER_CREATING;
    pod_ref(c->pod);
    rt->ops->container_create(rt->self, &container, created, m);
    pod_wake(c->pod);
}
