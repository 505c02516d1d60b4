/*
 * The node's side of exec, attach and port-forward, without a protocol: descriptors from the
 * runtime on one side, numbered channels on the other. streams.c puts WebSocket or SPDY behind it.
 */
#ifndef NODE_SESSION_H
#define NODE_SESSION_H

#include "node/node_int.h"

enum session_channel { /* as in the *.channel.k8s.io protocols */
    SESSION_STDIN,
    SESSION_STDOUT,
    SESSION_STDERR,
    SESSION_ERROR, /* the Status at the end */
    SESSION_RESIZE,
    SESSION_CHANNELS,
};

struct session_sink {
    /* To the client. False: it is taken, but no more now; session_resume goes on. May not free the
     * session. */
    bool (*output)(void *ctx, enum session_channel channel, struct str bytes);
    /* That channel ends: nothing more comes on it. */
    void (*output_end)(void *ctx, enum session_channel channel);
    /* Input is wanted again after session_input has returned false. */
    void (*input_wanted)(void *ctx);
    /* Over; the Status was given on SESSION_ERROR before. May free the session. */
    void (*over)(void *ctx);
};

struct session;
struct session_options {
    struct node *node;
    const char *const *args; /* exec: the command, NULL-terminated; NULL: attach */
    bool tty, in, out, error;
    bool stays;       /* attach: the container's input outlives it, so its end is the session's */
    bool plain_error; /* no Status at the end: the message of a failure, nothing of a success */
};

/* The session begins when the runtime has answered; input given before is kept. */
int session_new(const struct session_options *o, const char *container_id, const struct session_sink *sink,
                void *ctx, struct session **ret_session) MUST_CHECK;
/* Kills an exec that still runs. Accepts NULL. */
void session_drop(struct session *s);
/* SESSION_STDIN or SESSION_RESIZE ({"Width":80,"Height":25}). False: no more for now. */
bool session_input(struct session *s, enum session_channel channel, struct str bytes);
void session_input_end(struct session *s);
void session_resume(struct session *s);
/* The runtime's event; false: it was not this session's. */
bool session_exec_exited(struct session *s, uint64_t id, const struct runtime_exit *e);

#endif
