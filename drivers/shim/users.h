/* Users and groups by the container's own /etc/passwd and /etc/group, read within bounds. */
#ifndef DRIVERS_SHIM_USERS_H
#define DRIVERS_SHIM_USERS_H

#include "base/arena.h"

struct users_identity {
    uint32_t uid, gid;
    uint32_t *groups;
    size_t group_count;
    const char *home; /* "/" when unknown */
};

/*
 * Finds who "user[:group]" is; root_fd is the container's root. uid and gid >= 0 win over what the
 * text says. A number needs no entry; a name does (-E_NOT_FOUND). Without an explicit group the
 * groups that list the user are added to `extra`.
 */
int users_find(struct arena *a, int root_fd, const char *text, int64_t uid, int64_t gid,
               const uint32_t *extra, size_t extra_count, struct users_identity *ret_who, struct err *err) MUST_CHECK;

#endif
