/* The in-process transport: client requests straight into the api, as a named user. */
#ifndef API_LOCAL_H
#define API_LOCAL_H

#include "api/api.h"
#include "client/client.h"

/* user is copied; groups: NULL-terminated, kept. Every request of ret_client acts as user. */
int api_local_client(struct api *api, const char *user, const char *const *groups,
                     struct client *ret_client) MUST_CHECK;

/* Acts as service account kube-system/ACCOUNT, which need not be there. */
int api_account_client(struct api *api, const char *account, struct client *ret_client) MUST_CHECK;

#endif
