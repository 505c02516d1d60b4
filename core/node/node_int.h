/*
 * What the files of core/node share. Ownership: the node owns pods, a pod its containers and
 * volumes. A call to the runtime or the API that is under way holds a reference to its pod
 * (pod_ref), so a pod is freed only when nothing can call back into it.
 */
#ifndef NODE_NODE_INT_H
#define NODE_NODE_INT_H

#include "base/arena.h"
#include "base/map.h"
#include "client/cache.h"
#include "node/node.h"

enum { CONTAINER_ID_TEXT = 65, UID_TEXT = 64 };

struct action;
struct actions;
struct container;
struct events;
struct ipam;
struct node_images;
struct pod;
struct registration;
struct server;
struct source;
struct sources;
struct token;

/* ---- volumes (volumes.c) ---- */
struct volume {
    struct pod *pod;
    char *name;
    bool ready, applying;
    char *failure;         /* why it is not ready, or NULL */
    int64_t event_ms;      /* when FailedMount was last told; 0: never */
    uint64_t content_hash, applying_hash; /* of the files last applied, and under way */
    struct list tokens;    /* struct token */
};

/* ---- probes (probes.c) ---- */
enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };

struct probe {
    struct container *container;
    enum probe_kind kind;
    bool active;
    bool result;       /* last verdict after thresholds */
    bool last_ok;
    unsigned in_a_row; /* equal results */
    struct loop_timer timer;
    struct action *action;
};

/* ---- containers (container.c) ---- */
enum container_kind { CONTAINER_INIT, CONTAINER_SIDECAR, CONTAINER_MAIN, CONTAINER_EPHEMERAL };

enum container_state {
    CONTAINER_IDLE,        /* not begun */
    CONTAINER_PULLING,     /* looking for or fetching the image */
    CONTAINER_PULL_FAILED, /* waits for its back-off, then again */
    CONTAINER_CREATING,    /* being made by the runtime, then started */
    CONTAINER_CREATE_FAILED,
    CONTAINER_POST_START, /* runs; its postStart hook does too */
    CONTAINER_RUNNING,
    CONTAINER_PRE_STOP, /* runs; its preStop hook does too */
    CONTAINER_STOPPING, /* got its stop signal; SIGKILL when the grace is over */
    CONTAINER_REAPING,  /* ended; its termination message is being read */
    CONTAINER_EXITED,
    CONTAINER_BACKOFF, /* ended; starts again when the back-off is over */
    CONTAINER_STATES,
};

struct instance { /* one run of a container */
    char id[CONTAINER_ID_TEXT]; /* "" : there was none */
    uint32_t attempt;
    int64_t started_ns, finished_ns;
    int exit_code, signal;
    bool exited;
    const char *reason; /* Completed, Error, OOMKilled, ContainerCannotRun ...; static text */
    char *message;      /* termination message, or NULL */
};

struct usage_reading { /* of processor time */
    int64_t at_ns, cpu_ns;
};

struct container {
    struct pod *pod;
    char *name;
    enum container_kind kind;
    enum container_state state;
    struct instance now, last;
    const char *waiting_reason; /* static text, or NULL */
    char *waiting_message;
    char *image_id; /* of the running or next instance */
    char *image_name;
    char *repo_digest;
    char *image_config; /* JSON; only while creating */
    bool started;       /* the startup probe has passed, or there is none */
    bool ready;
    bool was_started, was_ready; /* as told to the API before this role restarted */
    bool never_ran; /* starting failed: exit code 128 */
    int stop_signal;
    int64_t kill_at_ms;    /* end of the grace; in PULL_FAILED: time of the next try */
    bool kill_sent;        /* SIGKILL: nothing is sooner than that */
    int64_t pull_delay_ms; /* next back-off of the image */
    int64_t crash_delay_ms;
    struct loop_timer timer;
    struct usage_reading usage[2]; /* metrics.c: the one before the last, the last */
    struct action *hook;
    struct probe probes[PROBE_KINDS];
};

