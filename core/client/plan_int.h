/* What plan.c (collecting writes) and controller.c (performing them) share. */
#ifndef CLIENT_PLAN_INT_H
#define CLIENT_PLAN_INT_H

#include "base/map.h"
#include "client/controller.h"

struct sent;

struct plan_write { /* in the reconcile's arena */
    struct plan_write *next;
    const char *method, *path, *content_type;
    struct str body;
    const struct cache *seen;
    unsigned tolerate;
    bool after_barrier;
    const char *uid, *namespace, *name; /* delete: what must vanish */
    struct sent *sent;                  /* while under way */
};

struct plan {
    struct arena *arena;
    struct plan_write *first, *last;
    struct plan_write *first_event, *last_event; /* performed behind all writes */
    bool failed, barrier;
    int64_t requeue_ms;
    int64_t now_ns;
    unsigned events;
    const char *failed_method, *failure; /* of the key's last plan, or NULL */
};

/* Appends the events behind a barrier. Once, after the reconcile. */
void plan_close(struct plan *p);
void plan_init(struct plan *p, struct arena *a, int64_t now_ns);

#endif
