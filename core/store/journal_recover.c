/*
 * Reading the log back: which segments count, every frame checked, a torn tail cut off, damage
 * before the tail refused. See journal.h for the format and why the two can be told apart.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "store/crc32c.h"
#include "store/format.h"
#include "store/journal_int.h"

enum { WINDOW_BYTES = 256 * 1024 };

/* A sliding window over one file. */
struct window {
    struct disk *disk;
    struct disk_file *file;
    uint64_t file_size;
    uint64_t at; /* of data */
    size_t n, capacity;
    char *data;
};

struct recovery {
    struct journal *j;
    struct window w;
    char name[JOURNAL_NAME_MAX];
    uint64_t snapshot_index;
    journal_entry_fn *fn;
    void *ctx;
    struct err *err;
};

static int window_open(struct window *w, struct disk *d, const char *name)
{
    w->disk = d;
    w->at = w->n = 0;
    int rc = d->ops->open(d->ctx, name, false, &w->file);
    if (rc)
        return rc;
    rc = d->ops->size(d->ctx, w->file, &w->file_size);
    if (rc) {
        d->ops->close(d->ctx, w->file);
        w->file = NULL;
    }
    return rc;
}

static void window_close(struct window *w)
{
    if (w->file)
        w->disk->ops->close(w->disk->ctx, w->file);
    w->file = NULL;
    w->n = 0;
}

/* n bytes at `at`, which lie within the file. */
static int window_get(struct window *w, uint64_t at, size_t n, const char **ret_p)
{
    if (at < w->at || at + n > w->at + w->n) {
        size_t want = n > WINDOW_BYTES ? n : WINDOW_BYTES;
        if (want > w->capacity) {
            char *data = mem_realloc(w->data, want);
            if (!data)
                return -E_NOMEM;
            w->data = data;
            w->capacity = want;
        }
        w->n = 0;
        size_t got = 0;
        int rc = w->disk->ops->read(w->disk->ctx, w->file, at, w->data, want, &got);
        if (rc)
            return rc;
        w->at = at;
        w->n = got;
        if (got < n)
            return -E_IO;
    }
    *ret_p = w->data + (at - w->at);
    return 0;
}

static int read_error(struct recovery *r, int rc, uint64_t at)
{
    return err_set(r->err, -rc, "store file %s, offset %" PRIu64 ": reading: %s", r->name, at,
                   err_text(rc));
}

static int corrupt(struct recovery *r, uint64_t at, const char *what)
{
    return err_set(r->err, E_CORRUPT,
                   "store file %s, offset %" PRIu64 ": %s; acknowledged data is damaged. Restore "
                   "the store directory from a backup; or, to give up everything from there on, "
                   "cut this file to %" PRIu64 " bytes and remove the log files after it",
                   r->name, at, what, at);
}

static int entries_read(struct recovery *r, uint64_t at, const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end) {
        if (end - p < ENTRY_HEAD)
            return corrupt(r, at, "an entry is cut short inside a good frame");
        struct raft_entry head = {
            .kind = (uint8_t)p[0],
            .size = get_u32(p + 4),
            .index = get_u64(p + 8),
            .term = get_u64(p + 16),
        };
        if (head.kind < RAFT_ENTRY_NOOP || head.kind > RAFT_ENTRY_MEMBERS)
            return corrupt(r, at, "an entry of an unknown kind");
        if (head.size > (size_t)(end - p) - ENTRY_HEAD)
            return corrupt(r, at, "an entry is longer than its frame");
        bool gap = head.index > r->j->last_index + 1 && head.index > r->snapshot_index + 1;
        if (head.index == 0 || gap)
            return corrupt(r, at, "entries are missing before this one");
        r->j->last_index = head.index;
        if (head.index > r->snapshot_index) {
            int rc = r->fn(r->ctx, &head, str_make(p + ENTRY_HEAD, head.size));
            if (rc == -E_CORRUPT)
                return corrupt(r, at, "an entry that makes no sense");
            if (rc)
                return err_set(r->err, -rc, "store file %s, offset %" PRIu64 ": applying: %s",
                               r->name, at, err_text(rc));
        }
        p += frame_align(ENTRY_HEAD + head.size);
    }
    return 0;
}

/* One frame at `at`: 1 read, 0 none here (or a mark), negative error. *ret_bytes: its length. */
static int frame_read(struct recovery *r, uint64_t at, uint64_t *ret_bytes)
{
    struct journal *j = r->j;
    const char *p;
    struct frame_head h;
    if (at + FRAME_HEAD > r->w.file_size)
        return 0;
    int rc = window_get(&r->w, at, FRAME_HEAD, &p);
    if (rc)
        return read_error(r, rc, at);
    if (!frame_head_decode(p, j->log_id, &h) || h.offset != at || h.sequence != j->next_sequence ||
        h.payload_size == 0 || at + FRAME_HEAD + h.payload_size > r->w.file_size)
        return 0;
    rc = window_get(&r->w, at, FRAME_HEAD + h.payload_size, &p);
    if (rc)
        return read_error(r, rc, at);
    if (crc32c(0, p + FRAME_HEAD, h.payload_size) != h.payload_crc)
        return 0;
    rc = entries_read(r, at, p + FRAME_HEAD, h.payload_size);
    if (rc)
        return rc;
    j->next_sequence++;
    *ret_bytes = frame_align(FRAME_HEAD + h.payload_size);
    return 1;
}

