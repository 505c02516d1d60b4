/* Charges under way. See quota_flight.h. */
#include "api/admission/quota_flight.h"

struct quota_flight { /* of one quota, as long as a charge of it is under way */
    unsigned under_way;
    uint64_t generation;       /* counts how often the chain broke */
    const struct write *owner; /* of latest; NULL: the next charge builds on what is stored */
    struct str latest;         /* in the owner's arena */
};

bool quota_flight_latest(struct api *api, struct str key, struct str *ret_value)
{
    const struct quota_flight *f = map_get(&api->quota_flights, key);
    if (!f || !f->owner)
        return false;
    *ret_value = f->latest;
    return true;
}

static struct quota_flight *flight_of(struct api *api, struct str key)
{
    struct quota_flight *f = map_get(&api->quota_flights, key);
    if (f)
        return f;
    f = mem_zalloc(sizeof *f);
    if (f && map_set(&api->quota_flights, key, f, NULL) == 0)
        return f;
    mem_free(f);
    return NULL; /* no chain then: the next charge finds out by a conflict */
}

void quota_flight_begin(struct write *w)
{
    for (struct quota_charge *c = w->charged; c; c = c->next) {
        struct quota_flight *f = c->value.p ? flight_of(w->api, c->key) : NULL;
        if (!f)
            continue;
        c->flight = f;
        c->generation = f->generation;
        f->under_way++;
        f->owner = w;
        f->latest = c->value;
    }
}

void quota_flight_end(struct write *w, bool stored)
{
    for (struct quota_charge *c = w->charged; c; c = c->next) {
        struct quota_flight *f = c->flight;
        if (!f)
            continue;
        c->flight = NULL;
        if (f->owner == w || (!stored && c->generation == f->generation)) {
            f->generation += !stored;
            f->owner = NULL;
        }
        if (--f->under_way == 0)
            mem_free(map_remove(&w->api->quota_flights, c->key));
    }
    w->charged = NULL;
}

void quota_flights_free(struct api *api)
{
    map_done(&api->quota_flights, mem_free);
}
