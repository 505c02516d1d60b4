/* Between the link to front and the API: requests in, answers out. Survives restarts of front. */
#ifndef MAIN_CONTROL_FRONT_H
#define MAIN_CONTROL_FRONT_H

#include "api/api.h"
#include "main/role_env.h"

struct control_front;

/* `broken` is told once when the role is to end: the link failed although front lives. */
int control_front_new(struct role_env *env, enum role_id front, struct api *api,
                      void (*broken)(void *ctx, int code, const char *message), void *ctx,
                      struct control_front **ret_front) MUST_CHECK;
void control_front_free(struct control_front *f);

#endif
