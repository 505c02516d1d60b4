/* Priority and fairness: requests. See flow.h. */
#include "api/flow/flow_int.h"

#include <stdio.h>

#include "api/metrics.h"

enum { LEND_TICKS = 10, RETRY_MS = 1000 };

static const char *const refusal_labels[] = {"flow_schema", "priority_level", "reason", NULL};
static const char *const class_labels[] = {"flow_schema", "priority_level", NULL};
static const char *const level_labels[] = {"priority_level", NULL};

static const struct metric_spec specs[FLOW_METRICS] = {
    [FLOW_REJECTED] = {"apiserver_flowcontrol_rejected_requests_total",
                       "Requests turned away by priority and fairness.", METRIC_COUNTER,
                       refusal_labels, NULL},
    [FLOW_DISPATCHED] = {"apiserver_flowcontrol_dispatched_requests_total",
                         "Requests that priority and fairness let go on.", METRIC_COUNTER,
                         class_labels, NULL},
    [FLOW_IN_QUEUE] = {"apiserver_flowcontrol_current_inqueue_requests", "Requests that wait now.",
                       METRIC_GAUGE, level_labels, NULL},
    [FLOW_EXECUTING] = {"apiserver_flowcontrol_current_executing_requests",
                        "Requests that hold seats now.", METRIC_GAUGE, level_labels, NULL},
    [FLOW_EXECUTING_SEATS] = {"apiserver_flowcontrol_current_executing_seats",
                              "Seats in use now.", METRIC_GAUGE, level_labels, NULL},
    [FLOW_NOMINAL] = {"apiserver_flowcontrol_nominal_limit_seats",
                      "Seats of a level by its shares.", METRIC_GAUGE, level_labels, NULL},
    [FLOW_CURRENT] = {"apiserver_flowcontrol_current_limit_seats",
                      "Seats of a level after lending and borrowing.", METRIC_GAUGE, level_labels,
                      NULL},
    [FLOW_LEAST] = {"apiserver_flowcontrol_lower_limit_seats", "Seats that a level always keeps.",
                    METRIC_GAUGE, level_labels, NULL},
    [FLOW_MOST] = {"apiserver_flowcontrol_upper_limit_seats", "Seats that a level may come to.",
                   METRIC_GAUGE, level_labels, NULL},
};

int64_t flow_now_us(const struct flow *f)
{
    return loop_now_ns(f->api->loop) / 1000;
}

static void on_reload(void *ctx)
{
    struct flow *f = ctx;
    if (flow_load(f) < 0)
        loop_timer_set(f->api->loop, &f->reload, RETRY_MS);
    /* What waited may have got seats. */
    loop_timer_set(f->api->loop, &f->turn, 0);
}

static void on_change(void *ctx, const struct store_event *e)
{
    struct flow *f = ctx;
    (void)e;
    if (!loop_timer_armed(&f->reload))
        loop_timer_set(f->api->loop, &f->reload, 0);
}

/* ---- seats ---- */

static void entry_free(struct flow *f, struct flow_entry *e)
{
    struct flow_tier *l = e->level;
    flow_queues_leave(&l->queues, &e->ticket, flow_now_us(f));
    list_remove(&e->link);
    mem_free(e);
    l->entries--;
    flow_level_unused(l);
}

static void count_dispatched(struct flow *f, const struct flow_entry *e)
{
    struct str values[] = {str_of(e->schema), str_of(e->level->name)};
    metric_add(f->metrics[FLOW_DISPATCHED], values, 1);
}

static void run_ready(struct flow *f)
{
    struct flow_entry *e;
    while ((e = LIST_FIRST(&f->ready, struct flow_entry, link))) {
        struct api_request *r = e->request;
        list_remove(&e->link);
        count_dispatched(f, e);
        request_enter(r);
        e->go_on(r);
        request_leave(r);
    }
}

