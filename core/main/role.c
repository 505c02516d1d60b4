/* See role.h. */
#include "main/role.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel-glue/boot/confine.h"
#include "main/control.h"
#include "main/dns_role.h"
#include "main/front.h"
#include "main/journal.h"
#include "main/keys.h"
#include "main/lease_role.h"
#include "main/node_role.h"
#include "main/pull_role.h"
#include "main/role_env.h"
#include "main/runtime_role.h"
#include "main/setup.h"
#include "main/unpack_role.h"


#define LINK(peer) (1u << ROLE_##peer)
#define SOCKET(which) (1u << ROLE_SOCKET_##which)
enum { UID_FIRST = 2000000000 }; /* far from what images use */
enum { CAP_NET_RAW_BIT = 13 };   /* linux/capability.h */

#define FRONT(role_name, number)                                                                         \
    {                                                                                                    \
        .name = role_name, .uid = UID_FIRST + (number), .on = ROLE_ON_CONTROL,                           \
        .links = LINK(KEYS) | LINK(CONTROL), .sockets = SOCKET(API), .oom_score_adj = -900,              \
        .syscall_filter = true, .run = front_run                                                         \
    }

static const struct role roles[ROLE__COUNT] = {
    [ROLE_INIT] = {.name = "init", .on = ROLE_ON_CONTROL | ROLE_ON_NODE, .oom_score_adj = -1000},
    [ROLE_SETUP] = {.name = "setup", .on = ROLE_ON_APPLIANCE, .main = setup_main},
    [ROLE_JOURNAL] = {.name = "journal", .on = ROLE_ON_APPLIANCE, .sockets = SOCKET(DIR), .dir = "journal",
                      .oom_score_adj = -900, .run = journal_run},
    [ROLE_KEYS] = {.name = "keys", .uid = UID_FIRST + 1, .on = ROLE_ON_CONTROL | ROLE_ON_NODE,
                   .sockets = SOCKET(DIR) | SOCKET(CA), .dir = "keys", .oom_score_adj = -900, .syscall_filter = true,
                   .run = keys_run},
    [ROLE_CONTROL] = {.name = "control", .uid = UID_FIRST + 2, .on = ROLE_ON_CONTROL, .links = LINK(KEYS),
                      .sockets = SOCKET(DIR), .dir = "store", .oom_score_adj = -900,
                      .memory_min_bytes = 64 * 1024 * 1024, .syscall_filter = true, .run = control_run},
    [ROLE_FRONT] = FRONT("front", 3),
    [ROLE_FRONT2] = FRONT("front2", 8),
    [ROLE_FRONT3] = FRONT("front3", 9),
    [ROLE_FRONT4] = FRONT("front4", 10),
    [ROLE_RUNTIME] = {.name = "runtime", .on = ROLE_ON_NODE, .links = LINK(NODE), .oom_score_adj = -999,
                      .run = runtime_role_run},
    [ROLE_NODE] = {.name = "node", .uid = UID_FIRST + 4, .on = ROLE_ON_NODE, .links = LINK(KEYS) | LINK(RUNTIME),
                   .sockets = SOCKET(KUBELET), .oom_score_adj = -999, .syscall_filter = true, .run = node_role_run},
    [ROLE_DNS] = {.name = "dns", .uid = UID_FIRST + 5, .on = ROLE_ON_NODE, .links = LINK(KEYS),
                  .sockets = SOCKET(DNS_UDP) | SOCKET(DNS_TCP), .oom_score_adj = -900, .syscall_filter = true,
                  .run = dns_role_run},
    [ROLE_LEASE] = {.name = "lease", .uid = UID_FIRST + 6, .capabilities = 1u << CAP_NET_RAW_BIT,
                    .on = ROLE_ON_APPLIANCE, .oom_score_adj = -900, .run = lease_role_run},
    [ROLE_PULL] = {.name = "pull", .uid = UID_FIRST + 7, .on = ROLE_ON_NODE, .main = pull_role_main},
    [ROLE_UNPACK] = {.name = "unpack", .on = ROLE_ON_NODE, .main = unpack_role_main},
};

const struct role *role_get(enum role_id id)
{
    return id > ROLE_NONE && id < ROLE__COUNT ? &roles[id] : NULL;
}

enum role_id role_find(const char *name)
{
    for (int i = 1; i < ROLE__COUNT; i++)
        if (strcmp(roles[i].name, name) == 0)
            return (enum role_id)i;
    return ROLE_NONE;
}

enum role_id role_front(unsigned n)
{
    return n == 0 ? ROLE_FRONT : (enum role_id)(ROLE_FRONT2 + n - 1);
}

bool role_is_front(enum role_id id)
{
    return id == ROLE_FRONT || (id >= ROLE_FRONT2 && id <= ROLE_FRONT4);
}

bool role_linked(enum role_id a, enum role_id b)
{
    return (roles[a].links >> b & 1) || (roles[b].links >> a & 1);
}

static int run(enum role_id id)
{
    const struct role *r = &roles[id];
    struct role_env env;
    struct err err = {0};
    struct confine c = {
        .uid = r->uid,
        .capabilities = r->capabilities,
        .files = 65536,
        .keep_root = r->uid == 0,
        .syscall_filter = r->syscall_filter,
        .secret = id == ROLE_KEYS,
        .name = r->name,
    };
    log_init(r->name, 2, LOG_INFO);
    int rc = confine_apply(&c, &err);
    if (rc == 0)
        rc = role_env_open(&env, id, &err);
    if (rc == 0) {
        rc = r->run(&env, &err);
        if (rc < 0)
            role_env_status(&env, "%s", err.text);
        role_env_close(&env);
    }
    if (rc < 0)
        log_err("%s", err.code ? err.text : err_text(rc));
    return rc < 0 ? 1 : 0;
}

int role_main(int argc, char **argv)
{
    static const char prefix[] = "keelson: ";
    if (argc < 1 || strncmp(argv[0], prefix, sizeof prefix - 1) != 0)
        return -1;
    enum role_id id = role_find(argv[0] + sizeof prefix - 1);
    if (id == ROLE_NONE)
        return -1;
    if (roles[id].main)
        return roles[id].main(argc, argv);
    return roles[id].run ? run(id) : -1;
}
