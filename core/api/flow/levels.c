/* Priority levels: follows the objects, and moves seats between levels. See flow.h. */
#include "api/flow/defaults.h"
#include "api/flow/flow_int.h"

#include <stdlib.h>

#define GROUP "flowcontrol.apiserver.k8s.io"

enum { READ_BYTES = 64 * 1024 * 1024, MANDATORY = 4 };

/* How much of the demand of before is remembered at each period: half of it after five minutes. */
static const double remembered = 0.977;

struct reading {
    struct flow *flow;
    struct arena *arena; /* of what is read */
    struct arena work;   /* of one object */
    struct flow_class *classes;
    struct flow_grade *grades;
    size_t class_count, class_room, grade_count, grade_room;
    int rc;
};

static int add_class(struct reading *rd, struct str name, const struct json *object)
{
    if (rd->class_count == rd->class_room)
        return 0; /* of an object that came by while it was counted */
    int rc = flow_class_read(rd->arena, name, object, &rd->classes[rd->class_count]);
    rd->class_count += rc == 0;
    return rc;
}

static int add_grade(struct reading *rd, struct str name, const struct json *object)
{
    if (rd->grade_count == rd->grade_room)
        return 0;
    int rc = flow_grade_read(rd->arena, name, object, &rd->grades[rd->grade_count]);
    rd->grade_count += rc == 0;
    return rc;
}

static bool read_one(struct reading *rd, struct store_value *v,
                     int (*add)(struct reading *, struct str, const struct json *))
{
    struct str ns, name;
    struct json *object;
    object_key_split(store_value_key(v), false, &ns, &name);
    arena_clear(&rd->work);
    rd->rc = json_parse(&rd->work, store_value_bytes(v), NULL, &object, NULL);
    if (rd->rc == 0)
        rd->rc = add(rd, name, object);
    return rd->rc == 0;
}

static bool read_class(void *ctx, struct store_value *v)
{
    return read_one(ctx, v, add_class);
}

static bool read_grade(void *ctx, struct store_value *v)
{
    return read_one(ctx, v, add_grade);
}

/* The mandatory ones hold even while their objects are not there. */
static int add_mandatory(struct reading *rd)
{
    int rc = 0;
    for (const struct flow_level *l = flow_levels; l->name && rc == 0; l++) {
        size_t i = 0;
        while (i < rd->grade_count && !str_is(rd->grades[i].name, l->name))
            i++;
        if (!l->mandatory || i < rd->grade_count)
            continue;
        struct json *o = json_new(&rd->work, JSON_OBJECT);
        json_set(&rd->work, o, "spec", flow_level_spec(&rd->work, l));
        rc = add_grade(rd, str_of(l->name), o);
    }
    for (const struct flow_schema *s = flow_schemas; s->name && rc == 0; s++) {
        size_t i = 0;
        while (i < rd->class_count && !str_is(rd->classes[i].name, s->name))
            i++;
        if (!s->mandatory || i < rd->class_count)
            continue;
        struct json *o = json_new(&rd->work, JSON_OBJECT);
        json_set(&rd->work, o, "spec", flow_schema_spec(&rd->work, s));
        rc = add_class(rd, str_of(s->name), o);
    }
    return rc;
}

static int read_all(struct reading *rd)
{
    static const char schemas[] = "/" GROUP "/flowschemas/", levels[] =
                                      "/" GROUP "/prioritylevelconfigurations/";
    struct str from = str_of(schemas), to = STR("/" GROUP "/flowschemas0");
    struct str lfrom = str_of(levels), lto = STR("/" GROUP "/prioritylevelconfigurations0");
    struct store_snapshot *snap;
    int rc = store_snapshot_take(rd->flow->api->store, &snap);
    if (rc < 0)
        return rc;
    rd->class_room = store_snapshot_count(snap, from, to) + MANDATORY;
    rd->grade_room = store_snapshot_count(snap, lfrom, lto) + MANDATORY;
    rd->classes = arena_zalloc(rd->arena, rd->class_room * sizeof *rd->classes);
    rd->grades = arena_zalloc(rd->arena, rd->grade_room * sizeof *rd->grades);
    rd->rc = rd->classes && rd->grades ? 0 : -E_NOMEM;
    if (rd->rc == 0)
        store_snapshot_range(snap, from, to, read_class, rd);
    if (rd->rc == 0)
        store_snapshot_range(snap, lfrom, lto, read_grade, rd);
    store_snapshot_release(snap);
    return rd->rc < 0 ? rd->rc : add_mandatory(rd);
}

static struct flow_tier *level_at(struct flow *f, struct str name)
{
    struct flow_tier *l;
    LIST_EACH(l, &f->levels, link)
    if (str_is(name, l->name))
        return l;
    l = mem_zalloc(sizeof *l);
    if (!l || !(l->name = mem_strndup(name.p, name.n))) {
        mem_free(l);
        return NULL;
    }
    flow_queues_init(&l->queues, flow_now_us(f));
    list_push_back(&f->levels, &l->link);
    return l;
}

