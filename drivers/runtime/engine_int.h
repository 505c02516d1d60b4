/* The engine's parts. See engine.h. */
#ifndef DRIVERS_RUNTIME_ENGINE_INT_H
#define DRIVERS_RUNTIME_ENGINE_INT_H

#include "base/map.h"
#include "drivers/runtime/engine.h"
#include "drivers/runtime/shim_link.h"

enum { ENGINE_UID_BYTES = 80, ENGINE_PATH_BYTES = 256, ENGINE_RECORD_BYTES = 1024 * 1024 };

struct engine {
    struct engine_options o;
    struct loop *loop;
    int pods_dir, logs_dir, run_dir, cgroup; /* descriptors */
    bool has_limits;
    struct map pods, containers, sessions;
    const struct runtime_events *events;
    void *events_ctx;
    struct buf message; /* one request to a shim at a time */
    unsigned settling;  /* shims that have not yet told their state */
    struct list waiting; /* calls of `state` until then */
    uint64_t next_session;
    char boot_id[40];
};

struct pod {
    struct engine *e;
    char uid[ENGINE_UID_BYTES];
    char *namespace, *name, *hostname, *cgroup;
    bool host_network, host_pid, host_ipc, alive, removing;
    struct net_addr addrs[RUNTIME_MAX_ADDRS];
    size_t addr_count;
    int dir, run;     /* DATA/pods/<uid>, RUN/pods/<uid> */
    pid_t shim_pid;
    int shim_pidfd;   /* -1: not our child */
    struct shim_link *link; /* NULL: no shim */
    struct list containers;
};

struct container {
    struct list link; /* in pod->containers */
    struct pod *pod;
    char id[ENGINE_UID_BYTES];
    char *name, *image_id, *log_path;
    uint32_t attempt;
    bool read_only_root, tty, stdin_open, stdin_once, starting;
    enum runtime_container_state state;
    struct runtime_exit exit;
    int dir;
};

struct session {
    uint64_t id;

    char key[24], container_id[ENGINE_UID_BYTES];
    bool exec;
    int terminal; /* a copy for window sizes; -1: none */
    struct loop_timer timeout;
    struct engine *e;
};

/* ---- answers ---- */
struct reply { /* kept while a request is on its way */
    struct engine *e;
    runtime_done_fn *done;
    runtime_streams_fn *streams;
    runtime_usage_fn *usage;
    void *ctx;
    char pod_uid[ENGINE_UID_BYTES], id[ENGINE_UID_BYTES];
    struct session *session;
    bool exec;
};
struct reply *reply_new(struct engine *e, void *ctx);
void engine_done(runtime_done_fn *done, void *ctx, int rc, const struct err *err);
void engine_streams_failed(runtime_streams_fn *done, void *ctx, int rc, const char *message);
struct pod *engine_pod(struct engine *e, const char *uid);
struct container *engine_container(struct engine *e, const char *id);

/* ---- records.c ---- */
bool record_name_ok(const char *name, size_t max); /* one path component of plain characters */
int record_write(int dir, const char *name, struct str bytes, struct err *err) MUST_CHECK;
int record_read(int dir, const char *name, struct buf *out, struct err *err) MUST_CHECK;
int record_pod_write(const struct pod *p, struct err *err) MUST_CHECK;
int record_pod_read(struct pod *p, struct err *err) MUST_CHECK;
int record_container_write(const struct container *c, struct err *err) MUST_CHECK;
int record_container_read(struct container *c, struct err *err) MUST_CHECK;
bool record_exit_read(const struct container *c, struct runtime_exit *ret_exit);
int record_dir(int parent, const char *path, mode_t mode, int *ret_fd, struct err *err) MUST_CHECK;
void record_boot_id(char ret_id[40]);

