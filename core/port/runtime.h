/*
 * What the kubelet (role `node`, no rights) asks of the role `runtime` (root). Every call is
 * asynchronous: `done` runs once, from the loop, with 0 or -E_* and a message. Calls are executed
 * in order for one pod, side by side for different pods. wire/runtime_msg carries them over the
 * link between the two roles; tests use a fake.
 *
 * The runtime remembers pods and containers by reading back its own state directory, so that both
 * roles may restart at any time: after (re)connecting, node calls `state` and goes on from there.
 */
#ifndef PORT_RUNTIME_H
#define PORT_RUNTIME_H

#include <stdbool.h>

#include "base/str.h"
#include "port/net.h"

enum runtime_container_state { RUNTIME_CREATED = 1, RUNTIME_RUNNING, RUNTIME_EXITED };

struct runtime_result {
    int rc;
    const char *message; /* never NULL */
};
typedef void runtime_done_fn(void *ctx, const struct runtime_result *r);

enum { RUNTIME_MAX_ADDRS = 4 };
struct runtime_pod {
    const char *uid, *namespace, *name, *hostname;
    /* cgroup below /kubepods, as upstream lays it out with cgroupfs: "pod<uid>",
     * "burstable/pod<uid>", "besteffort/pod<uid>" */
    const char *cgroup;
    bool host_network, host_pid, host_ipc;
    struct net_addr addrs[RUNTIME_MAX_ADDRS]; /* of eth0; none with host_network */
    size_t addr_count;
    const char *const *sysctls; /* "net.core.somaxconn=128", NULL-terminated, or NULL */
    int64_t memory_limit_bytes, cpu_quota_us, cpu_shares, pids_limit; /* 0: none */
};

struct runtime_container {
    const char *pod_uid;
    const char *id;   /* 64 hex digits, chosen by node */
    const char *name; /* container name within the pod */
    uint32_t attempt;
    const char *image_id; /* "sha256:..." config digest: its layers become the root */
    bool read_only_root;
    /* OCI runtime specification, config.json without root.path: process, mounts (bind sources are
     * resolved by the runtime: "volume:<name>[/sub]" of this pod, "host:<absolute path>",
     * "pod:<hosts|hostname|resolv.conf|shm|termination/<container>>"), linux.resources ... */
    struct str oci_spec_json;
    const char *log_path; /* below the log directory: "<ns>_<pod>_<uid>/<container>/<attempt>.log" */
    bool tty, stdin_open, stdin_once;
};

/* An exec or attach session: descriptors pass to the callee's caller. -1 where there is none. */
struct runtime_streams {
    uint64_t session;
    int in, out, error; /* tty: in and out are the same pty master (dup'ed) */
};
struct runtime_exec {
    const char *container_id;
    const char *const *args; /* NULL-terminated */
    bool tty, in, out, error;
    uint32_t timeout_ms; /* 0: none; then SIGKILL */
};
typedef void runtime_streams_fn(void *ctx, const struct runtime_result *r, const struct runtime_streams *s);

/* Files of a configMap, secret, projected or downwardAPI volume, replaced atomically. */
struct runtime_file {
    const char *path; /* relative, checked: no "..", not absolute */
    struct str content;
    uint32_t mode;
};
enum runtime_volume_kind { RUNTIME_VOLUME_FILES, RUNTIME_VOLUME_EMPTY_DIR, RUNTIME_VOLUME_EMPTY_DIR_MEMORY };
struct runtime_volume {
    const char *pod_uid, *name;
    enum runtime_volume_kind kind;
    int64_t size_limit_bytes;
    int64_t fs_group; /* -1: none */
    const struct runtime_file *files; /* RUNTIME_VOLUME_FILES: also called again to update */
    size_t file_count;
};

struct runtime_pull {
    const char *image; /* as the pod spells it: "registry:5000/repo/name:tag", "nginx", "...@sha256:..." */
    struct str auth_json; /* {"username","password"} / {"auth"} / {"identitytoken"}, or empty */
};
struct runtime_image {
    const char *id;         /* "sha256:<config digest>" */
    const char *repo_digest; /* "registry/repo@sha256:<manifest digest>" or "" (loaded archive) */
    const char *const *names; /* NULL-terminated */
    int64_t size_bytes;
    struct str config_json; /* the image configuration; parsed by node only */
};
typedef void runtime_image_fn(void *ctx, const struct runtime_result *r, const struct runtime_image *image);

struct runtime_usage { /* of one container or pod; -1: unknown */
    int64_t cpu_ns, memory_bytes, working_set_bytes, fs_bytes;
};
typedef void runtime_usage_fn(void *ctx, const struct runtime_result *r, const struct runtime_usage *u);

struct runtime_exit {
    int code;       /* 128 + signal when signalled */
    int signal;     /* 0: exited */
    bool oom;
    int64_t started_ns, finished_ns; /* real time */
};

