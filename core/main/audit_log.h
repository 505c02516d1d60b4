/*
 * The audit log's files, audit.log and, before it, audit.log.1, in the control role's directory: at
 * most AUDIT_LOG_FILE_BYTES each. A thread of its own writes them, so that no request waits for a
 * disk; what does not fit in memory meanwhile is dropped.
 */
#ifndef MAIN_AUDIT_LOG_H
#define MAIN_AUDIT_LOG_H

#include "api/api.h"
#include "port/disk.h"

enum {
    AUDIT_LOG_FILE_BYTES = 16 * 1024 * 1024,
    AUDIT_LOG_WAITING_BYTES = 4 * 1024 * 1024, /* in memory */
};

struct audit_log;

/* Takes disk over, on success. */
int audit_log_new(struct disk disk, struct audit_log **ret, struct err *err) MUST_CHECK;
void audit_log_free(struct audit_log *l); /* accepts NULL; writes what waits */
struct api_audit_sink audit_log_sink(struct audit_log *l);

#endif