void flow_level_unused(struct flow_tier *l)
{
    if (l->present || l->entries)
        return;
    list_remove(&l->link);
    flow_queues_done(&l->queues);
    mem_free(l->name);
    mem_free(l);
}

static void set_level(struct flow_tier *l, const struct flow_grade *g)
{
    l->present = true;
    str_copy(l->uid, sizeof l->uid, str_of(g->uid));
    if (l->nominal != g->nominal || l->queues.shape.exempt != g->shape.exempt)
        l->queues.seats = g->nominal;
    l->nominal = g->nominal;
    l->least = g->least;
    l->most = g->most;
    l->queues.shape = g->shape;
    if (l->queues.seats > l->most)
        l->queues.seats = l->most;
    if (l->queues.seats < l->least)
        l->queues.seats = l->least;
}

/* A schema whose level is not there does not count (it is Dangling). */
static void take(struct flow *f, struct reading *rd)
{
    struct flow_tier *l, *next;
    size_t n = 0;
    LIST_EACH(l, &f->levels, link)
    l->present = false;
    for (size_t i = 0; i < rd->grade_count; i++)
        set_level(level_at(f, rd->grades[i].name), &rd->grades[i]);
    for (size_t i = 0; i < rd->class_count; i++) {
        struct flow_class *c = &rd->classes[i];
        LIST_EACH(l, &f->levels, link)
        if (l->present && str_is(c->level, l->name))
            c->place = l;
        if (c->place)
            rd->classes[n++] = *c;
    }
    qsort(rd->classes, n, sizeof *rd->classes, flow_class_order);
    f->classes = rd->classes;
    f->class_count = n;
    LIST_EACH_SAFE(l, next, &f->levels, link)
    flow_level_unused(l);
}

int flow_load(struct flow *f)
{
    struct arena arena;
    struct reading rd = {.flow = f, .arena = &arena};
    arena_init(&arena, READ_BYTES);
    arena_init(&rd.work, READ_BYTES);
    int rc = read_all(&rd);
    arena_done(&rd.work);
    for (size_t i = 0; i < rd.grade_count && rc == 0; i++)
        if (!level_at(f, rd.grades[i].name))
            rc = -E_NOMEM;
    if (rc < 0) {
        arena_done(&arena);
        return rc;
    }
    flow_share_nominal(rd.grades, rd.grade_count, FLOW_SEATS);
    take(f, &rd);
    arena_done(&f->arena);
    f->arena = arena;
    return 0;
}

void flow_levels_free(struct flow *f)
{
    struct flow_tier *l, *next;
    LIST_EACH_SAFE(l, next, &f->levels, link)
    {
        l->present = false;
        flow_level_unused(l);
    }
}

/* ---- borrowing ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

void flow_lend(struct flow *f)
{
    struct flow_tier *l;
    double left = FLOW_SEATS;
    size_t n = 0, i = 0;
    LIST_EACH(l, &f->levels, link)
    n++;
    struct flow_claim *claims = mem_calloc(n + 1, sizeof *claims);
    if (!claims)
        return; /* they stay where they are */
    LIST_EACH(l, &f->levels, link) {
        double most = flow_queues_demand(&l->queues);
        l->smoothed = larger(most, remembered * l->smoothed + (1 - remembered) * most);
        if (l->queues.shape.exempt) {
            left -= l->queues.used;
            continue;
        }
        claims[i++] = (struct flow_claim){
            .target = larger(1, l->smoothed),
            .least = larger(l->least, smaller(l->nominal, most)),
            .most = larger(l->most, l->least),
        };
    }
    flow_share_current(claims, i, larger(left, 0));
    i = 0;
    LIST_EACH(l, &f->levels, link)
    if (!l->queues.shape.exempt)
        l->queues.seats = (unsigned)(claims[i++].ret_seats + 0.5);
    mem_free(claims);
}

void flow_metrics_take(struct api *api)
{
    struct flow *f = api->flow;
    const struct flow_tier *l;
    for (size_t i = FLOW_IN_QUEUE; i < FLOW_METRICS; i++)
        metric_clear(f->metrics[i]);
    LIST_EACH(l, &f->levels, link) {
        struct str name = str_of(l->name);
        metric_set(f->metrics[FLOW_IN_QUEUE], &name, l->queues.waiting);
        metric_set(f->metrics[FLOW_EXECUTING], &name, l->queues.running);
        metric_set(f->metrics[FLOW_EXECUTING_SEATS], &name, l->queues.used);
        metric_set(f->metrics[FLOW_NOMINAL], &name, l->nominal);
        metric_set(f->metrics[FLOW_CURRENT], &name, l->queues.seats);
        metric_set(f->metrics[FLOW_LEAST], &name, l->least);
        metric_set(f->metrics[FLOW_MOST], &name, l->most);
    }
}
