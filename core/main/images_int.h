/* Shared by images.c (calls), image_job.c (one pull or load) and image_child.c (its processes). */
#ifndef MAIN_IMAGES_INT_H
#define MAIN_IMAGES_INT_H

#include "base/limits.h"
#include "drivers/image/store.h"
#include "main/images.h"
#include "wire/imsg.h"

enum { IMAGES_RESOLVERS = 4, IMAGES_CONFIG_BYTES = 4 * 1024 * 1024, IMAGES_WAITING = 256 };

/* A short-lived role. */
struct image_child {
    struct images *images;
    const char *role;
    struct loop_fd sock, exit; /* exit: its pidfd */
    void (*message)(void *ctx, struct imsg_in *m);
    void (*gone)(void *ctx); /* the socket closed without image_child_end */
    void *ctx;
    bool ended, in_message;
    struct list link; /* in images->children */
};

/* What a pull or an archive says about an image. */
struct image_plan {
    char id[IMAGE_DIGEST_TEXT];
    char *names[IMAGE_NAMES + 1];
    char *repo_digest; /* or NULL */
    char diff_ids[LIMIT_IMAGE_LAYERS][IMAGE_DIGEST_TEXT];
    char digests[LIMIT_IMAGE_LAYERS][IMAGE_DIGEST_TEXT]; /* "" from archives */
    int layer_fds[LIMIT_IMAGE_LAYERS];                   /* fetched, to be unpacked; -1 */
    size_t layer_count, digest_count;
    int64_t size_bytes;
    char *config;
    size_t config_bytes;
};

struct image_job {
    struct images *images;
    struct list link;
    /* what was asked */
    char *name;         /* pull: as the pod spells it */
    char *auth;         /* pull */
    int archive_fd;     /* load, or -1 */
    runtime_image_fn *done;
    void *ctx;
    /* how far it is */
    struct image_child *source; /* pull, or unpack reading the archive */
    struct image_child *unpack;
    struct image_plan *plan; /* of the image at work, or NULL */
    size_t fetch_at, unpack_at; /* layers before these are done */
    bool fetching;
    char loaded[IMAGE_DIGEST_TEXT]; /* the last image that was put */
};

struct images {
    struct images_options o; /* strings are not used after images_new */
    char *registries;
    struct net_addr resolvers[IMAGES_RESOLVERS];
    size_t resolver_count;
    struct image_store *store;
    struct list waiting; /* jobs */
    size_t waiting_count;
    struct image_job *active;
    struct loop_task next, sweep;
    struct image_child *sweeper; /* empties a removed layer */
    char sweeping[IMAGE_DIGEST_TEXT];
    struct list children;
    images_in_use_fn *in_use;
    void *in_use_ctx;
    bool closing;
    unsigned char buffer[LIMIT_IMSG_BYTES];
};

/* ---- image_child.c ---- */
int image_child_start(struct images *im, const char *role, void (*message)(void *ctx, struct imsg_in *m),
                      void (*gone)(void *ctx), void *ctx, struct image_child **ret_child, struct err *err) MUST_CHECK;
int image_child_send(struct image_child *c, const struct imsg_out *m, struct err *err) MUST_CHECK;
void image_child_pause(struct image_child *c, bool paused); /* messages wait in the socket */
/* Kills it unless it has ended; it is reaped and freed by itself. NULL is fine. */
void image_child_end(struct image_child *c);
void image_child_free(struct image_child *c); /* at once, when the loop ends */

/* ---- image_plan.c ---- */
int image_plan_take(struct imsg_in *m, struct image_plan **ret_plan, struct err *err) MUST_CHECK;
void image_plan_free(struct image_plan *p);

/* ---- image_job.c ---- */
void image_job_start(struct image_job *j);
void image_job_free(struct image_job *j);
/* Answers, frees, and lets the next one start. */
void image_job_finish(struct image_job *j, int rc, const char *message);

/* ---- images.c ---- */
void images_answer(runtime_image_fn *done, void *ctx, const struct image *i, const char *asked);
void images_sweep(struct images *im);

#endif
