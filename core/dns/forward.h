/*
 * Forwarding of names that are not ours: one fresh socket with a random port and a random id for
 * each question, the answer checked against both and against the question; a bounded cache.
 */
#ifndef DNS_FORWARD_H
#define DNS_FORWARD_H

#include "dns/dns.h"
#include "wire/dns.h"

struct forward;
struct forward_call;

struct forward_options {
    struct loop *loop;
    struct net net;
    struct net_addr self; /* never asked: it would be ourselves */
};

int forward_new(const struct forward_options *o, struct forward **ret_forward) MUST_CHECK;
void forward_free(struct forward *f); /* questions under way are dropped: done is not called */
void forward_set_resolvers(struct forward *f, const struct net_addr *resolvers, size_t count);

/*
 * Asks for what the client's message asks. over_tcp: a truncated answer is asked for again over
 * TCP. done runs once, later or (from the cache) at once, with the answer under the client's id;
 * -E_UNAVAILABLE: no resolver answered; -E_TOO_MANY: too many under way.
 * Returns the call for cancelling, or NULL when done has already run.
 */
struct forward_call *forward_ask(struct forward *f, struct str message, const struct dns_query *q,
                                 bool over_tcp, void (*done)(void *ctx, int rc, struct str answer),
                                 void *ctx);
void forward_cancel(struct forward_call *c);

#endif
