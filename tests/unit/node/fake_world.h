/*
 * A world for the kubelet's tests: a clock that jumps to the next timer, an API server that keeps
 * objects in memory, a runtime that only remembers what it was asked. Everything answers from the
 * loop, as the real ones do.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include "node/node_int.h"

/* ---- time ---- */
enum { FAKE_FDS = 64 };
struct fake_clock {
    int64_t now_ns;
    struct loop *loop;
    int fds[FAKE_FDS];
    unsigned events[FAKE_FDS];
    void *tags[FAKE_FDS];
    size_t fd_count;
};

/* ---- API ---- */
struct fake_object {
    struct list link;
    char *resource, *namespace, *name, *json;
    int64_t revision;
};
struct fake_request { /* in the order in which they came */
    struct list link;
    char *method, *path, *body;
};
struct fake_api {
    struct loop *loop;
    struct client client;
    struct list objects, requests, calls;
    int64_t revision;
    bool down;
    unsigned tokens;
};

/* ---- runtime ---- */
struct fake_container {
    struct list link;
    char *pod_uid, *id, *name, *spec, *log_path, *image_id;
    uint32_t attempt;
    bool running, exited, removed;
    int code;
};
struct fake_pod {
    struct list link;
    char *uid, *name, *namespace, *cgroup;
    struct net_addr addrs[RUNTIME_MAX_ADDRS];
    size_t addr_count;
    bool removed;
};
struct fake_runtime {
    struct loop *loop;
    struct runtime runtime;
    const struct runtime_events *events;
    void *events_ctx;
    struct list pods, containers, waiting;
    struct buf log; /* one call a line */
    bool image_missing, hold_pulls;
    const char *pull_error, *start_error, *create_error, *pod_error;
    int exec_code;
    bool ignore_term; /* containers end only by SIGKILL */
    bool ignore_kill; /* nor by that: they hang in the kernel */
    const char *image_config;
    const char *termination; /* message of the next container that ends */
    char *files;       /* "path=content;" of the last FILES volume */
    int session_in, session_out, session_error; /* the test's ends of an exec that goes on; -1 */
    bool keep_execs;   /* an exec goes on until rt_exec_exit */
    uint64_t last_session;
    int dialled;       /* the test's end of the last dial, or -1 */
    bool dial_works;
    const char *log_text;
};

struct world {
    struct fake_clock clock;
    struct fake_api api;
    struct fake_runtime rt;
    struct node *node;
    int listener[2]; /* what the node listens on, and the end that announces a connection */
    int pending_fd;
    bool accepts; /* pods' ports answer connections: the other end is `connected` */
    int connected;
    char connected_to[NET_ADDR_TEXT];
};

void world_init(struct world *w);
void world_done(struct world *w);
void world_start_node(struct world *w);
void world_restart_node(struct world *w);
/* A connection to port 10250: the client's end, non-blocking. */
int world_connect(struct world *w);
void world_run(struct world *w, int64_t ms); /* that much time passes */

void api_put(struct world *w, const char *resource, const char *ns, const char *name, const char *json);
void api_remove(struct world *w, const char *resource, const char *ns, const char *name);
const char *api_get(struct world *w, const char *resource, const char *ns, const char *name); /* or NULL */
unsigned api_count(struct world *w, const char *method, const char *path_part);
/* The text at a path of an object, in the arena: "status.phase", "status.containerStatuses.0.ready". */
const char *api_text(struct world *w, struct arena *a, const char *resource, const char *ns,
                     const char *name, const char *path);
bool api_has_event(struct world *w, const char *reason, const char *message_part);
/* A pod of this spec (JSON members without braces) bound to the node; uid "uid-<name>". */
void api_put_pod(struct world *w, const char *name, const char *spec);
void api_delete_pod(struct world *w, const char *name, int grace_s); /* marks it as being deleted */

struct fake_container *rt_container(struct world *w, const char *name); /* the newest of that name */
void rt_exit(struct world *w, const char *name, int code);
unsigned rt_count(struct world *w, const char *line_part); /* calls so far */
void rt_exec_exit(struct world *w, int code);
void rt_kill_pod(struct world *w, const char *uid);

/* ---- for fake_world.c ---- */
void fake_api_init(struct fake_api *api, struct loop *loop);
void fake_api_done(struct fake_api *api);
void fake_runtime_init(struct fake_runtime *rt, struct loop *loop);
void fake_runtime_done(struct fake_runtime *rt);
void fake_runtime_forget_callers(struct fake_runtime *rt); /* what they asked is not answered */

#endif