/*
 * Looks behind `at` for frames that prove an earlier one was durable. *ret_proof: where, 0 if
 * nowhere; *ret_dirty: something other than zeros or a mark is there.
 */
static int tail_scan(struct recovery *r, uint64_t at, uint64_t least_sequence, uint64_t *ret_proof,
                     bool *ret_dirty)
{
    uint64_t proof = 0;
    bool dirty = false;
    for (uint64_t i = at; i < r->w.file_size && !proof;) {
        const char *p;
        uint64_t left = r->w.file_size - i;
        size_t n = left < FRAME_HEAD ? (size_t)left : FRAME_HEAD;
        int rc = window_get(&r->w, i, n, &p);
        if (rc)
            return read_error(r, rc, i);
        struct frame_head h;
        static const char zeros[FRAME_ALIGN];
        size_t step = n < FRAME_ALIGN ? n : FRAME_ALIGN;
        if (memcmp(p, zeros, step) != 0) {
            bool good = n == FRAME_HEAD && frame_head_decode(p, r->j->log_id, &h);
            if (good && h.sequence >= least_sequence) /* even if it stands in a wrong place */
                proof = i;
            if (good && i == at && h.offset == at && h.payload_size == 0)
                step = FRAME_HEAD;
            else
                dirty = true;
        }
        i += step;
    }
    *ret_proof = proof;
    *ret_dirty = dirty;
    return 0;
}

/* Reads a segment's frames from its start; *ret_end is where they stop. */
static int segment_replay(struct recovery *r, struct journal_segment *s, bool last,
                          bool *ret_dirty)
{
    uint64_t at = SEGMENT_DATA_AT, bytes = 0;
    int rc;
    while ((rc = frame_read(r, at, &bytes)) > 0)
        at += bytes;
    if (rc < 0)
        return rc;
    s->bytes = at;
    r->j->written += at - SEGMENT_DATA_AT;
    *ret_dirty = false;
    if (!last)
        return 0; /* the next segment's first sequence tells whether that was all */
    uint64_t proof;
    rc = tail_scan(r, at, r->j->next_sequence + 1, &proof, ret_dirty);
    if (rc)
        return rc;
    if (proof)
        return corrupt(r, at, "a bad record before good ones");
    return 0;
}

/* Reads a segment's header. 0, -E_CORRUPT (bad), -E_UNSUPPORTED (version) or an I/O error. */
static int segment_head_read(struct recovery *r, struct journal_segment *s)
{
    char head[SEGMENT_HEAD];
    const char *p;
    if (r->w.file_size < SEGMENT_HEAD)
        return -E_CORRUPT;
    int rc = window_get(&r->w, 0, SEGMENT_HEAD, &p);
    if (rc)
        return rc;
    s->before_index = get_u64(p + 32);
    journal_segment_head(head, r->j->log_id, s);
    if (memcmp(head, p, SEGMENT_HEAD) == 0)
        return 0;
    bool intact = memcmp(p, head, 8) == 0 &&
                  get_u32(p + 12) == crc32c(crc32c(0, p, 12), p + 16, SEGMENT_HEAD - 16);
    return intact && get_u32(p + 8) != SEGMENT_VERSION ? -E_UNSUPPORTED : -E_CORRUPT;
}

static int segment_open(struct recovery *r, struct journal_segment *s)
{
    journal_segment_name(r->name, s->first_sequence);
    window_close(&r->w);
    int rc = window_open(&r->w, r->j->disk, r->name);
    if (rc)
        return err_set(r->err, -rc, "store file %s: open: %s", r->name, err_text(rc));
    return 0;
}

/* Checks all headers. A last segment without a good one, and without frames, was being made when
 * the machine stopped: it is dropped. */
static int segments_check(struct recovery *r)
{
    struct journal *j = r->j;
    for (size_t i = 0; i < j->segment_count; i++) {
        struct journal_segment *s = &j->segments[i];
        int rc = segment_open(r, s);
        if (rc)
            return rc;
        rc = segment_head_read(r, s);
        if (rc == -E_UNSUPPORTED)
            return err_set(r->err, E_UNSUPPORTED,
                           "store file %s, offset 8: a format version this program does not know; "
                           "use the program that wrote it, or a newer one", r->name);
        if (rc && rc != -E_CORRUPT)
            return read_error(r, rc, 0);
        if (!rc)
            continue;
        uint64_t proof = 1;
        bool dirty;
        if (i + 1 == j->segment_count) {
            rc = tail_scan(r, 0, 0, &proof, &dirty);
            if (rc)
                return rc;
        }
        if (proof)
            return corrupt(r, 0, "the header of the log file is bad");
        window_close(&r->w);
        rc = j->disk->ops->unlink(j->disk->ctx, r->name);
        if (rc)
            return err_set(r->err, -rc, "store file %s: removing it: %s", r->name, err_text(rc));
        j->segment_count--;
    }
    return 0;
}

