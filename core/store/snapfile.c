/* Snapshots: writing in steps, loading, dropping old ones. See snapfile.h. */
#include "store/snapfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/crc32c.h"
#include "store/format.h"
#include "store/record.h"

enum {
    VERSION = 2,
    HEAD_FIXED = 64,
    HEAD = 1024,
    BLOCK_HEAD = 16,
    BLOCK_FULL = 128 * 1024, /* a block ends with the record that passes this */
    BLOCK_MAX = BLOCK_FULL + RECORD_MAX,
    SYNC_EVERY = 4 * 1024 * 1024, /* so that no single sync holds up commits for long */
    NAME_MAX_BYTES = 32,
};
_Static_assert(HEAD_FIXED + RAFT_MEMBERS_SIZE_MAX <= HEAD, "the members fit into the header");
static const char magic[8] = {'K', 'E', 'E', 'L', 'S', 'N', 'P', '1'};
static const char tmp_name[] = "snap.tmp";

static void name_of(char name[NAME_MAX_BYTES], uint64_t index)
{
    snprintf(name, NAME_MAX_BYTES, "snap-%016" PRIx64, index);
}

static bool name_parse(const char *name, uint64_t *ret_index)
{
    unsigned char raw[8];
    if (strlen(name) != 21 || memcmp(name, "snap-", 5) != 0 ||
        hex_decode(raw, 8, str_make(name + 5, 16)))
        return false;
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | raw[i];
    *ret_index = v;
    return true;
}

static uint32_t block_crc(uint64_t log_id, const char *p, size_t n)
{
    char salt[8];
    put_u64(salt, log_id);
    return crc32c(crc32c(0, salt, 8), p + 4, n - 4);
}

static int failed(struct snapfile_writer *w, struct err *err, int rc, const char *what)
{
    uint64_t at = w->at;
    snapfile_abort(w);
    return err_set(err, -rc, "store file %s, offset %" PRIu64 ": %s: %s", tmp_name, at, what,
                   err_text(rc));
}

int snapfile_begin(struct snapfile_writer *w, struct disk *d, const struct snapfile_meta *meta,
                   const struct tree_node *root, struct err *err)
{
    ASSERT(!w->file);
    *w = (struct snapfile_writer){.disk = d, .meta = *meta, .root = root, .at = HEAD};
    buf_init(&w->block, BLOCK_HEAD + BLOCK_MAX);
    int rc = d->ops->open(d->ctx, tmp_name, true, &w->file);
    if (rc)
        return failed(w, err, rc, "open");
    rc = d->ops->truncate(d->ctx, w->file, 0);
    if (rc)
        return failed(w, err, rc, "truncate");
    char head[HEAD] = {0};
    memcpy(head, magic, 8);
    put_u32(head + 8, VERSION);
    put_u64(head + 16, meta->log_id);
    put_u64(head + 24, meta->index);
    put_u64(head + 32, meta->term);
    put_u64(head + 40, (uint64_t)meta->revision);
    put_u64(head + 48, tree_total(root));
    put_u32(head + 56, (uint32_t)raft_members_encode(&meta->members, head + HEAD_FIXED));
    put_u32(head + 12, crc32c(crc32c(0, head, 12), head + 16, HEAD - 16));
    rc = d->ops->write(d->ctx, w->file, 0, head, HEAD);
    return rc ? failed(w, err, rc, "writing") : 0;
}

static void writer_close(struct snapfile_writer *w)
{
    if (w->file)
        w->disk->ops->close(w->disk->ctx, w->file);
    w->file = NULL;
    buf_done(&w->block);
}

void snapfile_abort(struct snapfile_writer *w)
{
    bool leftover = w->file;
    writer_close(w);
    if (leftover) /* what stays behind is dropped at the next open */
        (void)w->disk->ops->unlink(w->disk->ctx, tmp_name);
}

static bool add_record(void *ctx, struct store_value *v)
{
    struct snapfile_writer *w = ctx;
    struct str key = store_value_key(v);
    store_record_append(&w->block, v);
    /* The least key behind this one is it and a zero byte. */
    memcpy(w->last_key, key.p, key.n);
    w->last_key[key.n] = 0;
    w->last_key_size = key.n + 1;
    w->have_key = true;
    return !w->block.failed && buf_len(&w->block) < BLOCK_FULL;
}

static int finish(struct snapfile_writer *w, struct err *err)
{
    struct disk *d = w->disk;
    int rc = d->ops->sync(d->ctx, w->file);
    if (rc)
        return failed(w, err, rc, "fsync");
    char name[NAME_MAX_BYTES];
    name_of(name, w->meta.index);
    rc = d->ops->rename(d->ctx, tmp_name, name);
    if (!rc)
        rc = d->ops->sync_dir(d->ctx);
    if (rc)
        return failed(w, err, rc, "renaming");
    writer_close(w);
    return 0;
}

