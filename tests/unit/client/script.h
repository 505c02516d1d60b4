/* A transport that a test plays: it sees each request and answers when and as it likes. */
#ifndef TESTS_UNIT_CLIENT_SCRIPT_H
#define TESTS_UNIT_CLIENT_SCRIPT_H

#include "client/client.h"

enum { SCRIPT_CALLS = 64 };

struct script_call {
    bool open;
    char method[8], path[512], body[4096];
    struct client_handlers handlers;
    void *ctx;
};

struct script {
    struct client client;
    struct loop *loop;
    int64_t now_ns;
    struct script_call calls[SCRIPT_CALLS];
    int count;
};

void script_init(struct script *s);
void script_done(struct script *s);
void script_turn(struct script *s, int64_t ms); /* time passes, the loop turns */
/* The newest open call whose path begins so; NULL when there is none. */
struct script_call *script_find(struct script *s, const char *method, const char *path);
void script_answer(struct script_call *c, int status, const char *body); /* whole answer */
void script_head(struct script_call *c, int status);
void script_data(struct script_call *c, const char *bytes);
void script_end(struct script_call *c, int rc);

#endif