/* Seats of the turn before are given back, and those who waited for them go on. */
static void on_turn(void *ctx)
{
    struct flow *f = ctx;
    struct flow_entry *e;
    struct flow_tier *l;
    struct flow_ticket *t;
    while ((e = LIST_FIRST(&f->left, struct flow_entry, link)))
        entry_free(f, e);
    LIST_EACH(l, &f->levels, link)
    while ((t = flow_queues_next(&l->queues, flow_now_us(f)))) {
        e = t->owner;
        list_push_back(&f->ready, &e->link);
    }
    run_ready(f);
}

int flow_new(struct api *api)
{
    struct flow *f = mem_zalloc(sizeof *f);
    if (!f)
        return -E_NOMEM;
    f->api = api;
    list_init(&f->levels);
    list_init(&f->left);
    list_init(&f->ready);
    loop_timer_init(&f->reload, on_reload, f);
    loop_timer_init(&f->turn, on_turn, f);
    for (size_t i = 0; i < FLOW_METRICS; i++)
        f->metrics[i] = metrics_add(api_metrics_registry(api), &specs[i]);
    api->flow = f;
    int rc = flow_load(f);
    return rc < 0 ? rc
                  : store_watch_new(api->store, STR("/flowcontrol.apiserver.k8s.io/"),
                                    store_revision(api->store), on_change, f, &f->watch);
}

void flow_free(struct api *api)
{
    struct flow *f = api->flow;
    struct flow_entry *e;
    if (!f)
        return;
    loop_timer_cancel(api->loop, &f->reload);
    loop_timer_cancel(api->loop, &f->turn);
    if (f->watch)
        store_watch_free(f->watch);
    while ((e = LIST_FIRST(&f->left, struct flow_entry, link)))
        entry_free(f, e);
    flow_levels_free(f);
    arena_done(&f->arena);
    mem_free(f);
    api->flow = NULL;
}

/* ---- requests ---- */

/* Long-running, but no watch: what ends at a kubelet, and goes on for as long as it likes. */
static bool is_stream(const struct api_request *r)
{
    return r->resource && (schema_resource_verbs(r->resource) & SCHEMA_CONNECT ||
                           str_is(r->url.subresource, "log"));
}

/* By the objects that a list goes through: a chunk's when it is limited and selects nothing, all of
 * the resource otherwise. */
static unsigned width_of(struct api_request *r)
{
    struct store_snapshot *snap;
    struct str text = url_param(&r->url, "limit");
    uint64_t limit = 0;
    if (!cstr_eq(r->url.verb, "list") || !r->resource)
        return 1;
    struct str from = object_key(&r->arena, r->resource, STR(""), STR(""));
    char *to = from.n ? arena_strndup(&r->arena, from.p, from.n) : NULL;
    if (!to || store_snapshot_take(r->api->store, &snap) < 0)
        return 1;
    to[from.n - 1]++;
    uint64_t count = store_snapshot_count(snap, from, str_of(to));
    store_snapshot_release(snap);
    if (text.n && str_to_u64(text, &limit) == 0 && limit && limit < count &&
        !url_param(&r->url, "labelSelector").n && !url_param(&r->url, "fieldSelector").n)
        count = limit;
    uint64_t seats = (count + FLOW_OBJECTS_A_SEAT - 1) / FLOW_OBJECTS_A_SEAT;
    return seats > FLOW_LIST_SEATS ? FLOW_LIST_SEATS : seats ? (unsigned)seats : 1;
}

static const struct flow_class *classify(const struct flow *f, const struct api_request *r)
{
    for (size_t i = 0; i < f->class_count; i++)
        if (flow_class_matches(&f->classes[i], r))
            return &f->classes[i];
    return NULL;
}

static void answer_refused(struct api_request *r)
{
    r->retry_after = 1;
    reply_bytes(r, 429, "text/plain; charset=utf-8",
                STR("Too many requests, please try again later.\n"));
}