int snapfile_step(struct snapfile_writer *w, struct err *err)
{
    static const char zeros[BLOCK_HEAD];
    struct disk *d = w->disk;
    buf_clear(&w->block);
    buf_append(&w->block, zeros, BLOCK_HEAD);
    struct str from = str_make(w->last_key, w->have_key ? w->last_key_size : 0);
    tree_range(w->root, from, STR(""), add_record, w);
    if (w->block.failed)
        return failed(w, err, -E_NOMEM, "making a block");
    char *p = w->block.data + w->block.head;
    size_t n = buf_len(&w->block);
    bool end = n == BLOCK_HEAD;
    put_u32(p + 4, (uint32_t)(n - BLOCK_HEAD));
    put_u64(p + 8, w->block_number++);
    put_u32(p, block_crc(w->meta.log_id, p, n));
    int rc = d->ops->write(d->ctx, w->file, w->at, p, n);
    if (rc)
        return failed(w, err, rc, "writing");
    w->at += n;
    w->unsynced += n;
    if (end)
        return finish(w, err);
    if (w->unsynced >= SYNC_EVERY) {
        rc = d->ops->sync(d->ctx, w->file);
        if (rc)
            return failed(w, err, rc, "fsync");
        w->unsynced = 0;
    }
    return 1;
}

/* ---- loading ---- */

struct loader {
    struct disk *disk;
    struct disk_file *file;
    char name[NAME_MAX_BYTES];
    struct snapfile_meta meta;
    uint64_t keys, at, block_number;
    struct buf block;
    struct tree_node *root;
    void (*attach_free)(void *);
    struct err *err;
};

static int corrupt(struct loader *l, const char *what)
{
    return err_set(l->err, E_CORRUPT,
                   "store file %s, offset %" PRIu64 ": %s; the snapshot is damaged. Restore the "
                   "store directory from a backup, or move it away to start empty",
                   l->name, l->at, what);
}

static int load_error(struct loader *l, int rc, const char *what)
{
    return err_set(l->err, -rc, "store file %s, offset %" PRIu64 ": %s: %s", l->name, l->at, what,
                   err_text(rc));
}

/* Exactly n bytes at l->at to the end of l->block. */
static int read_bytes(struct loader *l, size_t n)
{
    size_t got = 0;
    char *p = buf_reserve(&l->block, n);
    if (!p)
        return load_error(l, -E_NOMEM, "reading");
    int rc = l->disk->ops->read(l->disk->ctx, l->file, l->at, p, n, &got);
    if (rc)
        return load_error(l, rc, "reading");
    if (got < n)
        return corrupt(l, "it ends too early");
    buf_commit(&l->block, n);
    return 0;
}

static int head_load(struct loader *l, uint64_t log_id, uint64_t index)
{
    int rc = read_bytes(l, HEAD);
    if (rc)
        return rc;
    const char *p = buf_str(&l->block).p;
    if (memcmp(p, magic, 8) != 0 ||
        get_u32(p + 12) != crc32c(crc32c(0, p, 12), p + 16, HEAD - 16))
        return corrupt(l, "a bad header");
    if (get_u32(p + 8) != VERSION)
        return err_set(l->err, E_UNSUPPORTED,
                       "store file %s, offset 8: a format version this program does not know; use "
                       "the program that wrote it, or a newer one", l->name);
    l->meta.log_id = get_u64(p + 16);
    l->meta.index = get_u64(p + 24);
    l->meta.term = get_u64(p + 32);
    l->meta.revision = (int64_t)get_u64(p + 40);
    l->keys = get_u64(p + 48);
    uint32_t size = get_u32(p + 56);
    if (size > HEAD - HEAD_FIXED || raft_members_decode(p + HEAD_FIXED, size, &l->meta.members))
        return corrupt(l, "a header with members that make no sense");
    if (l->meta.log_id != log_id || l->meta.index != index)
        return corrupt(l, "it belongs to another store or position");
    l->at = HEAD;
    return 0;
}

static int record_load(struct loader *l, const char **at, const char *end)
{
    struct store_value *v, *old = NULL;
    int rc = store_record_read(at, end, l->attach_free, &v);
    if (rc == -E_CORRUPT)
        return corrupt(l, "a record is longer than its block");
    if (rc)
        return load_error(l, rc, "loading");
    rc = tree_put(&l->root, v, &old);
    store_value_unref(v);
    if (rc)
        return load_error(l, rc, "loading");
    if (old) {
        store_value_unref(old);
        return corrupt(l, "a key is there twice");
    }
    return 0;
}

