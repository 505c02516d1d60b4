/* The stream: file, decompression, digest, tar. See unpack.h. */
#include "drivers/image/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "codec/decompress.h"
#include "drivers/image/unpack_int.h"

enum { READ_BYTES = 256 * 1024 };

static int plain(void *ctx, struct str bytes, struct err *err)
{
    struct unpack *u = ctx;
    sha256_update(&u->hash, bytes.p, bytes.n);
    return tar_feed(u->tar, bytes, err);
}

static int read_all(struct unpack *u, struct decompress *d, struct err *err)
{
    char *p CLEANUP_FREE = mem_alloc(READ_BYTES);
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    for (;;) {
        ssize_t n = read(u->o->in_fd, p, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, "cannot read the layer");
        int rc = n ? decompress_feed(d, str_make(p, (size_t)n), err) : decompress_finish(d, err);
        if (n == 0 || rc < 0)
            return rc;
    }
}

static int check_digest(struct unpack *u, struct unpack_result *r, struct err *err)
{
    uint8_t digest[SHA256_BYTES];
    memcpy(r->diff_id, "sha256:", 8);
    sha256_final(&u->hash, digest);
    hex_encode(r->diff_id + 7, digest, sizeof digest);
    if (u->o->diff_id && strcmp(u->o->diff_id, r->diff_id) != 0)
        return err_set(err, E_CORRUPT, "digest mismatch of the unpacked layer: expected %s, got %s",
                       u->o->diff_id, r->diff_id);
    return 0;
}

int unpack_layer(const struct unpack_options *o, struct unpack_result *ret_result, struct err *err)
{
    static const struct tar_sink sink = {unpack_entry, unpack_data, unpack_end};
    uint64_t max = o->max_bytes ? o->max_bytes : UNPACK_MAX_BYTES;
    struct decompress *d = NULL;
    struct unpack_result result = {0};
    struct unpack *u = mem_zalloc(sizeof *u);
    if (!u)
        return err_set(err, E_NOMEM, "out of memory");
    u->o = o;
    u->max_bytes = max;
    u->file_fd = u->parent_fd = -1;
    sha256_init(&u->hash);
    buf_init(&u->times, UNPACK_TIMES_BYTES);
    int rc = tar_new(&sink, u, &u->tar);
    if (rc == 0)
        rc = decompress_new(max, plain, u, &d);
    if (rc < 0)
        err_set(err, -rc, "out of memory");
    if (rc == 0)
        rc = read_all(u, d, err);
    if (rc == 0)
        rc = tar_finish(u->tar, err);
    if (rc == 0)
        rc = check_digest(u, &result, err);
    if (rc == 0) {
        unpack_set_times(u);
        result.bytes = u->total_bytes;
        result.skipped = u->skipped;
        *ret_result = result;
    }
    if (u->file_fd >= 0)
        close(u->file_fd);
    unpack_forget_parent(u);
    decompress_free(d);
    tar_free(u->tar);
    buf_done(&u->times);
    mem_free(u);
    return rc;
}