/* ---- pods (pod.c) ---- */
enum pod_state {
    POD_ADMITTING, /* waits for what the decision needs */
    POD_PREPARING, /* volumes, then sandbox and its files */
    POD_RUNNING,
    POD_STOPPING, /* containers are being stopped */
    POD_ENDED,    /* phase is final, or rejected; kept until the API deletes it */
    POD_REMOVING, /* the runtime clears up */
    POD_DELETING, /* cleared up; its deletion is being told to the API */
    POD_GONE,     /* forgotten; freed when the last call has come back */
    POD_STATES,
};

enum pod_event {
    POD_EV_ADMITTED,
    POD_EV_REJECTED,
    POD_EV_PREPARED,
    POD_EV_LOST,    /* the sandbox died */
    POD_EV_STOP,    /* deleted, deadline over, evicted, or nothing left to run */
    POD_EV_STOPPED, /* no container runs any more */
    POD_EV_DELETE,  /* deleted in the API, and nothing runs */
    POD_EV_REMOVED,
    POD_EV_FORGET, /* the API knows it no more */
    POD_EVENTS,
};

struct pod {
    struct node *node;
    unsigned refs;
    struct object *object; /* newest version seen; NULL for an orphan */
    char *uid, *namespace, *name;
    enum pod_state state;
    bool api_gone;  /* the API has forgotten it */
    bool recovered; /* was running when this role started */
    bool reported;  /* by the runtime, when its state was last read */
    struct list gone_link; /* in node.removed */
    bool sandbox, sandbox_files;
    bool sandbox_once; /* there was one before: the next is a new one */
    bool host_network;
    bool deleting;
    bool initialized;
    int64_t grace_ms;     /* of the deletion */
    int64_t stop_at_ms;   /* when stopping began */
    const char *phase;    /* final phase, or NULL */
    char *reason, *message;
    int64_t seen_ns;      /* startTime */
    char cgroup[96];
    int64_t request_cpu_milli, request_memory_bytes;
    struct net_addr addrs[RUNTIME_MAX_ADDRS];
    size_t addr_count;
    struct container **containers; /* init containers first, ephemeral ones last */
    size_t container_count, init_count, main_end;
    struct volume *volumes;
    size_t volume_count;
    bool volumes_stale; /* something that volumes are made of has changed */
    struct list holds; /* struct hold: sources this pod looks at */
    struct loop_task work;
    struct loop_timer timer, retry;
    int64_t retry_ms;
    bool call_busy; /* pod_create or pod_remove is under way */
    unsigned files_busy; /* pod_file calls under way */
    bool files_failed;

    /* status.c */
    uint64_t status_hash; /* of what the API has accepted; 0: nothing */
    uint64_t status_sending;
    bool status_busy, status_dirty;
    bool status_running; /* what is being sent, or was last, says Running */
    struct client_call *status_call, *delete_call;
    int64_t status_retry_ms;
    struct loop_timer status_timer;
    int64_t condition_ns[8]; /* lastTransitionTime */
    int8_t condition[8];     /* -1: not set yet, else status */
    bool scheduled;          /* the scheduler has written PodScheduled: it is not ours to write */
};

/* ---- the node (node.c) ---- */
struct node {
    struct node_options o;
    struct arena strings;
    struct loop *loop;
    struct client *client;
    struct runtime *runtime;
    struct cache *pods_cache, *services, *self;
    struct cache_listener *pods_listener, *services_listener;
    struct map pods; /* uid -> struct pod */
    bool runtime_up, recovered, reading_state;
    bool reached[NODE_MARKS];
    struct ipam *ipam;
    struct events *events;
    struct sources *sources;
    struct actions *actions;
    struct registration *registration;
    struct node_images *images;
    struct server *server;
    struct loop_timer tick; /* retries and orphans */
    struct tls_context *probe_tls; /* made when first needed */
    unsigned ticks;
    struct list removed; /* gone, but a call that is under way still refers to them */
};

/* One step of work on a pod: the decoded object in an arena that lives for the step. */
struct step {
    struct pod *pod;
    struct arena *a;
    const struct json *tree, *spec;
};

/* node.c */
void node_recover(struct node *n); /* goes on with recovery, whatever it waits for */
void node_pods_wake(struct node *n);
/* Tells whoever wants to know, the first time. */
void node_reached(struct node *n, enum node_mark mark);
int64_t node_now_s(struct node *n);
void node_id_new(char ret_id[CONTAINER_ID_TEXT]);
/* Replaces a string owned through *at; text NULL clears. On lack of memory it becomes NULL. */
void node_text_set(char **at, const char *text);

