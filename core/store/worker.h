/*
 * All work on the disk after opening: hard state, log, snapshots, in one thread, or, synchronous,
 * in the caller's. One job at a time: the caller gathers what waits while it runs (that is the
 * group commit). A snapshot is written between jobs, one block at a time.
 *
 *   caller: fill job -> worker_submit -> (fd readable) -> worker_collect -> job is the caller's again
 */
#ifndef STORE_WORKER_H
#define STORE_WORKER_H

#include <pthread.h>

#include "store/hard.h"
#include "store/journal.h"
#include "store/snapfile.h"

struct worker_job {
    bool save_hard;
    struct raft_hard hard;
    struct raft_entry **entries; /* the caller holds references until it has collected */
    size_t count;
};

struct worker_report {
    bool job_done;
    bool job_again; /* not done for lack of memory; nothing was promised: submit it again */
    bool snapshot_done; /* with or without success: snapshot_ok */
    bool snapshot_ok;   /* false: no space; tried again later */
    int rc;             /* an error is final */
    struct err err;
    uint64_t free_bytes, log_bytes, log_written, syncs;
};

struct worker {
    struct disk *disk;
    struct hard_file hard; /* these three: the thread's while it runs */
    struct journal journal;
    struct snapfile_writer snapshot;
    struct worker_job job;

    bool synchronous, started;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stop;
    bool job_waits;
    bool snapshot_wanted; /* snapshot_meta and snapshot_root are set */
    struct snapfile_meta snapshot_meta;
    const struct tree_node *snapshot_root;
    bool failed; /* nothing more is written */
    struct worker_report report;
    int fds[2]; /* a pipe: bytes for each report */
};

/* hard and journal are open. */
int worker_start(struct worker *w, struct disk *d, bool synchronous) MUST_CHECK;
void worker_stop(struct worker *w); /* after the running job; closes hard and journal too */
int worker_fd(const struct worker *w); /* -1 when synchronous */

void worker_submit(struct worker *w);
/* The caller keeps root until snapshot_done was reported. */
void worker_snapshot(struct worker *w, const struct snapfile_meta *meta,
                     const struct tree_node *root);
/* Does what waits, in this thread: only when synchronous. False when there was nothing. */
bool worker_turn(struct worker *w);
/* False when nothing was reported since. */
bool worker_collect(struct worker *w, struct worker_report *ret_report);

/* What a job does; for opening, before the worker starts. */
int worker_perform(struct worker *w, const struct worker_job *job, struct err *err) MUST_CHECK;

#endif
