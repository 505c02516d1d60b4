/* The other half of runtime_link.h: takes calls from a link, has a struct runtime execute them, and
 * sends answers and events back. For the role `runtime`. */
#ifndef WIRE_RUNTIME_SERVE_H
#define WIRE_RUNTIME_SERVE_H

#include "loop/loop.h"
#include "port/runtime.h"

struct runtime_serve;

/* Becomes the listener of rt's events. rt ends first: by then it has answered all its calls. */
int runtime_serve_new(struct loop *loop, struct runtime rt, struct runtime_serve **ret_serve) MUST_CHECK;
void runtime_serve_free(struct runtime_serve *s);
/* Takes fd on success. Answers to calls of a former link are dropped. */
int runtime_serve_attach(struct runtime_serve *s, int fd) MUST_CHECK;

#endif
