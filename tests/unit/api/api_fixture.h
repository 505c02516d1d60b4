/* An API server over a real store on a simulated disk, and short ways to ask it. */
#ifndef TESTS_UNIT_API_API_FIXTURE_H
#define TESTS_UNIT_API_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../store/sim_node.h"
#include "api/api.h"
#include "api/local.h"
#include "base/arena.h"
#include "base/buf.h"

struct fixture {
    struct sim_disk *disk;
    struct sim_node node;
    struct api *api;
    struct crypto_key *key; /* signs service-account tokens */
    struct arena arena;     /* of parsed answers */
    uint64_t live;
    int booted;              /* 1: bootstrap done */
    const char *impersonate; /* sent with each request, when set */
};

struct answer {
    int status;
    bool ended, proxied;
    struct buf body;
    char type[200], warning[600], etag[100];
    char host[64], target[1024], server_name[64];
    uint16_t port;
    struct api_request *request;
    bool hang_up;      /* body answers -1 */
    int64_t waiting;   /* what body answers */
    struct json *json; /* the body, when it is JSON */
};

int fixture_setup(void **state);      /* empty store */
int fixture_setup_boot(void **state); /* and bootstrapped */
int fixture_teardown(void **state);
void fixture_restart(struct fixture *f); /* closes api and store, opens both again */
void fixture_turn(struct fixture *f, int turns);
void fixture_pass(struct fixture *f, int64_t ms); /* as if so much time went by */

/* As an administrator; waits for the end. accept, type, body may be NULL. The answer is valid until
 * the next ask (watches have their own). */
struct answer *ask(struct fixture *f, const char *method, const char *target, const char *body);
struct answer *ask_with(struct fixture *f, const struct api_peer *peer, const char *method,
                        const char *target, const char *type, const char *accept, const char *body);
/* Starts a request that does not end by itself. answer_free ends it. */
struct answer *open_stream(struct fixture *f, const char *target, const char *accept);
/* Starts a request and does not wait; type NULL: as ask does. */
struct answer *begin(struct fixture *f, const char *method, const char *target, const char *body);
/* As if so many bytes always waited unsent. */
struct answer *open_slow_stream(struct fixture *f, const char *target, int64_t waiting);
void answer_free(struct answer *a);

/* Body's text at a path; "" when absent. */
const char *at(const struct answer *a, const char *path);
int64_t int_at(const struct answer *a, const char *path);
/* Fails with the answer's body unless it has this status. */
void expect(const struct answer *a, int status);
void expect_message(const struct answer *a, int status, const char *message);
/* The nth line of a stream as JSON, or NULL. */
struct json *event(struct fixture *f, const struct answer *a, int n);
/* A JWT of any header and claims, signed with the fixture's key; good until the next one. */
char *forge(struct fixture *f, const char *head, const char *claims);

#endif
