/* zlib and zstd behind one interface. See decompress.h. */
#include "codec/decompress.h"

#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_customMem */
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

enum { OUT_BYTES = 128 * 1024, MAGIC_BYTES = 4 };

enum kind { UNKNOWN, PLAIN, GZIP, ZSTANDARD };

struct decompress {
    enum kind kind;
    uint64_t left; /* output still allowed */
    decompress_sink_fn *sink;
    void *ctx;
    unsigned char magic[MAGIC_BYTES]; /* first bytes, while the kind is unknown */
    size_t magic_len;
    z_stream gzip;
    bool gzip_open, complete; /* complete: at a boundary, where the input may end */
    ZSTD_DStream *zstd;
    unsigned char *out;
};

static voidpf zlib_alloc(voidpf ctx, uInt count, uInt size)
{
    (void)ctx;
    return mem_calloc(count, size);
}

static void zlib_free(voidpf ctx, voidpf p)
{
    (void)ctx;
    mem_free(p);
}

static void *zstd_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return mem_alloc(size);
}

static void zstd_free(void *ctx, void *p)
{
    (void)ctx;
    mem_free(p);
}

int decompress_new(uint64_t max_output_bytes, decompress_sink_fn *sink, void *ctx, struct decompress **ret_d)
{
    struct decompress *d = mem_zalloc(sizeof *d);
    if (!d)
        return -E_NOMEM;
    d->out = mem_alloc(OUT_BYTES);
    if (!d->out) {
        mem_free(d);
        return -E_NOMEM;
    }
    d->left = max_output_bytes;
    d->sink = sink;
    d->ctx = ctx;
    *ret_d = d;
    return 0;
}

void decompress_free(struct decompress *d)
{
    if (!d)
        return;
    if (d->gzip_open)
        inflateEnd(&d->gzip);
    ZSTD_freeDStream(d->zstd);
    mem_free(d->out);
    mem_free(d);
}

const char *decompress_kind(const struct decompress *d)
{
    static const char *const names[] = {[UNKNOWN] = "", [PLAIN] = "plain", [GZIP] = "gzip", [ZSTANDARD] = "zstd"};
    return names[d->kind];
}

static int give(struct decompress *d, const void *p, size_t n, struct err *err)
{
    if (n > d->left)
        return err_set(err, E_TOO_LARGE, "unpacks to more than is allowed");
    d->left -= n;
    return n ? d->sink(d->ctx, str_make(p, n), err) : 0;
}

static int open_gzip(struct decompress *d, struct err *err)
{
    d->gzip.zalloc = zlib_alloc;
    d->gzip.zfree = zlib_free;
    if (inflateInit2(&d->gzip, 15 + 16) != Z_OK)
        return err_set(err, E_NOMEM, "out of memory for gzip");
    d->gzip_open = true;
    d->kind = GZIP;
    return 0;
}

static int open_zstd(struct decompress *d, struct err *err)
{
    d->zstd = ZSTD_createDStream_advanced((ZSTD_customMem){zstd_alloc, zstd_free, NULL});
    if (!d->zstd)
        return err_set(err, E_NOMEM, "out of memory for zstd");
    ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, DECOMPRESS_WINDOW_LOG);
    d->kind = ZSTANDARD;
    return 0;
}

static int gzip_feed(struct decompress *d, struct str in, struct err *err)
{
    d->gzip.next_in = (z_const Bytef *)(uintptr_t)in.p;
    d->gzip.avail_in = (uInt)in.n;
    for (;;) {
        if (d->complete) { /* another member may follow; padding with zeros may not */
            if (!d->gzip.avail_in)
                return 0;
            if (inflateReset(&d->gzip) != Z_OK)
                return err_set(err, E_CORRUPT, "bad gzip data");
            d->complete = false;
        }
        d->gzip.next_out = d->out;
        d->gzip.avail_out = OUT_BYTES;
        int z = inflate(&d->gzip, Z_NO_FLUSH);
        if (z == Z_MEM_ERROR)
            return err_set(err, E_NOMEM, "out of memory for gzip");
        if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
            return err_set(err, E_CORRUPT, "bad gzip data: %s", d->gzip.msg ? d->gzip.msg : "unreadable");
        int rc = give(d, d->out, OUT_BYTES - d->gzip.avail_out, err);
        if (rc < 0)
            return rc;
        d->complete = z == Z_STREAM_END;
        if (!d->complete && d->gzip.avail_out && !d->gzip.avail_in)
            return 0;
    }
}

static int zstd_feed(struct decompress *d, struct str in, struct err *err)
{
    ZSTD_inBuffer input = {in.p, in.n, 0};
    for (;;) {
        ZSTD_outBuffer output = {d->out, OUT_BYTES, 0};
        size_t z = ZSTD_decompressStream(d->zstd, &output, &input);
        if (ZSTD_isError(z))
            return err_set(err, ZSTD_getErrorCode(z) == ZSTD_error_memory_allocation ? E_NOMEM : E_CORRUPT,
                           "bad zstd data: %s", ZSTD_getErrorName(z));
        int rc = give(d, output.dst, output.pos, err);
        if (rc < 0)
            return rc;
        d->complete = z == 0; /* asked again without input it would wait for the next frame */
        if (input.pos == input.size && (d->complete || output.pos < output.size))
            return 0;
    }
}

static int feed_kind(struct decompress *d, struct str in, struct err *err)
{
    while (in.n) {
        /* zlib counts in 32 bits. */
        struct str part = str_make(in.p, in.n < 1 << 30 ? in.n : 1 << 30);
        int rc = d->kind == GZIP    ? gzip_feed(d, part, err)
                 : d->kind == PLAIN ? give(d, part.p, part.n, err)
                                    : zstd_feed(d, part, err);
        if (rc < 0)
            return rc;
        in = str_make(in.p + part.n, in.n - part.n);
    }
    return 0;
}

static int detect(struct decompress *d, struct err *err)
{
    static const unsigned char zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (d->magic_len >= 2 && d->magic[0] == 0x1f && d->magic[1] == 0x8b)
        return open_gzip(d, err);
    if (d->magic_len == MAGIC_BYTES && (memcmp(d->magic, zstd_magic, MAGIC_BYTES) == 0 ||
                                        ((d->magic[0] & 0xf0) == 0x50 && memcmp(d->magic + 1, "\x2a\x4d\x18", 3) == 0)))
        return open_zstd(d, err);
    d->kind = PLAIN;
    d->complete = true;
    return 0;
}

int decompress_feed(struct decompress *d, struct str bytes, struct err *err)
{
    if (d->kind != UNKNOWN)
        return feed_kind(d, bytes, err);
    size_t n = MAGIC_BYTES - d->magic_len < bytes.n ? MAGIC_BYTES - d->magic_len : bytes.n;
    if (n)
        memcpy(d->magic + d->magic_len, bytes.p, n);
    d->magic_len += n;
    if (d->magic_len < MAGIC_BYTES)
        return 0;
    int rc = detect(d, err);
    if (rc == 0)
        rc = feed_kind(d, str_make(d->magic, MAGIC_BYTES), err);
    return rc < 0 ? rc : feed_kind(d, str_make(bytes.p + n, bytes.n - n), err);
}

int decompress_finish(struct decompress *d, struct err *err)
{
    if (d->kind == UNKNOWN) {
        int rc = detect(d, err);
        if (rc == 0)
            rc = feed_kind(d, str_make(d->magic, d->magic_len), err);
        if (rc < 0)
            return rc;
    }
    return d->complete ? 0 : err_set(err, E_CORRUPT, "%s data is cut short", decompress_kind(d));
}
