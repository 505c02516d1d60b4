/*
 * Reading a container's log file for `kubectl logs`: from an open descriptor, line by line, with
 * tail, since, timestamps, a bound, and following the file as it grows and is rotated.
 */
#ifndef NODE_LOGREAD_H
#define NODE_LOGREAD_H

#include "node/node_int.h"

struct logread_options {
    bool follow, timestamps;
    int64_t tail_lines;  /* -1: all */
    int64_t since_us;    /* real time; 0: from the beginning */
    int64_t limit_bytes; /* of what is given; -1: no limit */
};

struct logread;
struct logread_handlers {
    /* False: no more now; logread_resume goes on. May free the reader. */
    bool (*data)(void *ctx, struct str bytes);
    /* Last: the file is read to its end (or as far as was asked). May free the reader. */
    void (*end)(void *ctx);
    /* Is the log still being written? Asked at the end of the file when following. */
    bool (*alive)(void *ctx);
};

/* Takes fd over. path: as for runtime's log_open, to find out that the file was rotated. */
int logread_new(struct node *n, int fd, const char *path, const struct logread_options *o,
                const struct logread_handlers *h, void *ctx, struct logread **ret_reader) MUST_CHECK;
void logread_free(struct logread *r); /* accepts NULL */
void logread_resume(struct logread *r);

#endif
