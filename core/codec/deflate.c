/* zlib with a preset dictionary. See deflate.h. */
#include "codec/deflate.h"

#include <zlib.h>

enum { STEP = 4096, WINDOW_BITS = 11, MEMORY_LEVEL = 4 };

struct deflate {
    z_stream z;
};

struct inflate {
    z_stream z;
    struct str dictionary;
};

static void *z_alloc(void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return mem_calloc(count, size);
}

static void z_free(void *ctx, void *p)
{
    (void)ctx;
    mem_free(p);
}

int deflate_new(struct str dictionary, struct deflate **ret_deflate)
{
    struct deflate *d = mem_zalloc(sizeof *d);
    if (!d)
        return -E_NOMEM;
    d->z.zalloc = z_alloc;
    d->z.zfree = z_free;
    if (deflateInit2(&d->z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        mem_free(d);
        return -E_NOMEM;
    }
    if (deflateSetDictionary(&d->z, (const Bytef *)dictionary.p, (uInt)dictionary.n) != Z_OK) {
        deflate_free(d);
        return -E_BAD_REQUEST;
    }
    *ret_deflate = d;
    return 0;
}

void deflate_free(struct deflate *d)
{
    if (!d)
        return;
    deflateEnd(&d->z);
    mem_free(d);
}

int deflate_piece(struct deflate *d, struct str piece, struct buf *out)
{
    d->z.next_in = (Bytef *)piece.p;
    d->z.avail_in = (uInt)piece.n;
    do {
        char *to = buf_reserve(out, STEP);
        if (!to)
            return -E_NOMEM;
        d->z.next_out = (Bytef *)to;
        d->z.avail_out = STEP;
        int rc = deflate(&d->z, Z_SYNC_FLUSH);
        if (rc != Z_OK && rc != Z_BUF_ERROR)
            return -E_INTERNAL;
        buf_commit(out, STEP - d->z.avail_out);
    } while (d->z.avail_out == 0);
    return 0;
}

int inflate_new(struct str dictionary, struct inflate **ret_inflate)
{
    struct inflate *i = mem_zalloc(sizeof *i);
    if (!i)
        return -E_NOMEM;
    i->dictionary = dictionary;
    i->z.zalloc = z_alloc;
    i->z.zfree = z_free;
    if (inflateInit(&i->z) != Z_OK) {
        mem_free(i);
        return -E_NOMEM;
    }
    *ret_inflate = i;
    return 0;
}

void inflate_free(struct inflate *i)
{
    if (!i)
        return;
    inflateEnd(&i->z);
    mem_free(i);
}

static int step(struct inflate *i)
{
    int rc = inflate(&i->z, Z_SYNC_FLUSH);
    if (rc != Z_NEED_DICT)
        return rc;
    /* A wrong dictionary is refused by its checksum. */
    if (inflateSetDictionary(&i->z, (const Bytef *)i->dictionary.p, (uInt)i->dictionary.n) != Z_OK)
        return Z_DATA_ERROR;
    return inflate(&i->z, Z_SYNC_FLUSH);
}

int inflate_piece(struct inflate *i, struct str piece, struct buf *out)
{
    i->z.next_in = (Bytef *)piece.p;
    i->z.avail_in = (uInt)piece.n;
    for (;;) {
        size_t room = out->max_bytes - buf_len(out);
        room = room < STEP ? room : STEP;
        char *to = room ? buf_reserve(out, room) : NULL;
        if (!to)
            return -E_TOO_LARGE;
        i->z.next_out = (Bytef *)to;
        i->z.avail_out = (uInt)room;
        int rc = step(i);
        buf_commit(out, room - i->z.avail_out);
        if (rc != Z_OK && rc != Z_BUF_ERROR)
            return rc == Z_MEM_ERROR ? -E_NOMEM : -E_SYNTAX;
        if (i->z.avail_out)
            return i->z.avail_in ? -E_SYNTAX : 0;
    }
}
