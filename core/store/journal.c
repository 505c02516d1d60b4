/* Writing the log: frames, marks, segments. See journal.h. */
#include "store/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/crc32c.h"
#include "store/format.h"
#include "store/journal_int.h"

static const char magic[8] = {'K', 'E', 'E', 'L', 'L', 'O', 'G', '1'};

void journal_segment_name(char name[JOURNAL_NAME_MAX], uint64_t first_sequence)
{
    snprintf(name, JOURNAL_NAME_MAX, "log-%016" PRIx64, first_sequence);
}

bool journal_segment_parse(const char *name, uint64_t *ret_first_sequence)
{
    unsigned char raw[8];
    if (strlen(name) != 20 || memcmp(name, "log-", 4) != 0 ||
        hex_decode(raw, 8, str_make(name + 4, 16)))
        return false;
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | raw[i];
    *ret_first_sequence = v;
    return true;
}

void journal_segment_head(char head[SEGMENT_HEAD], uint64_t log_id, const struct journal_segment *s)
{
    memcpy(head, magic, 8);
    put_u32(head + 8, SEGMENT_VERSION);
    put_u64(head + 16, log_id);
    put_u64(head + 24, s->first_sequence);
    put_u64(head + 32, s->before_index);
    put_u32(head + 12, crc32c(crc32c(0, head, 12), head + 16, SEGMENT_HEAD - 16));
}

static uint32_t frame_head_crc(const char *p, uint64_t log_id)
{
    char salt[8];
    put_u64(salt, log_id);
    return crc32c(crc32c(crc32c(0, salt, 8), p, 4), p + 8, FRAME_HEAD - 8);
}

void frame_head_encode(char *p, uint64_t log_id, const struct frame_head *h)
{
    put_u32(p, FRAME_MAGIC);
    put_u64(p + 8, h->sequence);
    put_u64(p + 16, h->offset);
    put_u32(p + 24, h->payload_size);
    put_u32(p + 28, h->payload_crc);
    put_u32(p + 4, frame_head_crc(p, log_id));
}

bool frame_head_decode(const char *p, uint64_t log_id, struct frame_head *ret_head)
{
    if (get_u32(p) != FRAME_MAGIC || get_u32(p + 4) != frame_head_crc(p, log_id))
        return false;
    *ret_head = (struct frame_head){get_u64(p + 8), get_u64(p + 16), get_u32(p + 24),
                                    get_u32(p + 28)};
    return ret_head->payload_size <= FRAME_PAYLOAD_MAX;
}

int journal_segment_add(struct journal *j, struct journal_segment s)
{
    if (j->segment_count == j->segment_capacity) {
        size_t capacity = j->segment_capacity ? j->segment_capacity * 2 : 8;
        struct journal_segment *p = mem_realloc(j->segments, capacity * sizeof(*p));
        if (!p)
            return -E_NOMEM;
        j->segments = p;
        j->segment_capacity = capacity;
    }
    j->segments[j->segment_count++] = s;
    return 0;
}

static struct journal_segment *active(const struct journal *j)
{
    return j->segment_count ? &j->segments[j->segment_count - 1] : NULL;
}

static int io_error(const struct journal *j, struct err *err, int rc, const char *what, uint64_t at)
{
    char name[JOURNAL_NAME_MAX] = "log";
    if (active(j))
        journal_segment_name(name, active(j)->first_sequence);
    return err_set(err, -rc, "store file %s, offset %" PRIu64 ": %s: %s", name, at, what,
                   err_text(rc));
}