static int list_fn(void *arg, const char *name)
{
    struct journal *j = arg;
    uint64_t first;
    if (!journal_segment_parse(name, &first))
        return 0;
    int rc = journal_segment_add(j, (struct journal_segment){first, 0, SEGMENT_DATA_AT});
    if (rc)
        return rc;
    for (size_t i = j->segment_count - 1; i > 0; i--) {
        struct journal_segment *s = &j->segments[i];
        if (s[-1].first_sequence <= s->first_sequence)
            break;
        struct journal_segment t = s[-1];
        s[-1] = *s;
        *s = t;
    }
    return 0;
}

/* Makes the last segment the active one, its tail clean. */
static int activate(struct recovery *r, bool dirty)
{
    struct journal *j = r->j;
    struct disk *d = j->disk;
    struct journal_segment *s = &j->segments[j->segment_count - 1];
    j->file = r->w.file;
    r->w.file = NULL;
    j->at = j->zeroed_to = s->bytes;
    int rc = dirty ? d->ops->truncate(d->ctx, j->file, j->at) : 0;
    /* What was read may be in the machine's cache only, if the process that wrote it ended before
     * its sync; from here on it counts as durable. */
    if (!rc)
        rc = d->ops->sync(d->ctx, j->file);
    j->syncs++;
    if (rc)
        return read_error(r, rc, j->at);
    /* Asked again after a cut. Without room the store still opens; writing then says so. */
    (void)d->ops->allocate(d->ctx, j->file, j->segment_bytes + JOURNAL_RESERVE_BYTES);
    return 0;
}

static int replay_all(struct recovery *r)
{
    struct journal *j = r->j;
    /* Segments before the last one that begins at or before the snapshot are leftovers of a trim. */
    size_t start = 0;
    for (size_t i = 0; i < j->segment_count; i++)
        if (j->segments[i].before_index <= r->snapshot_index)
            start = i;
    if (j->segments[start].before_index > r->snapshot_index) {
        journal_segment_name(r->name, j->segments[start].first_sequence);
        return err_set(r->err, E_CORRUPT,
                       "store file %s, offset 32: the log begins at entry %" PRIu64 " but the "
                       "snapshot ends at %" PRIu64 ": a log file or snapshot is missing. Restore "
                       "the store directory from a backup",
                       r->name, j->segments[start].before_index + 1, r->snapshot_index);
    }
    bool dirty = false;
    j->next_sequence = j->segments[start].first_sequence;
    j->last_index = j->segments[start].before_index;
    for (size_t i = start; i < j->segment_count; i++) {
        struct journal_segment *s = &j->segments[i];
        if (s->first_sequence != j->next_sequence) {
            uint64_t at = j->segments[i - 1].bytes;
            return corrupt(r, at, "records are missing before the next log file");
        }
        int rc = segment_open(r, s);
        if (!rc)
            rc = segment_replay(r, s, i + 1 == j->segment_count, &dirty);
        if (rc)
            return rc;
    }
    if (j->last_index < r->snapshot_index)
        j->last_index = r->snapshot_index;
    return activate(r, dirty);
}

int journal_open(struct journal *j, struct disk *d, uint64_t log_id, uint64_t segment_bytes,
                 uint64_t snapshot_index, bool fresh, journal_entry_fn *fn, void *ctx,
                 struct err *err)
{
    *j = (struct journal){.disk = d, .log_id = log_id, .segment_bytes = segment_bytes};
    buf_init(&j->frame, FRAME_PAYLOAD_MAX + FRAME_HEAD);
    struct recovery r = {.j = j, .snapshot_index = snapshot_index, .fn = fn, .ctx = ctx, .err = err};
    int rc = d->ops->list(d->ctx, list_fn, j);
    if (rc)
        err_set(err, -rc, "store directory: listing: %s", err_text(rc));
    else
        rc = segments_check(&r);
    if (!rc && j->segment_count > 0) {
        rc = replay_all(&r);
    } else if (!rc && fresh) {
        j->next_sequence = 1;
        j->last_index = snapshot_index;
        rc = journal_segment_create(j, 0, err);
    } else if (!rc) {
        rc = err_set(err, E_CORRUPT, "store directory: the log files are missing. Restore the "
                                     "store directory from a backup, or move it away to start "
                                     "empty");
    }
    window_close(&r.w);
    mem_free(r.w.data);
    if (rc)
        journal_close(j);
    return rc;
}
