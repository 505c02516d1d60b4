/* The downward API: fields of the pod and resources of its containers as text. */
#ifndef NODE_DOWNWARD_H
#define NODE_DOWNWARD_H

#include "node/node_int.h"

/* path "metadata.name", "metadata.labels['x']", "metadata.labels", "status.podIP" ... The text is in
 * the arena. -E_INVALID: not a field that is offered. */
int downward_field(struct step *s, const char *path, struct str *ret_text, struct err *err) MUST_CHECK;
/* A resourceFieldRef; own: used when it names no container, may be NULL. */
int downward_resource(struct step *s, const struct json *ref, const struct json *own,
                      struct str *ret_text, struct err *err) MUST_CHECK;

#endif
