/*
 * Layers as a registry may send them: the first byte says in what pieces the rest comes; gzip, zstd
 * or plain. Checked: data stays inside its file, and in order; each entry that begins without an
 * error ends.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "codec/decompress.h"
#include "codec/tar.h"

enum { OUTPUT_BYTES = 8 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct watch {
    struct tar *tar;
    uint64_t size, at;
    bool open;
};

static int on_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
    struct watch *w = ctx;
    (void)err;
    ASSERT(!w->open && e->path[0] && e->link);
    ASSERT(e->type == TAR_FILE || e->size_bytes == 0);
    for (size_t i = 0; i < e->xattr_count; i++)
        ASSERT(e->xattrs[i].name);
    *w = (struct watch){.tar = w->tar, .size = e->size_bytes, .open = true};
    return 0;
}

static int on_data(void *ctx, uint64_t offset, struct str bytes, struct err *err)
{
    struct watch *w = ctx;
    (void)err;
    ASSERT(w->open && offset >= w->at && bytes.n <= w->size && offset <= w->size - bytes.n);
    w->at = offset + bytes.n;
    return 0;
}

static int on_end(void *ctx, struct err *err)
{
    struct watch *w = ctx;
    (void)err;
    ASSERT(w->open);
    w->open = false;
    return 0;
}

static int plain(void *ctx, struct str bytes, struct err *err)
{
    struct watch *w = ctx;
    return tar_feed(w->tar, bytes, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tar_sink sink = {on_entry, on_data, on_end};
    struct watch w = {0};
    struct decompress *d;
    struct err err;
    if (!size || tar_new(&sink, &w, &w.tar) < 0)
        return 0;
    size_t step = data[0] ? data[0] * 5u : size;
    ASSERT(decompress_new(OUTPUT_BYTES, plain, &w, &d) == 0);
    int rc = 0;
    for (size_t at = 1; rc == 0 && at < size; at += step)
        rc = decompress_feed(d, str_make(data + at, size - at < step ? size - at : step), &err);
    if (rc == 0)
        rc = decompress_finish(d, &err);
    if (rc == 0 && tar_finish(w.tar, &err) == 0)
        ASSERT(!w.open);
    decompress_free(d);
    tar_free(w.tar);
    ASSERT(mem_live_count() == 0);
    return 0;
}
