/*
 * Files of one directory, as the store needs them: by plain name, positioned I/O, explicit
 * durability. The simulator's disk tears, loses, misplaces and flips. Calls block: they belong on
 * the disk thread (or to start-up).
 */
#ifndef PORT_DISK_H
#define PORT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct disk_file; /* implementation's */

struct disk_ops {
    /* Opens for reading and writing; create: made when missing. -E_NOT_FOUND otherwise. */
    int (*open)(void *ctx, const char *name, bool create, struct disk_file **ret_file);
    void (*close)(void *ctx, struct disk_file *file);
    /* Reads up to n; *ret_n < n only at the end of the file. */
    int (*read)(void *ctx, struct disk_file *f, uint64_t at, void *p, size_t n, size_t *ret_n);
    /* Writes all n bytes or fails; after a failure the range is undefined. -E_NO_SPACE when full. */
    int (*write)(void *ctx, struct disk_file *f, uint64_t at, const void *p, size_t n);
    /* Data (and size) durable. A failure is final: the role stops, never retries. */
    int (*sync)(void *ctx, struct disk_file *f);
    int (*truncate)(void *ctx, struct disk_file *f, uint64_t size);
    /* Reserves space without changing contents that were written; may be unsupported. */
    int (*allocate)(void *ctx, struct disk_file *f, uint64_t size);
    int (*size)(void *ctx, struct disk_file *f, uint64_t *ret_size);
    int (*rename)(void *ctx, const char *from, const char *to); /* replaces atomically */
    int (*unlink)(void *ctx, const char *name);
    int (*sync_dir)(void *ctx); /* names durable */
    /* Calls fn for each plain file name. */
    int (*list)(void *ctx, int (*fn)(void *arg, const char *name), void *arg);
    int (*free_bytes)(void *ctx, uint64_t *ret_bytes);
    void (*done)(void *ctx);
};

struct disk {
    const struct disk_ops *ops;
    void *ctx;
};

#endif
