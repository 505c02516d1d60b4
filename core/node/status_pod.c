/* The pod's part of its status: phase, conditions, addresses. See status.h. */
#include "codec/time.h"
#include "node/qos.h"
#include "node/status.h"

const char *status_condition_name(enum status_condition c)
{
    static const char *const names[CONDITIONS] = {
        [CONDITION_READY_TO_START] = "PodReadyToStartContainers",
        [CONDITION_INITIALIZED] = "Initialized",
        [CONDITION_READY] = "Ready",
        [CONDITION_CONTAINERS_READY] = "ContainersReady",
        [CONDITION_SCHEDULED] = "PodScheduled",
    };
    return names[c];
}

/* upstream's getPhase */
const char *status_phase(struct step *s)
{
    const struct pod *p = s->pod;
    size_t waiting = 0, running = 0, stopped = 0, succeeded = 0;
    if (p->phase)
        return p->phase;
    if (!p->initialized && p->init_count)
        return "Pending";
    for (size_t i = p->init_count; i < p->main_end; i++) {
        const struct container *c = p->containers[i];
        if (c->state == CONTAINER_EXITED) {
            stopped++;
            succeeded += c->now.exit_code == 0;
        } else if (container_waiting(c) || c->state == CONTAINER_CREATING) {
            if (c->now.exited || c->last.exited)
                stopped++;
            else
                waiting++;
        } else {
            running++;
        }
    }
    if (waiting)
        return "Pending";
    if (running || stopped == 0)
        return running ? "Running" : "Pending";
    if (cstr_eq(json_path_cstr(s->spec, "restartPolicy"), "Never"))
        return succeeded == stopped ? "Succeeded" : "Failed";
    if (cstr_eq(json_path_cstr(s->spec, "restartPolicy"), "OnFailure") && succeeded == stopped)
        return "Succeeded";
    return "Running";
}

/* ---- conditions ---- */

struct verdict {
    bool status;
    const char *reason, *message; /* "" for none */
};

static void put_condition(struct step *s, struct json *list, enum status_condition which, struct verdict v)
{
    struct pod *p = s->pod;
    struct arena *a = s->a;
    char text[TIME_TEXT];
    struct json *c = json_append(a, list, json_new(a, JSON_OBJECT));
    if (p->condition[which] != (int8_t)v.status) {
        p->condition[which] = (int8_t)v.status;
        p->condition_ns[which] = loop_realtime_ns(p->node->loop);
    }
    time_format(p->condition_ns[which] / 1000, text);
    int64_t generation = json_path_i64(s->tree, "metadata.generation", 0);
    json_set_cstr(a, c, "type", status_condition_name(which));
    if (generation > 0)
        json_set_i64(a, c, "observedGeneration", generation);
    json_set_cstr(a, c, "status", v.status ? "True" : "False");
    json_set(a, c, "lastProbeTime", json_new(a, JSON_NULL));
    json_set_cstr(a, c, "lastTransitionTime", text);
    json_set(a, c, "reason", v.reason[0] ? json_new_cstr(a, v.reason) : json_new(a, JSON_NULL));
    json_set(a, c, "message", v.message[0] ? json_new_cstr(a, v.message) : json_new(a, JSON_NULL));
}

static const char *named(struct step *s, const char *what, bool init, size_t *ret_count)
{
    struct pod *p = s->pod;
    const char *list = "";
    size_t count = 0;
    for (size_t i = 0; i < p->main_end; i++) {
        const struct container *c = p->containers[i];
        bool bad = init ? i < p->init_count &&
                              (c->kind == CONTAINER_SIDECAR ? !c->started
                                                            : !(c->state == CONTAINER_EXITED && c->now.exit_code == 0))
                        : c->kind != CONTAINER_INIT && !c->ready;
        if (!bad)
            continue;
        list = arena_printf(s->a, "%s%s%s", list ? list : "", count ? " " : "", c->name);
        count++;
    }
    *ret_count = count;
    return count ? arena_printf(s->a, "containers with %s status: [%s]", what, list ? list : "") : "";
}

static struct verdict initialized(struct step *s)
{
    struct pod *p = s->pod;
    size_t count;
    const char *message = named(s, "incomplete", true, &count);
    if (p->phase && cstr_eq(p->phase, "Succeeded"))
        return (struct verdict){true, "PodCompleted", ""};
    if (p->initialized || p->init_count == 0 || count == 0)
        return (struct verdict){true, "", ""};
    return (struct verdict){false, "ContainersNotInitialized", message};
}

