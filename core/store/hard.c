/* Two slots, written one after the other. See hard.h. */
#include "store/hard.h"

#include <string.h>

#include "store/crc32c.h"
#include "store/format.h"

enum { SLOT_BYTES = 56, SLOT_STRIDE = 4096, VERSION = 2 };
static const char magic[8] = {'K', 'E', 'E', 'L', 'H', 'R', 'D', '1'};

struct slot {
    uint64_t log_id, sequence;
    struct raft_hard hard;
    bool joins;
};

static uint32_t slot_crc(const char *p)
{
    return crc32c(crc32c(0, p, 12), p + 16, SLOT_BYTES - 16);
}

static void slot_encode(char *p, const struct slot *s)
{
    memcpy(p, magic, 8);
    put_u32(p + 8, VERSION);
    put_u64(p + 16, s->log_id);
    put_u64(p + 24, s->sequence);
    put_u64(p + 32, s->hard.term);
    put_u64(p + 40, s->hard.vote);
    put_u64(p + 48, s->joins);
    put_u32(p + 12, slot_crc(p));
}

/* 0, -E_CORRUPT, or -E_UNSUPPORTED for a good slot of another version. */
static int slot_decode(const char *p, struct slot *ret_slot)
{
    if (memcmp(p, magic, 8) != 0 || get_u32(p + 12) != slot_crc(p))
        return -E_CORRUPT;
    if (get_u32(p + 8) != VERSION)
        return -E_UNSUPPORTED;
    *ret_slot = (struct slot){get_u64(p + 16),
                              get_u64(p + 24),
                              {.term = get_u64(p + 32), .vote = get_u64(p + 40)},
                              get_u64(p + 48) & 1};
    return 0;
}

static int slots_write(struct disk *d, struct disk_file *file, const struct slot *s,
                       struct err *err)
{
    char bytes[SLOT_BYTES];
    slot_encode(bytes, s);
    for (uint64_t i = 0; i < 2; i++) {
        int rc = d->ops->write(d->ctx, file, i * SLOT_STRIDE, bytes, SLOT_BYTES);
        if (rc)
            return err_set(err, -rc, "store file hard: writing at %llu: %s",
                           (unsigned long long)(i * SLOT_STRIDE), err_text(rc));
        rc = d->ops->sync(d->ctx, file);
        if (rc)
            return err_set(err, -rc, "store file hard: fsync: %s", err_text(rc));
    }
    return 0;
}

int hard_create(struct disk *d, uint64_t log_id, bool joins, struct err *err)
{
    struct disk_file *file = NULL;
    int rc = d->ops->open(d->ctx, "hard.tmp", true, &file);
    if (rc)
        return err_set(err, -rc, "store file hard.tmp: open: %s", err_text(rc));
    struct slot s = {.log_id = log_id, .sequence = 1, .joins = joins};
    rc = slots_write(d, file, &s, err);
    d->ops->close(d->ctx, file);
    if (rc)
        return rc;
    rc = d->ops->rename(d->ctx, "hard.tmp", "hard");
    if (!rc)
        rc = d->ops->sync_dir(d->ctx);
    return rc ? err_set(err, -rc, "store file hard: naming it: %s", err_text(rc)) : 0;
}

static int slots_read(struct disk *d, struct disk_file *file, struct slot *ret_slot,
                      struct err *err)
{
    struct slot best = {0};
    int good = 0, first_rc[2];
    for (uint64_t i = 0; i < 2; i++) {
        char bytes[SLOT_BYTES];
        struct slot s = {0};
        size_t n = 0;
        int rc = d->ops->read(d->ctx, file, i * SLOT_STRIDE, bytes, SLOT_BYTES, &n);
        if (rc)
            return err_set(err, -rc, "store file hard: reading: %s", err_text(rc));
        first_rc[i] = n == SLOT_BYTES ? slot_decode(bytes, &s) : -E_CORRUPT;
        if (first_rc[i] == 0 && (!good || s.sequence > best.sequence)) {
            best = s;
            good++;
        }
    }
    if (first_rc[0] == -E_UNSUPPORTED || first_rc[1] == -E_UNSUPPORTED)
        return err_set(err, E_UNSUPPORTED,
                       "store file hard, offset 8: a format version this program does not know; "
                       "use the program that wrote it, or a newer one");
    if (!good)
        return err_set(err, E_CORRUPT,
                       "store file hard, offset 0: both copies of term and vote are corrupt; "
                       "restore the store directory from a backup, or move it away to start empty");
    *ret_slot = best;
    return 0;
}

int hard_open(struct disk *d, struct hard_file *ret_file, struct err *err)
{
    struct disk_file *file = NULL;
    int rc = d->ops->open(d->ctx, "hard", false, &file);
    if (rc)
        return err_set(err, -rc, "store file hard: open: %s", err_text(rc));
    struct slot s = {0};
    rc = slots_read(d, file, &s, err);
    if (!rc) {
        /* It may be what a failed sync left in the machine's cache; now it will be acted upon. */
        rc = d->ops->sync(d->ctx, file);
        if (rc)
            err_set(err, -rc, "store file hard: fsync: %s", err_text(rc));
    }
    if (rc) {
        d->ops->close(d->ctx, file);
        return rc;
    }
    *ret_file = (struct hard_file){file, s.log_id, s.sequence, s.hard, s.joins};
    return 0;
}

int hard_save(struct disk *d, struct hard_file *f, struct raft_hard hard, struct err *err)
{
    struct slot s = {f->log_id, f->sequence + 1, hard, f->joins};
    int rc = slots_write(d, f->file, &s, err);
    if (rc)
        return rc;
    f->sequence = s.sequence;
    f->hard = hard;
    return 0;
}

void hard_close(struct disk *d, struct hard_file *f)
{
    if (f->file)
        d->ops->close(d->ctx, f->file);
    f->file = NULL;
}
