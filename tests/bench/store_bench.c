/*
 * Durable creates a second through the store with 1 and with 64 in flight, beside what the same
 * disk gives for bare pwrite + fdatasync in the same run. 1 KiB values, on the directory that
 * BUILD names. Also: opening what was written, and gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "drivers/disk/disk.h"
#include "drivers/loop/epoll.h"
#include "store/store.h"

enum { VALUE = 1024, RUN_MS = 2000, SAMPLES_MAX = 200 * 1000, KEYS = 20 * 1000 };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "store_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void on_fatal(void *ctx, const char *message)
{
    (void)ctx;
    fprintf(stderr, "store_bench: %s\n", message);
    exit(1);
}

struct bench {
    struct loop *loop;
    struct store *store;
    int64_t deadline;
    uint64_t next_key, done;
    int in_flight;
    int64_t *samples;
    char value[VALUE];
};

struct request {
    struct bench *b;
    int64_t began;
};

static void give(struct bench *b);

static void on_done(void *ctx, const struct store_result *r)
{
    struct request *q = ctx;
    struct bench *b = q->b;
    must(r->rc == 0, "a create failed");
    if (b->done < SAMPLES_MAX)
        b->samples[b->done] = now_ns() - q->began;
    b->done++;
    b->in_flight--;
    free(q);
    if (now_ns() < b->deadline)
        give(b);
}

static void give(struct bench *b)
{
    char key[64];
    struct request *q = malloc(sizeof(*q));
    must(q != NULL, "memory");
    *q = (struct request){b, now_ns()};
    snprintf(key, sizeof(key), "/registry/configmaps/default/object-%09llu",
             (unsigned long long)(b->next_key++ % KEYS));
    struct store_op op = {.key = str_of(key), .value = str_make(b->value, VALUE)};
    must(store_txn(b->store, NULL, 0, &op, 1, on_done, q) == 0, "store_txn");
    b->in_flight++;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(struct bench *b, int outstanding)
{
    struct store_stats before, after;
    store_stats(b->store, &before);
    b->done = 0;
    int64_t began = now_ns();
    b->deadline = began + RUN_MS * 1000000ll;
    for (int i = 0; i < outstanding; i++)
        give(b);
    while (b->in_flight > 0)
        must(loop_turn(b->loop, 1000) == 0, "loop");
    double seconds = (double)(now_ns() - began) / 1e9;
    store_stats(b->store, &after);
    size_t n = b->done < SAMPLES_MAX ? b->done : SAMPLES_MAX;
    qsort(b->samples, n, sizeof(int64_t), by_value);
    printf("%-34s %10.0f/s   p50 %7.0f us   p99 %7.0f us   %.0f syncs/s\n",
           outstanding == 1 ? "creates, 1 in flight" : "creates, 64 in flight",
           (double)b->done / seconds, (double)b->samples[n / 2] / 1e3,
           (double)b->samples[n * 99 / 100] / 1e3,
           (double)(after.syncs - before.syncs) / seconds);
}

static void measure_bare(int dir)
{
    static char block[VALUE + 128];
    static char zeros[1024 * 1024];
    int fd = openat(dir, "bare", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0, "open");
    for (int i = 0; i < 16; i++)
        must(pwrite(fd, zeros, sizeof(zeros), (off_t)i * (off_t)sizeof(zeros)) ==
                 (ssize_t)sizeof(zeros),
             "pwrite");
    must(fsync(fd) == 0, "fsync");
    int64_t began = now_ns(), end = began + RUN_MS * 1000000ll;
    uint64_t n = 0;
    while (now_ns() < end && (n + 1) * sizeof(block) < 16 * sizeof(zeros)) {
        must(pwrite(fd, block, sizeof(block), (off_t)(n * sizeof(block))) ==
                 (ssize_t)sizeof(block),
             "pwrite");
        must(fdatasync(fd) == 0, "fdatasync");
        n++;
    }
    printf("%-34s %10.0f/s\n", "bare pwrite + fdatasync, 1 KiB",
           (double)n / ((double)(now_ns() - began) / 1e9));
    close(fd);
    unlinkat(dir, "bare", 0);
}

static void measure_gets(struct bench *b)
{
    int64_t began = now_ns();
    uint64_t found = 0, n = 2 * 1000 * 1000;
    for (uint64_t i = 0; i < n; i++) {
        char key[64];
        int size = snprintf(key, sizeof(key), "/registry/configmaps/default/object-%09llu",
                            (unsigned long long)(i * 7919 % KEYS));
        found += store_get(b->store, str_make(key, (size_t)size)) != NULL;
    }
    printf("%-34s %10.0f/s   (%.0f%% found)\n", "gets",
           (double)n / ((double)(now_ns() - began) / 1e9), 100.0 * (double)found / (double)n);
}

static int unlink_fn(void *arg, const char *name)
{
    return unlinkat(*(int *)arg, name, 0) ? -E_IO : 0;
}

static void bench_open(struct bench *b, int dir)
{
    struct store_options o = {.loop = b->loop, .on_fatal = on_fatal, .seed = (uint64_t)now_ns()};
    struct err err = {0};
    must(disk_dir_open(dir, &o.disk) == 0, "disk");
    if (store_open(&o, &b->store, &err)) {
        fprintf(stderr, "store_bench: %s\n", err.text);
        exit(1);
    }
}

int main(void)
{
    const char *build = getenv("BUILD");
    char path[4096];
    struct bench b = {0};
    struct poll poll;
    snprintf(path, sizeof(path), "%s/store-bench.%d", build ? build : ".", (int)getpid());
    must(mkdir(path, 0700) == 0, path);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(dir >= 0, path);
    must(poll_epoll_open(&poll) == 0 && loop_new(poll, &b.loop) == 0, "loop");
    b.samples = calloc(SAMPLES_MAX, sizeof(int64_t));
    must(b.samples != NULL, "memory");
    memset(b.value, 'v', VALUE);
    measure_bare(dir);
    bench_open(&b, dir);
    measure(&b, 1);
    measure(&b, 64);
    measure_gets(&b);
    struct store_stats stats;
    store_stats(b.store, &stats);
    store_close(b.store);
    int64_t began = now_ns();
    bench_open(&b, dir);
    printf("%-34s %10.1f ms   (%llu keys, %llu snapshots written before)\n", "opening",
           (double)(now_ns() - began) / 1e6, (unsigned long long)stats.keys,
           (unsigned long long)stats.snapshots);
    store_close(b.store);
    loop_free(b.loop);
    free(b.samples);
    struct disk disk;
    must(disk_dir_open(dir, &disk) == 0, "disk");
    must(disk.ops->list(disk.ctx, unlink_fn, &dir) == 0, "cleaning up");
    disk.ops->done(disk.ctx);
    close(dir);
    must(rmdir(path) == 0, path);
    return 0;
}
