/*
 * The link between the roles node and runtime as both its ends use it: bodies of fields of any
 * size (past one message they travel in a descriptor), and descriptors that wait until there is
 * room for them.
 */
#ifndef WIRE_RUNTIME_CHANNEL_H
#define WIRE_RUNTIME_CHANNEL_H

#include "base/buf.h"
#include "wire/role_link.h"

enum { RUNTIME_BODY_MAX = 24 * 1024 * 1024 };

struct runtime_channel {
    struct loop *loop;
    struct role_link *link; /* NULL: none */
    struct list waiting;    /* with descriptors, for room */
    struct buf bulk;        /* the body of the message at hand, when it was a bulk one */
    unsigned char *buffer;
    void (*message)(void *ctx, struct imsg_in *m);
    void (*closed)(void *ctx);
    void *ctx;
};

int runtime_channel_init(struct runtime_channel *c, struct loop *loop, void (*message)(void *, struct imsg_in *),
                         void (*closed)(void *), void *ctx) MUST_CHECK;
void runtime_channel_done(struct runtime_channel *c);
/* A new link in place of the old one, whose messages are forgotten. Takes fd on success. */
int runtime_channel_attach(struct runtime_channel *c, int fd) MUST_CHECK;
/* fds are copied when they must wait: the caller closes its own in any case. */
int runtime_channel_send(struct runtime_channel *c, uint16_t type, uint32_t id, const struct buf *body,
                         const int *fds, unsigned fd_count) MUST_CHECK;

#endif
