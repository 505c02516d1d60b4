/* The cluster's names: a pure function from caches and a question to an answer. */
#ifndef DNS_ZONE_H
#define DNS_ZONE_H

#include "client/cache.h"
#include "wire/dns.h"

struct zone {
    const char *domain;
    struct cache *services, *slices, *namespaces;
};

/* Adds the indexes that zone_answer needs. */
int zone_init(struct zone *z) MUST_CHECK;
/* Is the name ours (the domain, or the reverse name of an address that we know)? */
bool zone_owns(const struct zone *z, const struct dns_query *q);
/* The answer lives in the arena. -E_NOMEM. */
int zone_answer(const struct zone *z, struct arena *a, const struct dns_query *q,
                struct dns_answer *ret_answer) MUST_CHECK;

#endif