/* ---- pods.c ---- */
void pods_create(void *self, const struct runtime_pod *p, runtime_done_fn *done, void *ctx);
void pods_remove(void *self, const char *uid, runtime_done_fn *done, void *ctx);
void pods_file(void *self, const char *uid, const char *name, struct str content, runtime_done_fn *done, void *ctx);
/* ---- dial.c ---- */
void pods_dial(void *self, const char *uid, uint16_t port, runtime_streams_fn *done, void *ctx);
struct pod *pod_new(struct engine *e, const char *uid);
void pod_free(struct pod *p);
int pod_open_dirs(struct pod *p, struct err *err) MUST_CHECK;
int pod_connect(struct pod *p) MUST_CHECK;
void pod_cgroup_path(const struct pod *p, const char *leaf, char ret_path[ENGINE_PATH_BYTES]);
/* Source of "pod:..." mounts: an O_PATH descriptor. */
int pod_source(struct pod *p, struct container *c, const char *what, int *ret_fd, struct err *err) MUST_CHECK;

/* ---- recover.c ---- */
int engine_recover(struct engine *e, struct err *err) MUST_CHECK;
void engine_state(void *self, const struct runtime_state_fns *fns, runtime_done_fn *done, void *ctx);

/* ---- containers.c ---- */
void containers_create(void *self, const struct runtime_container *c, runtime_done_fn *done, void *ctx);
void containers_start(void *self, const char *id, runtime_done_fn *done, void *ctx);
void containers_kill(void *self, const char *id, int signal, runtime_done_fn *done, void *ctx);
void containers_remove(void *self, const char *id, runtime_done_fn *done, void *ctx);
void containers_update(void *self, const char *id, struct str json, runtime_done_fn *done, void *ctx);
struct container *container_new(struct pod *p, const char *id);
void container_free(struct container *c);
void container_exited(struct container *c, const struct runtime_exit *exit);
void container_cgroup_path(const struct container *c, char ret_path[ENGINE_PATH_BYTES]);

/* ---- prepare.c ---- */
enum { PREPARED_FDS = SHIM_MSG_FDS };
struct prepared { /* descriptors to send, all owned */
    int fds[PREPARED_FDS];
    unsigned count;
    bool has_cgroup;
};
/* The plan and the mounts of a start. */
int prepare_start(struct container *c, struct prepared *ret_p, struct err *err) MUST_CHECK;
int prepare_exec(struct container *c, const struct runtime_exec *x, struct prepared *ret_p, struct err *err) MUST_CHECK;
void prepared_done(struct prepared *p);
int prepare_check(struct engine *e, struct str json, struct err *err) MUST_CHECK;
/* ---- prepare_mounts.c ---- */
struct plan_writer {
    struct container *c;
    struct prepared *out;
    struct buf plan;
    unsigned first_mount; /* index of the first mount descriptor */
};
int prepare_mount(struct plan_writer *w, const struct container_mount *m, struct err *err) MUST_CHECK;
/* ---- prepare_devices.c ---- */
void prepare_device(struct buf *plan, const struct container_device *d);
void prepare_host_devices(struct buf *plan); /* all of the machine's, for privileged containers */
int prepare_root(struct container *c, int *ret_fd, struct err *err) MUST_CHECK;

/* ---- sessions.c ---- */
void sessions_exec(void *self, const struct runtime_exec *x, runtime_streams_fn *done, void *ctx);
void sessions_attach(void *self, const char *id, runtime_streams_fn *done, void *ctx);
void sessions_resize(void *self, uint64_t session, uint16_t columns, uint16_t rows);
void sessions_close(void *self, uint64_t session);
void sessions_exec_exited(struct engine *e, const struct shim_msg *m);
void sessions_of_gone(struct engine *e, const char *container_id);
void session_free(struct session *s);

/* ---- files.c ---- */
void files_log_open(void *self, const char *path, runtime_streams_fn *done, void *ctx);
void files_log_rotate(void *self, const char *id, runtime_done_fn *done, void *ctx);
void files_termination_open(void *self, const char *id, runtime_streams_fn *done, void *ctx);
void files_volume_set(void *self, const struct runtime_volume *v, runtime_done_fn *done, void *ctx);
void files_host_path(void *self, const char *path, const char *type, runtime_done_fn *done, void *ctx);
void files_usage(void *self, const char *id, runtime_usage_fn *done, void *ctx);

#endif