static int segment_prepare(struct journal *j, struct disk_file *file,
                           const struct journal_segment *s, uint64_t frame_bytes)
{
    struct disk *d = j->disk;
    uint64_t size = j->segment_bytes;
    if (size < SEGMENT_DATA_AT + frame_bytes)
        size = SEGMENT_DATA_AT + frame_bytes;
    char head[SEGMENT_HEAD];
    journal_segment_head(head, j->log_id, s);
    /* A leftover of a crash in this very place may have contents. */
    int rc = d->ops->truncate(d->ctx, file, 0);
    if (!rc)
        rc = d->ops->allocate(d->ctx, file, size + JOURNAL_RESERVE_BYTES);
    if (rc == -E_UNSUPPORTED)
        rc = 0;
    if (!rc)
        rc = d->ops->write(d->ctx, file, 0, head, SEGMENT_HEAD);
    if (!rc)
        rc = d->ops->sync(d->ctx, file);
    if (!rc)
        rc = d->ops->sync_dir(d->ctx);
    j->syncs++;
    return rc;
}

int journal_segment_create(struct journal *j, uint64_t frame_bytes, struct err *err)
{
    struct disk *d = j->disk;
    struct journal_segment s = {j->next_sequence, j->last_index, SEGMENT_DATA_AT};
    char name[JOURNAL_NAME_MAX];
    journal_segment_name(name, s.first_sequence);
    struct disk_file *file = NULL;
    int rc = d->ops->open(d->ctx, name, true, &file);
    if (!rc) {
        rc = segment_prepare(j, file, &s, frame_bytes);
        if (!rc)
            rc = journal_segment_add(j, s);
        if (rc) {
            d->ops->close(d->ctx, file);
            if (rc == -E_NO_SPACE) /* an empty leftover is dropped at the next open too */
                (void)d->ops->unlink(d->ctx, name);
        }
    }
    if (rc)
        return err_set(err, -rc, "store file %s: making it: %s", name, err_text(rc));
    if (j->file) {
        /* Gives back what was allocated but not used; nothing depends on it. */
        (void)d->ops->truncate(d->ctx, j->file, j->at);
        d->ops->close(d->ctx, j->file);
    }
    j->file = file;
    j->at = j->zeroed_to = SEGMENT_DATA_AT;
    j->no_space = false;
    return 0;
}

void journal_close(struct journal *j)
{
    if (j->file)
        j->disk->ops->close(j->disk->ctx, j->file);
    mem_free(j->segments);
    buf_done(&j->frame);
    *j = (struct journal){0};
}

/* Room for a frame in the active segment, or a new one. */
static int make_room(struct journal *j, uint64_t bytes, struct err *err)
{
    if (j->at + bytes <= j->segment_bytes)
        return 0;
    struct err new_err = {0};
    if (j->at == SEGMENT_DATA_AT) {
        /* An empty one takes any frame: another would have its sequence, and so its name. */
        int rc = j->disk->ops->allocate(j->disk->ctx, j->file, j->at + bytes + JOURNAL_RESERVE_BYTES);
        return rc && rc != -E_UNSUPPORTED ? io_error(j, err, rc, "making room", j->at) : 0;
    }
    int rc = journal_segment_create(j, bytes, &new_err);
    if (rc == -E_NO_SPACE && j->at + bytes <= j->segment_bytes + JOURNAL_RESERVE_BYTES) {
        j->no_space = true;
        return 0;
    }
    return rc ? err_set(err, -rc, "%s", new_err.text) : 0;
}

/* A frame in j->frame with its head still to be filled in. */
static int frame_build(struct journal *j, struct raft_entry *const *entries, size_t count)
{
    static const char zeros[FRAME_HEAD];
    buf_clear(&j->frame);
    buf_append(&j->frame, zeros, FRAME_HEAD);
    for (size_t i = 0; i < count; i++) {
        const struct raft_entry *e = entries[i];
        char head[ENTRY_HEAD] = {(char)e->kind};
        put_u32(head + 4, e->size);
        put_u64(head + 8, e->index);
        put_u64(head + 16, e->term);
        buf_append(&j->frame, head, ENTRY_HEAD);
        buf_append(&j->frame, e->bytes, e->size);
        buf_append(&j->frame, zeros, frame_align(e->size) - e->size);
    }
    return j->frame.failed ? -E_NOMEM : 0;
}

