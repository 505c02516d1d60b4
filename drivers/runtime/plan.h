/*
 * A launch plan: everything a new process of a pod needs, made by the runtime, executed by the
 * pod's shim between clone and exec. It travels as a sealed memory file of fields (u8 tag, u32
 * length little endian, bytes) with the descriptors it counts beside it. The same fields, behind a
 * header, are the messages between the two (shim_msg.h).
 *
 * Compiled into both programs; includes nothing but core/base.
 */
#ifndef DRIVERS_RUNTIME_PLAN_H
#define DRIVERS_RUNTIME_PLAN_H

#include "base/arena.h"
#include "base/buf.h"

/* ---- fields ---- */
void field_put(struct buf *out, uint8_t tag, struct str bytes);
void field_put_cstr(struct buf *out, uint8_t tag, const char *s);
void field_put_u64(struct buf *out, uint8_t tag, uint64_t v);
/* Walks; *at starts at 0. 1: a field, 0: the end, -E_SYNTAX. */
int field_next(struct str fields, size_t *at, uint8_t *ret_tag, struct str *ret_bytes);
bool field_get(struct str fields, uint8_t tag, struct str *ret_bytes);
uint64_t field_get_u64(struct str fields, uint8_t tag, uint64_t otherwise);
uint64_t field_u64(struct str bytes); /* 0 when it is not 8 bytes */

/* ---- the plan ---- */
enum plan_flag {
    PLAN_EXEC = 1,           /* joins a running container: no mounts, no root of its own */
    PLAN_TERMINAL = 2,
    PLAN_NEW_PID = 4,
    PLAN_NEW_CGROUP = 8,
    PLAN_NO_NEW_PRIVS = 16,
    PLAN_ROOT_READ_ONLY = 32,
    PLAN_STDIN = 64,
    PLAN_STDIN_ONCE = 128,
    PLAN_DEVICES = 256,      /* make the standard nodes in /dev */
    PLAN_STDOUT = 512,       /* exec: which streams the caller wants */
    PLAN_STDERR = 1024,
    PLAN_SHARED_ROOT = 2048, /* mounts of the host go on reaching the container */
    PLAN_MAKE_CWD = 4096,
};

enum plan_tag {
    PLAN_FLAGS = 1, PLAN_ARG, PLAN_ENV, PLAN_CWD, PLAN_USER, PLAN_UID, PLAN_GID, PLAN_GROUP, PLAN_UMASK,
    PLAN_BOUNDING, PLAN_EFFECTIVE, PLAN_PERMITTED, PLAN_INHERITABLE, PLAN_AMBIENT,
    PLAN_RLIMIT,     /* three u64: resource, soft, hard */
    PLAN_OOM_ADJUST, /* u64: adjustment + 1000 */
    PLAN_MOUNT,      /* destination; the fields of this mount follow */
    PLAN_MOUNT_FD,   /* attach this descriptor; else a new file system: */
    PLAN_MOUNT_IS_DIR,
    PLAN_MOUNT_TYPE, PLAN_MOUNT_SOURCE, PLAN_MOUNT_OPTION, PLAN_MOUNT_ATTRIBUTES,
    PLAN_MASK, PLAN_READ_ONLY, PLAN_SECCOMP, PLAN_COLUMNS, PLAN_ROWS,
    PLAN_DEVICE, PLAN_DEVICE_NUMBERS, /* path; type, major, minor, mode, uid, gid as u64 */
};

struct plan_mount {
    const char *destination;
    int fd; /* index of a descriptor, or -1 */
    bool is_dir;
    const char *type, *source;
    const char **options; /* NULL-terminated */
    size_t option_count;
    unsigned attributes;
};

struct plan_rlimit {
    uint64_t resource, soft, hard;
};

struct plan_device {
    const char *path;
    uint64_t type, major, minor, mode, uid, gid;
};

struct plan {
    unsigned flags;
    char **args, **env; /* NULL-terminated */
    size_t arg_count, env_count;
    const char *cwd, *user; /* user: "" when uid and gid are given */
    int64_t uid, gid;       /* -1: by name */
    uint32_t *groups;
    size_t group_count;
    unsigned umask;
    uint64_t bounding, effective, permitted, inheritable, ambient;
    struct plan_rlimit *rlimits;
    size_t rlimit_count;
    int oom_adjust; /* -1001: as it is */
    struct plan_mount *mounts;
    size_t mount_count;
    const char **masks, **read_only;
    size_t mask_count, read_only_count;
    struct plan_device *devices;
    size_t device_count;
    struct str seccomp;
    unsigned columns, rows;
};

/* Strings are copied. -E_SYNTAX, -E_NOMEM. */
int plan_read(struct arena *a, struct str fields, struct plan *ret_plan) MUST_CHECK;

#endif
