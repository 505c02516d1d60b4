/*
 * A real process writes to the store on a real directory and is killed by SIGKILL at a random
 * moment, again and again on the same files. After each kill every acknowledged write is readable
 * and no revision has gone back. Replay: SEED=<n> ROUNDS=<n>.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/prng.h"
#include "drivers/disk/disk.h"
#include "drivers/loop/epoll.h"
#include "store/store.h"

enum { KEYS = 64, IN_FLIGHT = 32 };

/* One acknowledged write, through a pipe. */
struct ack {
    uint64_t number;
    int64_t revision;
};

struct known {
    uint64_t newest[KEYS]; /* number acknowledged last, by key */
    uint64_t given_to;     /* numbers below may exist */
    int64_t revision;
    uint64_t acks;
};

static int failures;

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "not ok: %s\n", what);
    failures++;
}

static void on_fatal(void *ctx, const char *message)
{
    (void)ctx;
    fprintf(stderr, "not ok: %s\n", message);
    _exit(3);
}

static struct store *open_store(int dir, struct loop **ret_loop)
{
    struct poll poll;
    struct store *s = NULL;
    struct err err = {0};
    struct store_options o = {
        .on_fatal = on_fatal,
        .segment_bytes = 64 * 1024,
        .snapshot_after_bytes = 128 * 1024,
        .min_free_bytes = 1024 * 1024,
        .seed = 7,
    };
    if (poll_epoll_open(&poll) || loop_new(poll, &o.loop) || disk_dir_open(dir, &o.disk)) {
        fprintf(stderr, "not ok: no loop or disk\n");
        exit(1);
    }
    if (store_open(&o, &s, &err)) {
        fprintf(stderr, "not ok: the store does not open: %s\n", err.text);
        exit(1);
    }
    *ret_loop = o.loop;
    return s;
}

/* ---- the process that is killed ---- */

struct writer {
    struct store *store;
    uint64_t number;
    int pipe;
};

struct request {
    struct writer *w;
    uint64_t number;
};

static void give(struct writer *w, struct request *r);

static void on_done(void *ctx, const struct store_result *result)
{
    struct request *r = ctx;
    struct ack ack = {r->number, result->revision};
    if (result->rc || write(r->w->pipe, &ack, sizeof(ack)) != (ssize_t)sizeof(ack))
        _exit(4);
    give(r->w, r);
}

static void give(struct writer *w, struct request *r)
{
    char key[32], value[600];
    r->number = w->number++;
    snprintf(key, sizeof(key), "/k/%d", (int)(r->number % KEYS));
    int n = snprintf(value, sizeof(value), "%" PRIu64 " ", r->number);
    memset(value + n, 'v', (size_t)(r->number % 500));
    struct store_op op = {.key = str_of(key),
                          .value = str_make(value, (size_t)n + (size_t)(r->number % 500))};
    if (store_txn(w->store, NULL, 0, &op, 1, on_done, r))
        _exit(5);
}

static void write_until_killed(int dir, int pipe, uint64_t from)
{
    struct loop *loop;
    struct writer w = {.number = from, .pipe = pipe};
    static struct request requests[IN_FLIGHT];
    w.store = open_store(dir, &loop);
    for (int i = 0; i < IN_FLIGHT; i++) {
        requests[i].w = &w;
        give(&w, &requests[i]);
    }
    while (loop_turn(loop, -1) == 0)
        ;
    _exit(6);
}

/* ---- the one that kills and looks ---- */

static void acks_take(int fd, struct known *k)
{
    struct ack ack;
    while (read(fd, &ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
        check(ack.revision > k->revision, "a revision goes back");
        k->revision = ack.revision;
        k->newest[ack.number % KEYS] = ack.number;
        k->acks++;
        if (k->given_to <= ack.number)
            k->given_to = ack.number + 1;
    }
}

static void look(int dir, struct known *k)
{
    struct loop *loop;
    struct store *s = open_store(dir, &loop);
    check(store_revision(s) >= k->revision, "the store is older than its last acknowledgement");
    k->revision = store_revision(s);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/k/%u", i);
        struct store_value *v = store_get(s, str_of(key));
        uint64_t number = v ? strtoull(store_value_bytes(v).p, NULL, 10) : 0;
        if (number < k->newest[i])
            fprintf(stderr, "key %u: %" PRIu64 ", acknowledged %" PRIu64 "\n", i, number,
                    k->newest[i]);
        check(number >= k->newest[i], "an acknowledged write is lost");
        check(!v || number % KEYS == i, "a value stands under another key");
        if (k->given_to <= number)
            k->given_to = number + 1;
    }
    store_close(s);
    loop_free(loop);
}

static void one_round(int dir, struct known *k, uint64_t kill_after_us)
{
    int fds[2];
    if (pipe(fds))
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        /* Larger than all that may have been under way at a kill. */
        write_until_killed(dir, fds[1], (k->given_to + 2 * KEYS) / KEYS * KEYS);
    }
    close(fds[1]);
    if (pid < 0)
        exit(1);
    struct timespec t = {.tv_nsec = (long)kill_after_us * 1000};
    nanosleep(&t, NULL);
    kill(pid, SIGKILL);
    acks_take(fds[0], k); /* the pipe holds fewer than are made in that time only at its cap */
    close(fds[0]);
    int status;
    waitpid(pid, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the writer ended by itself");
    look(dir, k);
}

static int unlink_fn(void *arg, const char *name)
{
    return unlinkat(*(int *)arg, name, 0) ? -E_IO : 0;
}

int main(void)
{
    const char *build = getenv("BUILD"), *seed = getenv("SEED"), *rounds = getenv("ROUNDS");
    char path[4096];
    struct known k = {.revision = 1};
    struct prng prng;
    prng_init(&prng, seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL));
    snprintf(path, sizeof(path), "%s/store-kill.%d", build ? build : ".", (int)getpid());
    int dir = mkdir(path, 0700) ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        perror(path);
        return 1;
    }
    int count = rounds ? atoi(rounds) : 25;
    for (int i = 0; i < count && !failures; i++)
        one_round(dir, &k, 20 * 1000 + prng_below(&prng, 200 * 1000));
    check(k.acks > 100, "hardly anything was written");
    printf("# %d kills, %" PRIu64 " acknowledged writes, revision %" PRId64 "\n", count, k.acks,
           k.revision);
    struct disk disk;
    if (!failures && disk_dir_open(dir, &disk) == 0) {
        check(disk.ops->list(disk.ctx, unlink_fn, &dir) == 0, "cleaning up");
        disk.ops->done(disk.ctx);
        rmdir(path);
    }
    close(dir);
    printf("%s no acknowledged write is lost by SIGKILL\n", failures ? "not ok" : "ok");
    return failures != 0;
}