/* What `state` reports: called once for each pod and container, then done. */
struct runtime_state_fns {
    void (*pod)(void *ctx, const char *uid, const char *namespace, const char *name,
                const struct net_addr *addrs, size_t addr_count, bool alive);
    void (*container)(void *ctx, const char *pod_uid, const char *id, const char *name,
                      uint32_t attempt, const char *image_id, enum runtime_container_state state,
                      const struct runtime_exit *exit);
};

/* Events that come unasked. */
struct runtime_events {
    void (*container_exited)(void *ctx, const char *pod_uid, const char *id, const struct runtime_exit *e);
    void (*pod_died)(void *ctx, const char *pod_uid); /* its shim is gone: all containers ended */
    void (*exec_exited)(void *ctx, uint64_t session, const struct runtime_exit *e);
    void (*connected)(void *ctx); /* the runtime (re)started: call state */
};

struct rules_table;

struct runtime_ops {
    void (*listen)(void *self, const struct runtime_events *events, void *ctx);
    void (*state)(void *self, const struct runtime_state_fns *fns, runtime_done_fn *done, void *ctx);

    void (*pod_create)(void *self, const struct runtime_pod *p, runtime_done_fn *done, void *ctx);
    /* Kills what is left, unmounts, removes network, cgroup, volumes, state. Idempotent. */
    void (*pod_remove)(void *self, const char *uid, runtime_done_fn *done, void *ctx);
    /* "hosts", "hostname", "resolv.conf" of the pod: bind-mounted from the pod's directory. */
    void (*pod_file)(void *self, const char *uid, const char *name, struct str content,
                     runtime_done_fn *done, void *ctx);

    void (*container_create)(void *self, const struct runtime_container *c, runtime_done_fn *done, void *ctx);
    void (*container_start)(void *self, const char *id, runtime_done_fn *done, void *ctx);
    void (*container_kill)(void *self, const char *id, int signal, runtime_done_fn *done, void *ctx);
    void (*container_remove)(void *self, const char *id, runtime_done_fn *done, void *ctx);
    void (*container_update)(void *self, const char *id, struct str linux_resources_json,
                             runtime_done_fn *done, void *ctx);
    void (*exec)(void *self, const struct runtime_exec *e, runtime_streams_fn *done, void *ctx);
    void (*attach)(void *self, const char *container_id, runtime_streams_fn *done, void *ctx);
    void (*resize)(void *self, uint64_t session, uint16_t columns, uint16_t rows);
    void (*session_close)(void *self, uint64_t session); /* kills an exec that still runs */
    /* Connects inside the pod's network namespace to 127.0.0.1 (then ::1): port-forward. */
    void (*dial)(void *self, const char *pod_uid, uint16_t port, runtime_streams_fn *done, void *ctx);
    /* An open log file, read-only, in streams->out. */
    void (*log_open)(void *self, const char *log_path, runtime_streams_fn *done, void *ctx);
    void (*log_rotate)(void *self, const char *container_id, runtime_done_fn *done, void *ctx);
    /* The termination message file of a container (at most 4 KiB; 12 KiB for all) in out. */
    void (*termination_open)(void *self, const char *container_id, runtime_streams_fn *done, void *ctx);

    void (*volume_set)(void *self, const struct runtime_volume *v, runtime_done_fn *done, void *ctx);
    /* hostPath check of type: "", Directory, DirectoryOrCreate, File, FileOrCreate, Socket,
     * CharDevice, BlockDevice. */
    void (*host_path)(void *self, const char *path, const char *type, runtime_done_fn *done, void *ctx);

    void (*image_pull)(void *self, const struct runtime_pull *p, runtime_image_fn *done, void *ctx);
    void (*image_get)(void *self, const char *image, runtime_image_fn *done, void *ctx); /* -E_NOT_FOUND */
    void (*image_list)(void *self, runtime_image_fn *each, runtime_done_fn *done, void *ctx);
    void (*image_remove)(void *self, const char *id, runtime_done_fn *done, void *ctx);
    /* Takes the archive from the descriptor, which becomes the callee's (OCI or docker archive, plain
     * or gzip). */
    void (*image_load)(void *self, int fd, runtime_image_fn *done, void *ctx);

    void (*usage)(void *self, const char *container_id_or_pod_uid, runtime_usage_fn *done, void *ctx);
    /* Replaces all service rules (port/rules.h) in one transaction. */
    void (*rules_apply)(void *self, const struct rules_table *t, runtime_done_fn *done, void *ctx);
    /* Bridge, forwarding, masquerade for this node's pod CIDR; service DNS address on lo. Idempotent. */
    void (*network_setup)(void *self, const struct net_addr *pod_cidr, unsigned prefix_len,
                          const struct net_addr *dns_addr, runtime_done_fn *done, void *ctx);
};

struct runtime {
    const struct runtime_ops *ops;
    void *self;
};

#endif
