/*
 * A link between two roles: messages (wire/imsg) over a SOCK_SEQPACKET socket in the loop, with a
 * queue: what one turn of the loop sends leaves together, and what the kernel does not take waits.
 * The sender bounds what it queues by watching role_link_queued.
 */
#ifndef WIRE_ROLE_LINK_H
#define WIRE_ROLE_LINK_H

#include "loop/loop.h"
#include "wire/imsg.h"

struct role_link;

struct role_link_handlers {
    /* A message; descriptors that are not taken are closed after. */
    void (*message)(void *ctx, struct imsg_in *m);
    /* The peer is gone, or it broke the protocol. Free the link here or later. */
    void (*closed)(void *ctx, int rc);
    void (*drained)(void *ctx); /* the queue is empty again; may be NULL */
};

/* Takes fd over on success. handlers: kept. */
int role_link_new(struct loop *l, int fd, const struct role_link_handlers *handlers, void *ctx,
                  struct role_link **ret_link) MUST_CHECK;
void role_link_free(struct role_link *k); /* also from within its handlers */
/* Queues, or sends (messages with descriptors are never queued: -E_AGAIN when there is no room). After an error the
 * link is dead and `closed` comes from the loop. */
int role_link_send(struct role_link *k, const struct imsg_out *m) MUST_CHECK;
size_t role_link_queued(const struct role_link *k); /* bytes */

#endif
