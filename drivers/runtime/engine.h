/*
 * The container engine of one node: implements port/runtime.h in the process that is root. Its
 * state is on disk and in the pods' shims, so a new engine on the same directories goes on where
 * the old one ended.
 *
 *   DATA/pods/<uid>/pod.json               what the pod was made from, and the boot it belongs to
 *   DATA/pods/<uid>/files/{hosts,...}      bind-mounted into containers
 *   DATA/pods/<uid>/volumes/<name>/
 *   DATA/pods/<uid>/containers/<id>/       container.json, config.json, exit, termination, upper, work
 *   DATA/logs/pods/<log path>
 *   RUN/pods/<uid>/{shim.sock,shim.pid,shm} gone after a reboot
 *
 * A container is CREATED (directory complete), RUNNING (the shim says so) or EXITED (file exit).
 */
#ifndef DRIVERS_RUNTIME_ENGINE_H
#define DRIVERS_RUNTIME_ENGINE_H

#include "base/buf.h"
#include "loop/loop.h"
#include "port/container.h"
#include "port/runtime.h"

/* Where images come from; done functions as in struct runtime_ops. */
struct engine_image_ops {
    /* Directories of the image's unpacked layers, uppermost first, joined by ':'. */
    int (*layers)(void *self, const char *image_id, struct buf *out, struct err *err);
    void (*pull)(void *self, const struct runtime_pull *p, runtime_image_fn *done, void *ctx);
    void (*get)(void *self, const char *image, runtime_image_fn *done, void *ctx);
    void (*list)(void *self, runtime_image_fn *each, runtime_done_fn *done, void *ctx);
    void (*remove)(void *self, const char *id, runtime_done_fn *done, void *ctx);
    void (*load)(void *self, int fd, runtime_image_fn *done, void *ctx); /* takes fd */
};

struct engine_options {
    struct loop *loop;
    const char *data_dir, *run_dir; /* absolute; made when missing */
    container_decode_fn *decode;
    container_decode_resources_fn *decode_resources;
    const struct engine_image_ops *images; /* members may be NULL: -E_UNSUPPORTED */
    void *images_self;
};

struct engine;

/* Finds the pods that are there and connects to their shims. */
int engine_open(const struct engine_options *o, struct engine **ret_engine, struct err *err) MUST_CHECK;
/* Lets go of everything; pods live on. */
void engine_close(struct engine *e);
/* The engine as port/runtime.h; valid until engine_close. */
struct runtime engine_runtime(struct engine *e);
/* Whether cgroups can limit memory, CPU and processes here. */
bool engine_has_limits(const struct engine *e);

#endif
