/* containerStatuses: written from the containers, and read back after a restart. See status.h. */
#include <stdio.h>

#include "codec/time.h"
#include "node/status.h"

static const char *time_text(struct arena *a, int64_t ns)
{
    char text[TIME_TEXT];
    time_format(ns / 1000, text);
    return arena_strdup(a, text);
}

static void put_terminated(struct arena *a, struct json *state, const struct instance *i)
{
    struct json *t = json_object_at(a, state, "terminated");
    json_set_cstr(a, t, "containerID", arena_printf(a, "keelson://%s", i->id));
    json_set_i64(a, t, "exitCode", i->exit_code);
    json_set_cstr(a, t, "finishedAt", time_text(a, i->finished_ns));
    if (i->message && i->message[0])
        json_set_cstr(a, t, "message", i->message);
    json_set_cstr(a, t, "reason", i->reason ? i->reason : "Error");
    if (i->signal)
        json_set_i64(a, t, "signal", i->signal);
    json_set_cstr(a, t, "startedAt", time_text(a, i->started_ns ? i->started_ns : i->finished_ns));
}

static void put_waiting(struct step *s, struct json *state, const struct container *c)
{
    struct json *w = json_object_at(s->a, state, "waiting");
    const char *reason = c->waiting_reason;
    if (c->kind == CONTAINER_MAIN && !s->pod->initialized && s->pod->init_count)
        reason = "PodInitializing";
    json_set_cstr(s->a, w, "reason", reason ? reason : "ContainerCreating");
    if (c->waiting_message && c->state != CONTAINER_PULLING && c->state != CONTAINER_IDLE)
        json_set_cstr(s->a, w, "message", c->waiting_message);
}

/* A list of objects in a map-valued field would merge; state is replaced as a whole, because each
 * container's entry is (containerStatuses is an atomic list). */
static struct json *build_one(struct step *s, const struct container *c)
{
    struct arena *a = s->a;
    struct json *o = json_new(a, JSON_OBJECT), *state, *last;
    const struct json *spec = container_spec(s->spec, c);
    bool waiting = container_waiting(c) || c->state == CONTAINER_CREATING;
    json_set_bool(a, o, "started", c->started);
    json_set_bool(a, o, "ready", c->ready && c->kind != CONTAINER_EPHEMERAL);
    json_set_cstr(a, o, "name", c->name);
    /* Between creating and started nothing is said of the new instance: one patch fewer. */
    const struct instance *shown = waiting && !c->now.exited ? &c->last : &c->now;
    const char *image = c->repo_digest ? c->repo_digest : c->image_id ? c->image_id : "";
    json_set_i64(a, o, "restartCount", shown->id[0] ? shown->attempt : 0);
    json_set_cstr(a, o, "image", json_path_cstr(spec, "image"));
    json_set_cstr(a, o, "imageID", shown->id[0] ? image : "");
    if (shown->id[0])
        json_set_cstr(a, o, "containerID", arena_printf(a, "keelson://%s", shown->id));
    state = json_object_at(a, o, "state");
    last = json_object_at(a, o, "lastState");
    if (waiting) {
        put_waiting(s, state, c);
        if (c->now.exited)
            put_terminated(a, last, &c->now);
        else if (c->last.exited)
            put_terminated(a, last, &c->last);
        return o;
    }
    if (c->state == CONTAINER_EXITED)
        put_terminated(a, state, &c->now);
    else
        json_set_path(a, state, "running.startedAt", json_new_cstr(a, time_text(a, c->now.started_ns)));
    if (c->last.exited)
        put_terminated(a, last, &c->last);
    return o;
}

void status_put_containers(struct step *s, struct json *status)
{
    struct pod *p = s->pod;
    for (size_t i = 0; i < p->container_count; i++) {
        const char *list = i < p->init_count ? "initContainerStatuses"
                           : i < p->main_end ? "containerStatuses"
                                             : "ephemeralContainerStatuses";
        json_append(s->a, json_array_at(s->a, status, list), build_one(s, p->containers[i]));
    }
}

/* ---- reading back ---- */

static int64_t time_ns(const struct json *o, const char *key)
{
    int64_t us;
    return time_parse(json_path_str(o, key), &us, NULL) == 0 ? us * 1000 : 0;
}

static const char *known_reason(const char *reason)
{
    static const char *const reasons[] = {"Completed", "Error", "OOMKilled", "StartError",
                                          "ContainerStatusUnknown"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (cstr_eq(reasons[i], reason))
            return reasons[i];
    return "Error";
}

static void take_id(struct instance *i, const struct json *o)
{
    const char *id = json_path_cstr(o, "containerID");
    if (strlen(id) > CONTAINER_ID_PREFIX)
        str_copy(i->id, sizeof i->id, str_of(id + CONTAINER_ID_PREFIX));
}

static void take_terminated(struct instance *i, const struct json *t)
{
    take_id(i, t);
    i->exited = true;
    i->exit_code = (int)json_path_i64(t, "exitCode", 0);
    i->signal = (int)json_path_i64(t, "signal", 0);
    i->reason = known_reason(json_path_cstr(t, "reason"));
    i->started_ns = time_ns(t, "startedAt");
    i->finished_ns = time_ns(t, "finishedAt");
    const char *message = json_path_cstr(t, "message");
    node_text_set(&i->message, message[0] ? message : NULL);
}

static void recall_one(struct container *c, const struct json *o)
{
    const struct json *t;
    take_id(&c->now, o);
    if (!c->now.id[0])
        return;
    c->now.attempt = (uint32_t)json_path_i64(o, "restartCount", 0);
    c->was_started = json_path_bool(o, "started", false);
    c->was_ready = json_path_bool(o, "ready", false);
    node_text_set(&c->repo_digest, json_path_cstr(o, "imageID"));
    if ((t = json_path(o, "state.terminated"))) {
        take_terminated(&c->now, t);
        c->ready = c->was_ready;
    } else if (json_path(o, "state.waiting") && (t = json_path(o, "lastState.terminated"))) {
        take_terminated(&c->now, t);
    } else {
        c->now.started_ns = time_ns(json_path(o, "state.running"), "startedAt");
        if ((t = json_path(o, "lastState.terminated"))) {
            take_terminated(&c->last, t);
            c->last.attempt = c->now.attempt ? c->now.attempt - 1 : 0;
        }
    }
}

void status_recall_containers(struct pod *p, const struct json *status)
{
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"};
    for (int i = 0; i < 3; i++) {
        for (struct json *o = json_first(json_get(status, lists[i])); o; o = o->next) {
            struct container *c = pod_container(p, json_path_cstr(o, "name"));
            if (c)
                recall_one(c, o);
        }
    }
}
