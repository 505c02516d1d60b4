/* An engine on directories of its own, in a network namespace of its own, with one image: busybox. */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/runtime/engine.h"
#include "wire/runtime_link.h"
#include "wire/runtime_serve.h"

#define TEST_UID "11111111-2222-3333-4444-555555555555"

struct fixture {
    char dir[64], data[80], run[80], layer[80];
    struct loop *loop;
    struct engine *engine;
    struct runtime rt;
    struct runtime_link *link; /* rt: as node has it, over a link */
    struct runtime_serve *serve;
    /* what the last call answered */
    bool answered;
    int rc;
    char message[600];
    struct runtime_streams streams;
    struct runtime_usage usage;
    /* events */
    bool exited, died, exec_ended;
    char exited_id[80];
    struct runtime_exit exit, exec_exit;
    /* state */
    int pods, containers;
    bool pod_alive;
    enum runtime_container_state container_state;
    struct runtime_exit state_exit;
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_restart(struct fixture *f); /* a new engine on the same directories */
void fixture_wait(struct fixture *f, const bool *until);

runtime_done_fn fixture_done;
runtime_streams_fn fixture_streams;

const char *fixture_cgroup(void);
int fixture_pod(struct fixture *f);
int fixture_pod_remove(struct fixture *f);
/* id: one hex digit, repeated. extra: members of the configuration put before the rest, or "". */
const char *fixture_id(char digit);
int fixture_create(struct fixture *f, char digit, const char *process, const char *linux_more, const char *mounts,
                   bool tty);
int fixture_start(struct fixture *f, char digit);
/* Creates, starts, waits for the end; the exit code, or the negative error. Output in *out. */
int fixture_run(struct fixture *f, char digit, const char *script, char *out, size_t size);
void fixture_log(struct fixture *f, char digit, char *out, size_t size); /* lines without their heads */
int fixture_remove(struct fixture *f, char digit);

#endif
