/* Sparse files in the forms of GNU tar: old headers, pax 0.0, 0.1 and 1.0. */
#include "codec/tar_int.h"

int tar_sparse_add(struct tar *t, uint64_t offset, uint64_t bytes, struct err *err)
{
    if (t->piece_count == TAR_SPARSE_PIECES)
        return err_set(err, E_LIMIT, "a sparse file of more than %d pieces", TAR_SPARSE_PIECES);
    if (t->piece_count == t->piece_room) {
        size_t room = t->piece_room ? t->piece_room * 2 : 32;
        struct tar_piece *pieces = mem_realloc(t->pieces, room * sizeof *pieces);
        if (!pieces)
            return err_set(err, E_NOMEM, "out of memory for a sparse map");
        t->pieces = pieces;
        t->piece_room = room;
    }
    t->pieces[t->piece_count++] = (struct tar_piece){offset, bytes};
    return 0;
}

int tar_sparse_fields(struct tar *t, const unsigned char *field, size_t count, struct err *err)
{
    for (size_t i = 0; i < count && field[i * 24]; i++) {
        int64_t offset, bytes;
        if (tar_number(field + i * 24, 12, &offset) < 0 || tar_number(field + i * 24 + 12, 12, &bytes) < 0 ||
            offset < 0 || bytes < 0)
            return tar_syntax(t, err, "a bad number in a sparse map");
        int rc = tar_sparse_add(t, (uint64_t)offset, (uint64_t)bytes, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int tar_sparse_list(struct tar *t, struct str list, struct err *err)
{
    struct str rest = list, first, second;
    while (str_split(&rest, ',', &first)) {
        uint64_t offset, bytes;
        if (!str_split(&rest, ',', &second) || str_to_u64(first, &offset) < 0 || str_to_u64(second, &bytes) < 0)
            return tar_syntax(t, err, "a malformed sparse map");
        int rc = tar_sparse_add(t, offset, bytes, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int tar_sparse_map_byte(struct tar *t, unsigned char c, bool *ret_done, struct err *err)
{
    *ret_done = false;
    if (c >= '0' && c <= '9' && t->map_value < TAR_SIZE_MAX / 10) {
        t->map_value = t->map_value * 10 + (c - '0');
        t->map_digit = true;
        return 0;
    }
    if (c != '\n' || !t->map_digit)
        return tar_syntax(t, err, "a malformed sparse map");
    if (t->map_numbers == UINT64_MAX) {
        if (t->map_value > TAR_SPARSE_PIECES)
            return err_set(err, E_LIMIT, "a sparse file of more than %d pieces", TAR_SPARSE_PIECES);
        t->map_numbers = t->map_value * 2;
    } else if (t->map_numbers-- % 2 == 0) {
        int rc = tar_sparse_add(t, t->map_value, 0, err);
        if (rc < 0)
            return rc;
    } else {
        t->pieces[t->piece_count - 1].bytes = t->map_value;
    }
    t->map_value = 0;
    t->map_digit = false;
    *ret_done = t->map_numbers == 0;
    return 0;
}

int tar_sparse_check(struct tar *t, uint64_t data_bytes, struct err *err)
{
    uint64_t end = 0, total = 0;
    for (size_t i = 0; i < t->piece_count; i++) {
        const struct tar_piece *p = &t->pieces[i];
        if (p->offset < end || p->offset > t->entry.size_bytes || p->bytes > t->entry.size_bytes - p->offset)
            return tar_syntax(t, err, "sparse pieces that overlap or leave the file");
        end = p->offset + p->bytes;
        total += p->bytes;
    }
    if (total != data_bytes)
        return tar_syntax(t, err, "a sparse map that does not fit its data");
    return 0;
}

int tar_sparse_data(struct tar *t, struct str bytes, struct err *err)
{
    while (bytes.n) {
        const struct tar_piece *p = &t->pieces[t->piece_at];
        if (t->piece_done == p->bytes) {
            t->piece_at++;
            t->piece_done = 0;
            continue;
        }
        size_t n = bytes.n < p->bytes - t->piece_done ? bytes.n : (size_t)(p->bytes - t->piece_done);
        int rc = t->sink.data(t->ctx, p->offset + t->piece_done, str_make(bytes.p, n), err);
        if (rc < 0)
            return rc;
        t->piece_done += n;
        bytes = str_make(bytes.p + n, bytes.n - n);
    }
    return 0;
}