/* pod.c */
void pod_ref(struct pod *p);
void pod_unref(struct pod *p);
void pod_init_work(struct pod *p);
void pod_wake(struct pod *p); /* work on it later in this turn */
void pod_wake_after(struct pod *p, int64_t delay_ms); /* or sooner */
void pod_retry_later(struct pod *p); /* a call failed: woken after a back-off */
void pod_event(struct pod *p, enum pod_event e);
/* Ends the pod: final phase Failed. Text is copied; reason "" for none. */
void pod_fail(struct pod *p, const char *reason, const char *message);
struct container *pod_container(const struct pod *p, const char *name);
struct container *pod_container_by_id(const struct pod *p, const char *id);
bool pod_any_running(const struct pod *p);
struct json *pod_tree(const struct pod *p, struct arena *a); /* NULL: no object or no memory */
const char *container_list(const struct container *c); /* of the spec: "containers", ... */
/* The container's entry there. */
const struct json *container_spec(const struct json *spec, const struct container *c);
const char *pod_state_name(enum pod_state s);

/* pods.c */
int pods_start(struct node *n) MUST_CHECK;
struct pod *pods_get(const struct node *n, const char *uid);
/* From the API's object; NULL when out of memory. */
struct pod *pods_add(struct node *n, struct object *o);
struct pod *pods_add_orphan(struct node *n, const char *uid, const char *ns, const char *name);
void pods_forget(struct pod *p);
/* Now and then: finds orphans, and pods whose deletion the watch has missed. */
void pods_reconcile(struct node *n);
void pods_reading_state(struct node *n); /* before the runtime's state is read */
void pods_state_read(struct node *n);    /* after: what was not reported is lost */
struct pod *pods_find(const struct node *n, const char *ns, const char *name);
void pods_free(struct pod *p);
/* Ephemeral containers that the object has got since. */
void pods_add_ephemeral(struct pod *p, const struct json *spec);

/* container.c */
void container_init(struct container *c, struct pod *p, const char *name, enum container_kind kind);
void container_done(struct container *c);
/* From IDLE: looks for the image, makes and starts. */
void container_begin(struct container *c);
/* Stops it if it runs, within grace_ms; again with less: sooner. why: for the Killing event, or
 * NULL. */
void container_stop(struct container *c, int64_t grace_ms, const char *why);
void container_ended(struct container *c, const struct runtime_exit *e);
void container_lost(struct container *c); /* its sandbox died */
/* After recovery: what the API remembers as running and the runtime does not know has ended. */
void container_settle(struct container *c, bool sandbox);
/* What the runtime reports when its state is read; what is known already changes nothing. */
void container_adopt(struct container *c, const char *id, uint32_t attempt, const char *image_id,
                     enum runtime_container_state state, const struct runtime_exit *e);
/* After EXITED: IDLE again at once or when the back-off is over. */
void container_restart(struct container *c);
bool container_alive(const struct container *c);   /* a process may be running */
bool container_running(const struct container *c); /* it runs and is to go on running */
bool container_waiting(const struct container *c); /* between two runs, or before the first */
void container_wait_reason(struct container *c, const char *reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void container_wait_for(struct container *c, enum container_state state, int64_t delay_ms);
void container_signal_stop(struct container *c, int64_t grace_ms);
void container_now_running(struct container *c);
void container_instance_clear(struct instance *i);

/* termination.c: reads the termination message of the instance that ended, then calls done. */
void termination_read(struct container *c, void (*done)(struct container *c));
/* "<ns>_<pod>_<uid>/<container>/<attempt>.log" in the arena. */
const char *container_log_path(struct arena *a, const struct container *c, uint32_t attempt);

/* image.c: ends in container_create, or in PULL_FAILED. */
void container_pull(struct container *c);
/* From PULL_FAILED: shows ImagePullBackOff and waits on; false when it is time for another try. */
bool container_pull_backoff(struct container *c);

/* create.c: the container is made and started; ends in RUNNING, CREATE_FAILED or EXITED. */
void container_create(struct container *c);

#endif
