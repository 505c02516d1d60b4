/*
 * port/runtime.h as messages: each call, answer and event as fields (wire/imsg). Text is decoded
 * into the caller's arena, terminated; a text with a NUL inside is refused. Order matters where
 * things repeat: a VOLUME file is its path followed by mode and content, a service is followed by
 * its backends.
 */
#ifndef WIRE_RUNTIME_MSG_H
#define WIRE_RUNTIME_MSG_H

#include "base/arena.h"
#include "base/buf.h"
#include "port/rules.h"
#include "port/runtime.h"
#include "wire/imsg.h"

enum runtime_msg_type {
    RUNTIME_NOTHING = 0, /* ignored */
    /* node -> runtime; the answer carries the same id */
    RUNTIME_STATE = 1, RUNTIME_POD_CREATE, RUNTIME_POD_REMOVE, RUNTIME_POD_FILE, RUNTIME_CONTAINER_CREATE,
    RUNTIME_CONTAINER_START, RUNTIME_CONTAINER_KILL, RUNTIME_CONTAINER_REMOVE, RUNTIME_CONTAINER_UPDATE,
    RUNTIME_EXEC, RUNTIME_ATTACH, RUNTIME_RESIZE, RUNTIME_SESSION_CLOSE, RUNTIME_DIAL, RUNTIME_LOG_OPEN,
    RUNTIME_LOG_ROTATE, RUNTIME_TERMINATION_OPEN, RUNTIME_VOLUME_SET, RUNTIME_HOST_PATH, RUNTIME_IMAGE_PULL,
    RUNTIME_IMAGE_GET, RUNTIME_IMAGE_LIST, RUNTIME_IMAGE_REMOVE, RUNTIME_IMAGE_LOAD, RUNTIME_USAGE,
    RUNTIME_RULES_APPLY, RUNTIME_NETWORK_SETUP,
    /* runtime -> node: parts of an answer, answers */
    RUNTIME_PART_POD = 64, RUNTIME_PART_CONTAINER, RUNTIME_PART_IMAGE, RUNTIME_ANSWER,
    /* events, id 0 */
    RUNTIME_EVENT_EXITED = 80, RUNTIME_EVENT_DIED, RUNTIME_EVENT_EXEC_EXITED,
};

enum runtime_msg_tag {
    RT_RC = 1, RT_TEXT, RT_UID, RT_NAMESPACE, RT_NAME, RT_HOSTNAME, RT_CGROUP, RT_FLAGS, RT_ADDR, RT_SYSCTL,
    RT_MEMORY, RT_CPU_QUOTA, RT_CPU_SHARES, RT_PIDS, RT_ID, RT_ATTEMPT, RT_IMAGE, RT_SPEC, RT_LOG_PATH, RT_ARG,
    RT_TIMEOUT, RT_SESSION, RT_KIND, RT_SIZE, RT_GROUP, RT_FILE, RT_MODE, RT_CONTENT, RT_AUTH, RT_DIGEST,
    RT_STATE, RT_CODE, RT_SIGNAL, RT_STARTED, RT_FINISHED, RT_SERVICE, RT_BACKEND, RT_PREFIX, RT_DNS,
    RT_PORT, RT_COLUMNS, RT_ROWS, RT_PATH, RT_TYPE, RT_STREAMS, RT_USAGE,
    RT_BULK = 255, /* the fields are in the descriptor that comes along; u64: how many bytes */
};

/* ---- fields in a growing buffer, as wire/imsg lays them out ---- */
void runtime_put(struct buf *out, uint8_t tag, struct str bytes);
void runtime_put_cstr(struct buf *out, uint8_t tag, const char *s); /* NULL: nothing */
void runtime_put_u64(struct buf *out, uint8_t tag, uint64_t v);
void runtime_put_addr(struct buf *out, uint8_t tag, const struct net_addr *a);
/* Decoding: of a message whose fields may come from a peer without rights. */
int runtime_get_cstr(struct arena *a, const struct imsg_in *m, uint8_t tag, const char **ret_text) MUST_CHECK;
uint64_t runtime_get_u64(const struct imsg_in *m, uint8_t tag, uint64_t otherwise);
int runtime_get_addr(struct str bytes, struct net_addr *ret_addr) MUST_CHECK;
uint64_t runtime_u64(struct str bytes); /* 0 unless 8 bytes */

/* ---- the structs ---- */
void runtime_put_pod(struct buf *out, const struct runtime_pod *p);
int runtime_get_pod(struct arena *a, const struct imsg_in *m, struct runtime_pod *ret_pod) MUST_CHECK;
void runtime_put_container(struct buf *out, const struct runtime_container *c);
int runtime_get_container(struct arena *a, const struct imsg_in *m, struct runtime_container *ret_c) MUST_CHECK;
void runtime_put_exec(struct buf *out, const struct runtime_exec *x);
int runtime_get_exec(struct arena *a, const struct imsg_in *m, struct runtime_exec *ret_exec) MUST_CHECK;
void runtime_put_volume(struct buf *out, const struct runtime_volume *v);
int runtime_get_volume(struct arena *a, const struct imsg_in *m, struct runtime_volume *ret_volume) MUST_CHECK;
void runtime_put_pull(struct buf *out, const struct runtime_pull *p);
int runtime_get_pull(struct arena *a, const struct imsg_in *m, struct runtime_pull *ret_pull) MUST_CHECK;
void runtime_put_image(struct buf *out, const struct runtime_image *i);
int runtime_get_image(struct arena *a, const struct imsg_in *m, struct runtime_image *ret_image) MUST_CHECK;
void runtime_put_exit(struct buf *out, const struct runtime_exit *e);
void runtime_get_exit(const struct imsg_in *m, struct runtime_exit *ret_exit);
void runtime_put_usage(struct buf *out, const struct runtime_usage *u);
void runtime_get_usage(const struct imsg_in *m, struct runtime_usage *ret_usage);
void runtime_put_rules(struct buf *out, const struct rules_table *t);
int runtime_get_rules(struct arena *a, const struct imsg_in *m, struct rules_table *ret_table) MUST_CHECK;

#endif
