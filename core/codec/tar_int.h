/* Shared by tar.c, tar_pax.c and tar_sparse.c. */
#ifndef CODEC_TAR_INT_H
#define CODEC_TAR_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "codec/tar.h"

enum {
    TAR_BLOCK_BYTES = 512,
    TAR_EXTENDED_BYTES = 1024 * 1024,
    TAR_SPARSE_PIECES = 64 * 1024,
    TAR_XATTRS = 64,
};
#define TAR_SIZE_MAX (UINT64_C(1) << 62)

struct tar_piece {
    uint64_t offset, bytes;
};

enum tar_state { TAR_S_HEADER, TAR_S_EXTENDED, TAR_S_SPARSE_HEADER, TAR_S_SPARSE_MAP, TAR_S_DATA,
                 TAR_S_SKIP, TAR_S_PAD, TAR_S_END };

struct tar {
    struct tar_sink sink;
    void *ctx;
    enum tar_state state;
    uint64_t at; /* bytes of the archive consumed */
    int failed;  /* -E_* once broken */
    struct err why;

    unsigned char block[TAR_BLOCK_BYTES];
    size_t filled;
    unsigned zero_blocks;

    struct buf extended; /* body of an x, L or K header */
    char extended_type;
    uint64_t left; /* bytes of the body (extended, data or skipped) still to come */
    unsigned pad;  /* then these */

    /* What extended headers said about the next entry; lives in `names`. */
    struct arena names;
    struct {
        const char *path, *link;
        bool has_size, has_uid, has_gid, has_mtime;
        uint64_t size, uid, gid;
        int64_t mtime_s;
        uint32_t mtime_ns;
        bool sparse_pax, sparse_in_data; /* 0.x or 1.0; only 1.0 */
        uint64_t sparse_size;
        bool has_sparse_size;
    } next;
    struct tar_xattr xattrs[TAR_XATTRS];
    size_t xattr_count;

    struct tar_entry entry;
    bool in_entry; /* the sink heard of it, and not yet of its end */
    struct tar_piece *pieces; /* of a sparse file */
    size_t piece_count, piece_room;
    size_t piece_at;      /* being filled */
    uint64_t piece_done;  /* bytes of it already given */
    uint64_t map_numbers; /* TAR_S_SPARSE_MAP: numbers still expected; UINT64_MAX: the count itself */
    uint64_t map_value;
    bool map_digit;
};

int tar_syntax(struct tar *t, struct err *err, const char *what) MUST_CHECK; /* -E_SYNTAX with the offset */
/* A number field of a header: octal or base 256. */
int tar_number(const unsigned char *field, size_t n, int64_t *ret_value) MUST_CHECK;

int tar_pax_read(struct tar *t, struct str records, struct err *err) MUST_CHECK;

int tar_sparse_add(struct tar *t, uint64_t offset, uint64_t bytes, struct err *err) MUST_CHECK;
/* The four entries in an old GNU header, or the 21 of its continuation. */
int tar_sparse_fields(struct tar *t, const unsigned char *field, size_t count, struct err *err) MUST_CHECK;
/* "offset,bytes,offset,bytes..." of form 0.1 */
int tar_sparse_list(struct tar *t, struct str list, struct err *err) MUST_CHECK;
/* One byte of the map before the data of form 1.0; *ret_done when the map is whole. */
int tar_sparse_map_byte(struct tar *t, unsigned char c, bool *ret_done, struct err *err) MUST_CHECK;
/* Pieces in order, inside the file, as long together as the data. */
int tar_sparse_check(struct tar *t, uint64_t data_bytes, struct err *err) MUST_CHECK;
int tar_sparse_data(struct tar *t, struct str bytes, struct err *err) MUST_CHECK;

#endif
