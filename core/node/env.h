/* A container's environment: services, envFrom, env, with $(NAME) expanded. */
#ifndef NODE_ENV_H
#define NODE_ENV_H

#include "node/node_int.h"

struct env_pair {
    struct str name, value;
};

struct env { /* in the step's arena; order of first setting */
    struct env_pair *pairs;
    size_t count, room;
};

/* -E_AGAIN: a source is still being fetched; -E_NOT_FOUND and others with err. */
int env_build(struct step *s, const struct json *container, struct env *ret_env, struct err *err) MUST_CHECK;
void env_set(struct arena *a, struct env *e, struct str name, struct str value);
bool env_get(const struct env *e, struct str name, struct str *ret_value);
/* "$(NAME)" by the environment, "$$" by "$"; what is not set stays as it is. */
struct str env_expand(struct arena *a, const struct env *e, struct str text);
/* Asks for every ConfigMap and Secret that the pod's containers name, so that they are there when
 * the containers are made. */
void env_prefetch(struct step *s);

#endif