static void count_refused(struct flow *f, const char *schema, const struct flow_tier *l,
                          const char *reason)
{
    struct str values[] = {str_of(schema), str_of(l->name), str_of(reason)};
    metric_add(f->metrics[FLOW_REJECTED], values, 1);
}

bool flow_waits(const struct api_request *r)
{
    return r->flow && r->flow->ticket.waits;
}

void flow_refuse(struct api_request *r, const char *reason)
{
    if (r->flow)
        count_refused(r->api->flow, r->flow->schema, r->flow->level, reason);
    answer_refused(r);
}

static int refused_at_once(struct api_request *r, struct flow_entry *e, const char *reason)
{
    struct flow *f = r->api->flow;
    count_refused(f, e->schema, e->level, reason);
    entry_free(f, e);
    answer_refused(r);
    return -E_BUSY;
}

static struct flow_entry *entry_new(struct api_request *r, const struct flow_class *c)
{
    struct flow_tier *l = c->place;
    struct flow_entry *e = mem_zalloc(sizeof *e);
    r->flow_schema_uid = arena_strdup(&r->arena, c->uid);
    r->flow_level_uid = arena_strdup(&r->arena, l->uid);
    const char *schema = arena_strndup(&r->arena, c->name.p, c->name.n);
    if (!e || r->arena.failed) {
        mem_free(e);
        return NULL;
    }
    list_init(&e->link);
    e->schema = schema;
    e->level = l;
    e->request = r;
    e->ticket.owner = e;
    l->entries++;
    return e;
}

int flow_admit(struct api_request *r, void (*go_on)(struct api_request *r))
{
    struct flow *f = r->api->flow;
    const struct flow_class *c = is_stream(r) ? NULL : classify(f, r);
    if (!c)
        return 1;
    struct flow_tier *l = c->place;
    uint64_t flow = flow_class_flow(c, r);
    struct flow_entry *e = entry_new(r, c);
    if (!e)
        return fail_memory(r);
    e->go_on = go_on;
    unsigned seats = l->queues.shape.exempt ? 1 : width_of(r);
    switch (flow_queues_arrive(&l->queues, &e->ticket, flow, seats, flow_now_us(f))) {
    case FLOW_NO_SEAT:
        return refused_at_once(r, e, "concurrency-limit");
    case FLOW_QUEUE_FULL:
        return refused_at_once(r, e, "queue-full");
    case FLOW_WAITS:
        r->flow = e;
        return 0;
    case FLOW_RUNS:
        break;
    }
    r->flow = e;
    count_dispatched(f, e);
    return 1;
}

/* A watch has begun, or a request ended. */
void flow_end(struct api_request *r)
{
    struct flow_entry *e = r->flow;
    struct flow *f = r->api ? r->api->flow : NULL;
    if (!e || !f)
        return;
    r->flow = NULL;
    e->request = NULL;
    list_remove(&e->link);
    if (e->ticket.waits || e->level->queues.shape.exempt) {
        entry_free(f, e);
        return;
    }
    list_push_back(&f->left, &e->link);
    if (!loop_timer_armed(&f->turn))
        loop_timer_set(f->api->loop, &f->turn, 0);
}

void flow_begun(struct api_request *r)
{
    flow_end(r);
}

void flow_tick(struct api *api)
{
    struct flow *f = api->flow;
    struct flow_tier *l;
    int64_t before = flow_now_us(f) - (int64_t)FLOW_WAIT_MOST_MS * 1000;
    LIST_EACH(l, &f->levels, link) {
        struct flow_ticket *t;
        l->entries++; /* stays while it is looked at */
        while ((t = flow_queues_late(&l->queues, before))) {
            struct api_request *r = ((struct flow_entry *)t->owner)->request;
            request_enter(r);
            flow_refuse(r, "time-out");
            request_leave(r);
        }
        l->entries--;
    }
    if (++f->ticks % LEND_TICKS == 0) {
        flow_lend(f);
        loop_timer_set(api->loop, &f->turn, 0);
    }
}
