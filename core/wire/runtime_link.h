/*
 * port/runtime.h over a link to the role `runtime`: the client half, for the role `node`. Calls are
 * answered from the loop; while there is no link, and when it breaks, with -E_UNAVAILABLE. Each new
 * link is followed by the event `connected`.
 */
#ifndef WIRE_RUNTIME_LINK_H
#define WIRE_RUNTIME_LINK_H

#include "loop/loop.h"
#include "port/runtime.h"

struct runtime_link;

int runtime_link_new(struct loop *loop, struct runtime_link **ret_link) MUST_CHECK;
void runtime_link_free(struct runtime_link *l); /* what is open is answered with -E_CLOSED */
/* Takes fd (a non-blocking SOCK_SEQPACKET) on success, in place of a former one. */
int runtime_link_attach(struct runtime_link *l, int fd) MUST_CHECK;
struct runtime runtime_link_runtime(struct runtime_link *l);

#endif