/* The next zeros, behind the frame, so that most syncs find their blocks already written, and the
 * mark its place. */
static int zero_ahead(struct journal *j, uint64_t end)
{
    static const char zeros[16 * 1024];
    uint64_t least = end + FRAME_HEAD, to = end + JOURNAL_ZERO_BYTES;
    if (least <= j->zeroed_to)
        return 0;
    if (to > j->segment_bytes)
        to = j->segment_bytes;
    if (to < least)
        to = least;
    for (uint64_t at = end; at < to;) {
        size_t n = to - at < sizeof(zeros) ? (size_t)(to - at) : sizeof(zeros);
        int rc = j->disk->ops->write(j->disk->ctx, j->file, at, zeros, n);
        if (rc)
            return rc;
        at += n;
    }
    j->zeroed_to = to;
    return 0;
}

static int frame_write(struct journal *j, struct err *err)
{
    struct str frame = buf_str(&j->frame);
    struct frame_head h = {
        .sequence = j->next_sequence,
        .offset = j->at,
        .payload_size = (uint32_t)(frame.n - FRAME_HEAD),
        .payload_crc = crc32c(0, frame.p + FRAME_HEAD, frame.n - FRAME_HEAD),
    };
    frame_head_encode(j->frame.data + j->frame.head, j->log_id, &h);
    int rc = j->disk->ops->write(j->disk->ctx, j->file, j->at, frame.p, frame.n);
    if (rc)
        return io_error(j, err, rc, "writing", j->at);
    return 0;
}

int journal_append(struct journal *j, struct raft_entry *const *entries, size_t count,
                   struct err *err)
{
    ASSERT(count > 0);
    int rc = frame_build(j, entries, count);
    if (rc)
        return err_set(err, -rc, "store log: %s", err_text(rc));
    rc = make_room(j, buf_len(&j->frame), err);
    if (rc)
        return rc;
    rc = frame_write(j, err);
    if (rc)
        return rc;
    uint64_t at = j->at;
    j->next_sequence++;
    j->at += buf_len(&j->frame);
    j->written += buf_len(&j->frame);
    active(j)->bytes = j->at;
    rc = zero_ahead(j, j->at);
    if (rc && rc != -E_NO_SPACE)
        return io_error(j, err, rc, "writing zeros", j->at);
    rc = j->disk->ops->sync(j->disk->ctx, j->file);
    if (rc)
        return io_error(j, err, rc, "fsync", at);
    j->syncs++;
    j->last_index = entries[count - 1]->index;
    if (j->frame.cap > 512 * 1024) {
        buf_done(&j->frame);
        buf_init(&j->frame, FRAME_PAYLOAD_MAX + FRAME_HEAD);
    }
    return 0;
}

int journal_mark(struct journal *j, struct err *err)
{
    /* Only inside what is written anyway; a missing mark proves nothing. */
    if (j->at + FRAME_HEAD > j->zeroed_to)
        return 0;
    if (frame_build(j, NULL, 0))
        return 0;
    return frame_write(j, err);
}

int journal_trim(struct journal *j, uint64_t index, struct err *err)
{
    size_t drop = 0;
    while (drop + 1 < j->segment_count && j->segments[drop + 1].before_index <= index)
        drop++;
    for (size_t i = 0; i < drop; i++) {
        char name[JOURNAL_NAME_MAX];
        journal_segment_name(name, j->segments[i].first_sequence);
        int rc = j->disk->ops->unlink(j->disk->ctx, name);
        if (rc && rc != -E_NOT_FOUND)
            return err_set(err, -rc, "store file %s: removing it: %s", name, err_text(rc));
    }
    if (drop) {
        j->segment_count -= drop;
        memmove(j->segments, j->segments + drop, j->segment_count * sizeof(j->segments[0]));
    }
    return 0;
}

uint64_t journal_bytes(const struct journal *j)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < j->segment_count; i++)
        bytes += j->segments[i].bytes;
    return bytes;
}
