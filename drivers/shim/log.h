/*
 * The log file of a container in the CRI format: "<RFC 3339 time> stdout F line". Lines longer than
 * LOG_LINE_BYTES are cut into P parts. At the size limit the file is shifted to NAME.1, NAME.1 to
 * NAME.2 ..., so that a container that writes without end fills no disk.
 */
#ifndef DRIVERS_SHIM_LOG_H
#define DRIVERS_SHIM_LOG_H

#include <stdbool.h>

#include "base/buf.h"

enum { LOG_LINE_BYTES = 16 * 1024, LOG_NAME_BYTES = 256 };

struct log {
    int dir_fd, fd; /* -1: no log */
    char name[LOG_NAME_BYTES];
    uint64_t size, limit;
};

struct log_stream { /* one of the two outputs */
    const char *name;
    struct log *log;
    char *line; /* LOG_LINE_BYTES of a line without end so far */
    size_t n;
};

/* Takes dir_fd. -E_*. */
int log_open(struct log *l, int dir_fd, struct str name, uint64_t limit) MUST_CHECK;
void log_close(struct log *l);
int log_rotate(struct log *l) MUST_CHECK;

int log_stream_init(struct log_stream *s, const char *name, struct log *l) MUST_CHECK;
void log_stream_done(struct log_stream *s); /* writes what is left */
/* scratch: reused between calls. A full disk loses lines, never blocks the container. */
void log_stream_write(struct log_stream *s, const char *p, size_t n, struct buf *scratch);

#endif