/* 1 more blocks, 0 that was the last. */
static int block_load(struct loader *l)
{
    buf_clear(&l->block);
    int rc = read_bytes(l, BLOCK_HEAD);
    if (rc)
        return rc;
    uint32_t size = get_u32(buf_str(&l->block).p + 4);
    if (size > BLOCK_MAX)
        return corrupt(l, "a bad block head");
    l->at += BLOCK_HEAD;
    rc = size ? read_bytes(l, size) : 0;
    l->at -= BLOCK_HEAD;
    if (rc)
        return rc;
    const char *p = buf_str(&l->block).p;
    if (get_u32(p) != block_crc(l->meta.log_id, p, BLOCK_HEAD + size) ||
        get_u64(p + 8) != l->block_number)
        return corrupt(l, "a bad block");
    for (const char *at = p + BLOCK_HEAD, *end = at + size; at < end;) {
        rc = record_load(l, &at, end);
        if (rc)
            return rc;
    }
    l->at += BLOCK_HEAD + size;
    l->block_number++;
    return size > 0;
}

static int load_file(struct loader *l, uint64_t log_id, uint64_t index)
{
    int rc = l->disk->ops->open(l->disk->ctx, l->name, false, &l->file);
    if (rc == -E_NOT_FOUND)
        rc = -E_IO; /* it was listed; never mistaken for "no snapshot" */
    if (rc)
        return load_error(l, rc, "open");
    rc = head_load(l, log_id, index);
    if (!rc) {
        while ((rc = block_load(l)) > 0)
            ;
    }
    uint64_t size = 0;
    if (!rc) {
        rc = l->disk->ops->size(l->disk->ctx, l->file, &size);
        if (rc)
            rc = load_error(l, rc, "size");
        else if (size != l->at)
            rc = corrupt(l, "something follows its end");
        else if (tree_total(l->root) != l->keys)
            rc = corrupt(l, "it does not hold as many keys as it says");
    }
    l->disk->ops->close(l->disk->ctx, l->file);
    return rc;
}

static int newest_fn(void *arg, const char *name)
{
    uint64_t *newest = arg, index;
    if (name_parse(name, &index) && index > *newest)
        *newest = index;
    return 0;
}

int snapfile_load(struct disk *d, uint64_t log_id, void (*attach_free)(void *),
                  struct snapfile_meta *ret_meta, struct tree_node **ret_root, struct err *err)
{
    uint64_t newest = 0;
    int rc = d->ops->list(d->ctx, newest_fn, &newest);
    if (rc)
        return err_set(err, -rc, "store directory: listing: %s", err_text(rc));
    rc = d->ops->unlink(d->ctx, tmp_name);
    if (rc && rc != -E_NOT_FOUND)
        return err_set(err, -rc, "store file %s: removing it: %s", tmp_name, err_text(rc));
    if (newest == 0)
        return -E_NOT_FOUND;
    rc = d->ops->sync_dir(d->ctx); /* its name, before what it replaces goes */
    if (rc)
        return err_set(err, -rc, "store directory: fsync: %s", err_text(rc));
    struct loader l = {.disk = d, .attach_free = attach_free, .err = err};
    name_of(l.name, newest);
    buf_init(&l.block, BLOCK_HEAD + BLOCK_MAX);
    rc = load_file(&l, log_id, newest);
    buf_done(&l.block);
    if (!rc)
        rc = snapfile_trim(d, newest, err);
    if (rc) {
        tree_unref(l.root);
        return rc;
    }
    *ret_meta = l.meta;
    *ret_root = l.root;
    return 0;
}

struct oldest {
    uint64_t before;
    uint64_t found;
};

static int oldest_fn(void *arg, const char *name)
{
    struct oldest *o = arg;
    uint64_t index;
    if (name_parse(name, &index) && index < o->before && (!o->found || index < o->found))
        o->found = index;
    return 0;
}

int snapfile_trim(struct disk *d, uint64_t index, struct err *err)
{
    for (;;) {
        struct oldest o = {.before = index};
        int rc = d->ops->list(d->ctx, oldest_fn, &o);
        if (rc)
            return err_set(err, -rc, "store directory: listing: %s", err_text(rc));
        if (!o.found)
            return 0;
        char name[NAME_MAX_BYTES];
        name_of(name, o.found);
        rc = d->ops->unlink(d->ctx, name);
        if (rc && rc != -E_NOT_FOUND)
            return err_set(err, -rc, "store file %s: removing it: %s", name, err_text(rc));
    }
}