static struct verdict containers_ready(struct step *s, const char *phase)
{
    size_t count;
    const char *message = named(s, "unready", false, &count);
    if (cstr_eq(phase, "Succeeded"))
        return (struct verdict){false, "PodCompleted", ""};
    if (cstr_eq(phase, "Failed"))
        return (struct verdict){false, "PodFailed", ""};
    if (count == 0)
        return (struct verdict){true, "", ""};
    return (struct verdict){false, "ContainersNotReady", message};
}

static bool condition_true(struct step *s, const char *type)
{
    for (struct json *c = json_first(json_path(s->tree, "status.conditions")); c; c = c->next)
        if (cstr_eq(json_path_cstr(c, "type"), type))
            return cstr_eq(json_path_cstr(c, "status"), "True");
    return false;
}

static struct verdict ready(struct step *s, struct verdict containers)
{
    if (!containers.status)
        return containers;
    for (struct json *g = json_first(json_get(s->spec, "readinessGates")); g; g = g->next) {
        const char *type = json_path_cstr(g, "conditionType");
        if (condition_true(s, type))
            continue;
        const char *message = arena_printf(
            s->a, "corresponding condition of pod readiness gate \"%s\" does not exist or is not \"True\".", type);
        return (struct verdict){false, "ReadinessGatesNotReady", message ? message : ""};
    }
    return containers;
}

static void put_conditions(struct step *s, struct json *status, const char *phase)
{
    struct json *list = json_array_at(s->a, status, "conditions");
    const struct verdict yes = {true, "", ""}, no = {false, "", ""};
    struct verdict containers = containers_ready(s, phase);
    put_condition(s, list, CONDITION_READY_TO_START, s->pod->sandbox ? yes : no);
    put_condition(s, list, CONDITION_INITIALIZED, initialized(s));
    put_condition(s, list, CONDITION_READY, ready(s, containers));
    put_condition(s, list, CONDITION_CONTAINERS_READY, containers);
    if (!s->pod->scheduled)
        put_condition(s, list, CONDITION_SCHEDULED, yes); /* bound without the scheduler */
}

/* ---- addresses ---- */

static void put_list(struct step *s, struct json *status, const char *one, const char *all,
                     const struct net_addr *addrs, size_t count)
{
    char text[NET_ADDR_TEXT];
    if (count == 0)
        return;
    json_set_cstr(s->a, status, one, net_addr_format(&addrs[0], false, text));
    struct json *list = json_array_at(s->a, status, all);
    for (size_t i = 0; i < count; i++)
        json_set_cstr(s->a, json_append(s->a, list, json_new(s->a, JSON_OBJECT)), "ip",
                      net_addr_format(&addrs[i], false, text));
}

static void put_text(struct arena *a, struct json *o, const char *key, const char *text)
{
    if (text && text[0])
        json_set_cstr(a, o, key, text);
}

struct json *status_build(struct step *s)
{
    struct pod *p = s->pod;
    const struct node_options *o = &p->node->o;
    struct json *status = json_new(s->a, JSON_OBJECT);
    char text[TIME_TEXT];
    int64_t generation = json_path_i64(s->tree, "metadata.generation", 0);
    const char *phase = status_phase(s);
    if (generation > 0)
        json_set_i64(s->a, status, "observedGeneration", generation);
    json_set_cstr(s->a, status, "phase", phase);
    put_text(s->a, status, "reason", p->reason);
    put_text(s->a, status, "message", p->message);
    time_format(p->seen_ns / 1000, text);
    json_set_cstr(s->a, status, "startTime", text);
    json_set_cstr(s->a, status, "qosClass", qos_name(qos_of(s->spec)));
    if (p->phase && !p->sandbox_once)
        return status; /* it was never begun here */
    put_conditions(s, status, phase);
    put_list(s, status, "hostIP", "hostIPs", o->addrs, o->addr_count);
    if (p->sandbox || p->phase || p->state >= POD_STOPPING) {
        if (p->host_network)
            put_list(s, status, "podIP", "podIPs", o->addrs, o->addr_count);
        else
            put_list(s, status, "podIP", "podIPs", p->addrs, p->addr_count);
    }
    status_put_containers(s, status);
    return status;
}
