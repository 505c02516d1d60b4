/*
 * What the runtime makes a container of: OCI's config.json (runtime-spec 1.2) as plain data.
 * core/oci decodes it, drivers/runtime executes it. All text belongs to the decoder's arena; lists
 * of text are NULL-terminated and never NULL themselves.
 */
#ifndef PORT_CONTAINER_H
#define PORT_CONTAINER_H

#include "base/arena.h"

struct container_user {
    const char *name; /* "user[:group]" by name or number, looked up in the container; or "" */
    int64_t uid, gid; /* -1: by name */
    const uint32_t *groups;
    size_t group_count;
    int64_t umask; /* -1: 022 */
};

struct container_rlimit {
    const char *type; /* "RLIMIT_NOFILE" */
    uint64_t soft, hard;
};

struct container_mount {
    const char *destination, *type, *source;
    const char *const *options;
};

struct container_namespace {
    const char *type; /* "pid", "mount", "network", "ipc", "uts", "user", "cgroup", "time" */
    const char *path; /* "": a new one */
};

struct container_id_map {
    uint32_t inside, outside, count;
};

struct container_pair {
    const char *name, *value;
};

struct container_device {
    const char *path;
    char type; /* 'c', 'b', 'p' */
    int64_t major, minor;
    uint32_t mode, uid, gid;
};

/* -1 (or "") where nothing was said. */
struct container_resources {
    int64_t memory_limit, memory_reservation, memory_swap;
    int64_t cpu_shares, cpu_quota, cpu_period;
    const char *cpus, *mems;
    int64_t pids_limit;
    const struct container_pair *unified; /* cgroup v2 files */
    size_t unified_count;
};

struct container_capabilities {
    const char *const *bounding, *const *effective, *const *permitted, *const *inheritable, *const *ambient;
};

struct container_spec {
    /* process */
    const char *const *args, *const *env;
    const char *cwd;
    bool terminal, no_new_privs;
    uint16_t columns, rows;
    struct container_user user;
    struct container_capabilities capabilities;
    const struct container_rlimit *rlimits;
    size_t rlimit_count;
    int64_t oom_score_adj; /* -1001: not said */
    /* root */
    const char *root_path; /* "" in what the kubelet sends */
    bool root_read_only;
    const char *hostname;
    const struct container_mount *mounts;
    size_t mount_count;
    /* linux */
    const struct container_namespace *namespaces;
    size_t namespace_count;
    const struct container_id_map *uid_maps, *gid_maps;
    size_t uid_map_count, gid_map_count;
    const char *const *masked_paths, *const *read_only_paths;
    const struct container_pair *sysctls;
    size_t sysctl_count;
    const struct container_device *devices;
    size_t device_count;
    struct container_resources resources;
    const char *cgroups_path, *root_propagation;
    bool has_seccomp; /* linux.seccomp was there: a profile given in full */
    const struct container_pair *annotations;
    size_t annotation_count;
};

/* Text of an annotation, or "". */
static inline const char *container_annotation(const struct container_spec *s, const char *name)
{
    for (size_t i = 0; i < s->annotation_count; i++)
        if (strcmp(s->annotations[i].name, name) == 0)
            return s->annotations[i].value;
    return "";
}

/* A decoder of config.json, as core/oci has it. Strings with a NUL inside, relative destinations
 * and values of the wrong type are refused. -E_SYNTAX, -E_INVALID with the path of the field. */
typedef int container_decode_fn(struct arena *a, struct str json, struct container_spec *ret_spec, struct err *err);
/* The same for a linux.resources object alone. */
typedef int container_decode_resources_fn(struct arena *a, struct str json,
                                          struct container_resources *ret_resources, struct err *err);

#endif
