/*
 * The reader's states and the ustar header. See tar.h.
 *
 *   HEADER ──x L K──▶ EXTENDED ──▶ PAD ──▶ HEADER        (what it says holds for the next entry)
 *   HEADER ──S with continuation──▶ SPARSE_HEADER ──▶ DATA
 *   HEADER ──pax sparse 1.0──▶ SPARSE_MAP ──▶ DATA
 *   HEADER ──entry──▶ DATA ──▶ PAD ──▶ HEADER
 *   HEADER ──g V──▶ SKIP ──▶ PAD ──▶ HEADER
 *   HEADER ──two zero blocks──▶ END
 *
 * The map of SPARSE_MAP is padded to a block of its own; it is counted in `left`, as is the data.
 */
#include <stdio.h>

#include "codec/tar_int.h"

int tar_new(const struct tar_sink *sink, void *ctx, struct tar **ret_tar)
{
    struct tar *t = mem_zalloc(sizeof *t);
    if (!t)
        return -E_NOMEM;
    t->sink = *sink;
    t->ctx = ctx;
    buf_init(&t->extended, TAR_EXTENDED_BYTES);
    arena_init(&t->names, 4 * TAR_EXTENDED_BYTES);
    *ret_tar = t;
    return 0;
}

void tar_free(struct tar *t)
{
    if (!t)
        return;
    buf_done(&t->extended);
    arena_done(&t->names);
    mem_free(t->pieces);
    mem_free(t);
}

int tar_syntax(struct tar *t, struct err *err, const char *what)
{
    return err_set(err, E_SYNTAX, "bad tar archive: %s near byte %llu", what, (unsigned long long)t->at);
}

static int base256(const unsigned char *field, size_t n, int64_t *ret_value)
{
    bool negative = field[0] & 0x40;
    uint64_t v = negative ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = i ? field[i] : (unsigned char)(negative ? field[0] | 0x80 : field[0] & 0x3f);
        uint64_t top = v >> 55; /* what the shift would lose, and the sign */
        if (top != (negative ? UINT64_C(0x1ff) : 0))
            return -E_SYNTAX;
        v = v << 8 | c;
    }
    *ret_value = (int64_t)v;
    return 0;
}

int tar_number(const unsigned char *field, size_t n, int64_t *ret_value)
{
    uint64_t v = 0;
    size_t i = 0;
    if (field[0] & 0x80)
        return base256(field, n, ret_value);
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(field[i] - '0'); /* at most 12 digits: 36 bits */
    for (; i < n; i++)
        if (field[i] != ' ' && field[i] != 0)
            return -E_SYNTAX;
    *ret_value = (int64_t)v;
    return 0;
}

static bool checksum_ok(const unsigned char *b)
{
    int64_t want, plain = 0, with_sign = 0;
    if (tar_number(b + 148, 8, &want) < 0)
        return false;
    for (size_t i = 0; i < TAR_BLOCK_BYTES; i++) {
        unsigned char c = i >= 148 && i < 156 ? ' ' : b[i];
        plain += c;
        with_sign += (signed char)c;
    }
    return want == plain || want == with_sign;
}

static bool all_zero(const unsigned char *b)
{
    for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
        if (b[i])
            return false;
    return true;
}

static struct str field_text(const unsigned char *field, size_t n)
{
    return str_make(field, strnlen((const char *)field, n));
}

static void forget_next(struct tar *t)
{
    memset(&t->next, 0, sizeof t->next);
    t->xattr_count = 0;
    t->piece_count = t->piece_at = 0;
    t->piece_done = 0;
    arena_clear(&t->names);
}

/* Path and link: an extended header's word, else the header's own. */
static int take_names(struct tar *t, struct err *err)
{
    const unsigned char *b = t->block;
    struct tar_entry *e = &t->entry;
    struct str name = field_text(b, 100), prefix = field_text(b + 345, 155);
    e->path = t->next.path;
    e->link = t->next.link;
    if (!e->path) {
        if (memcmp(b + 257, "ustar\0", 6) != 0)
            prefix.n = 0;
        e->path = prefix.n ? arena_printf(&t->names, STR_FMT "/" STR_FMT, STR_ARG(prefix), STR_ARG(name))
                           : arena_strndup(&t->names, name.p, name.n);
    }
    if (!e->link)
        e->link = arena_strndup(&t->names, (const char *)b + 157, strnlen((const char *)b + 157, 100));
    if (!e->path || !e->link)
        return err_set(err, E_NOMEM, "out of memory for a name");
    if (!e->path[0])
        return tar_syntax(t, err, "an entry without name");
    return 0;
}

static int take_numbers(struct tar *t, uint64_t *ret_data_bytes, struct err *err)
{
    const unsigned char *b = t->block;
    struct tar_entry *e = &t->entry;
    int64_t mode, uid, gid, size, mtime, major = 0, minor = 0;
    if (tar_number(b + 100, 8, &mode) < 0 || tar_number(b + 124, 12, &size) < 0 ||
        tar_number(b + 136, 12, &mtime) < 0)
        return tar_syntax(t, err, "a bad number in a header");
    if (t->next.has_uid)
        uid = (int64_t)t->next.uid;
    else if (tar_number(b + 108, 8, &uid) < 0)
        return tar_syntax(t, err, "a bad owner");
    if (t->next.has_gid)
        gid = (int64_t)t->next.gid;
    else if (tar_number(b + 116, 8, &gid) < 0)
        return tar_syntax(t, err, "a bad group");
    if ((e->type == TAR_CHAR || e->type == TAR_BLOCK) &&
        (tar_number(b + 329, 8, &major) < 0 || tar_number(b + 337, 8, &minor) < 0))
        return tar_syntax(t, err, "a bad device number");
    /* UINT32_MAX means "leave it" to chown, so it is nobody's number. */
    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
        return tar_syntax(t, err, "an owner or group out of range");
    if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
        return tar_syntax(t, err, "a device number out of range");
    if (t->next.has_size)
        size = (int64_t)t->next.size;
    if (size < 0 || (uint64_t)size > TAR_SIZE_MAX)
        return tar_syntax(t, err, "a bad size");
    e->mode = (uint32_t)mode & 07777;
    e->uid = (uint32_t)uid;
    e->gid = (uint32_t)gid;
    e->mtime_s = t->next.has_mtime ? t->next.mtime_s : mtime;
    e->mtime_ns = t->next.has_mtime ? t->next.mtime_ns : 0;
    e->dev_major = (uint32_t)major;
    e->dev_minor = (uint32_t)minor;
    e->size_bytes = e->type == TAR_FILE ? (uint64_t)size : 0;
    *ret_data_bytes = e->size_bytes;
    return 0;
}

static int begin_data(struct tar *t, struct err *err)
{
    struct tar_entry *e = &t->entry;
    if (e->sparse) {
        int rc = tar_sparse_check(t, t->left, err);
        if (rc < 0)
            return rc;
    }
    e->xattrs = t->xattrs;
    e->xattr_count = t->xattr_count;
    t->piece_done = 0;
    t->state = TAR_S_DATA;
    int rc = t->sink.entry(t->ctx, e, err);
    t->in_entry = rc == 0;
    return rc;
}

static int begin_sparse(struct tar *t, char flag, struct err *err)
{
    struct tar_entry *e = &t->entry;
    e->sparse = true;
    if (flag == 'S') {
        int64_t real;
        if (tar_number(t->block + 483, 12, &real) < 0 || real < 0 || (uint64_t)real > TAR_SIZE_MAX)
            return tar_syntax(t, err, "a bad size of a sparse file");
        e->size_bytes = (uint64_t)real;
        int rc = tar_sparse_fields(t, t->block + 386, 4, err);
        if (rc < 0)
            return rc;
        t->state = TAR_S_SPARSE_HEADER;
        return t->block[482] ? 0 : begin_data(t, err);
    }
    if (!t->next.has_sparse_size)
        return tar_syntax(t, err, "a sparse file without its size");
    e->size_bytes = t->next.sparse_size;
    if (!t->next.sparse_in_data)
        return begin_data(t, err);
    t->state = TAR_S_SPARSE_MAP;
    t->map_numbers = UINT64_MAX;
    t->map_value = 0;
    t->map_digit = false;
    return 0;
}

static int begin_entry(struct tar *t, char flag, struct err *err)
{
    static const char flags[] = "0123456";
    static const enum tar_type types[] = {TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR,
                                          TAR_BLOCK, TAR_DIRECTORY, TAR_FIFO};
    struct tar_entry *e = &t->entry;
    uint64_t data_bytes = 0;
    const char *known = flag ? strchr(flags, flag) : NULL;
    memset(e, 0, sizeof *e);
    if (known)
        e->type = types[known - flags];
    else if (flag == 0 || flag == '7' || flag == 'S')
        e->type = TAR_FILE;
    else
        return tar_syntax(t, err, "an entry of unknown type");
    int rc = take_names(t, err);
    if (rc == 0 && flag == 0 && e->path[strlen(e->path) - 1] == '/')
        e->type = TAR_DIRECTORY; /* how archives before POSIX say it */
    if (rc == 0)
        rc = take_numbers(t, &data_bytes, err);
    if (rc < 0)
        return rc;
    if (e->type != TAR_HARDLINK && e->type != TAR_SYMLINK)
        e->link = "";
    t->left = data_bytes;
    t->pad = (unsigned)(-data_bytes & (TAR_BLOCK_BYTES - 1));
    if (e->type == TAR_FILE && (flag == 'S' || t->next.sparse_pax))
        return begin_sparse(t, flag, err);
    return begin_data(t, err);
}

static int header(struct tar *t, struct err *err)
{
    int64_t size;
    char flag = (char)t->block[156];
    if (all_zero(t->block)) {
        if (++t->zero_blocks == 2)
            t->state = TAR_S_END;
        return 0;
    }
    if (t->zero_blocks)
        return tar_syntax(t, err, "data behind a zero block");
    if (!checksum_ok(t->block))
        return tar_syntax(t, err, "a header with a wrong checksum");
    if (!flag || !strchr("xgLKV", flag))
        return begin_entry(t, flag, err);
    if (tar_number(t->block + 124, 12, &size) < 0 || size < 0)
        return tar_syntax(t, err, "a bad size");
    t->left = (uint64_t)size;
    t->pad = (unsigned)(-(uint64_t)size & (TAR_BLOCK_BYTES - 1));
    if (flag == 'g' || flag == 'V') {
        t->state = TAR_S_SKIP;
        return 0;
    }
    if (size > TAR_EXTENDED_BYTES)
        return err_set(err, E_LIMIT, "bad tar archive: an extended header of %lld bytes", (long long)size);
    t->extended_type = flag;
    buf_clear(&t->extended);
    t->state = TAR_S_EXTENDED;
    return 0;
}

static int extended_end(struct tar *t, struct err *err)
{
    struct str body = buf_str(&t->extended);
    t->state = TAR_S_PAD;
    if (t->extended.failed)
        return err_set(err, E_NOMEM, "out of memory for an extended header");
    if (t->extended_type == 'x')
        return tar_pax_read(t, body, err);
    const char *name = arena_strndup(&t->names, body.p, body.n ? strnlen(body.p, body.n) : 0);
    if (!name)
        return err_set(err, E_NOMEM, "out of memory for a long name");
    if (t->extended_type == 'L' && !t->next.path)
        t->next.path = name;
    if (t->extended_type == 'K' && !t->next.link)
        t->next.link = name;
    return 0;
}

/* Steps that need no input: bodies that are complete. */
static int settle(struct tar *t, struct err *err)
{
    int rc = 0;
    if (t->state == TAR_S_EXTENDED && t->left == 0)
        rc = extended_end(t, err);
    else if (t->state == TAR_S_SKIP && t->left == 0)
        t->state = TAR_S_PAD;
    else if (t->state == TAR_S_DATA && t->left == 0) {
        t->state = TAR_S_PAD;
        t->in_entry = false;
        rc = t->sink.end(t->ctx, err);
        forget_next(t);
    }
    if (rc == 0 && t->state == TAR_S_PAD && t->pad == 0) {
        t->state = TAR_S_HEADER;
        t->filled = 0;
    }
    return rc;
}

static int block_step(struct tar *t, struct str in, size_t *ret_used, struct err *err)
{
    size_t n = TAR_BLOCK_BYTES - t->filled < in.n ? TAR_BLOCK_BYTES - t->filled : in.n;
    memcpy(t->block + t->filled, in.p, n);
    t->filled += n;
    *ret_used = n;
    if (t->filled < TAR_BLOCK_BYTES)
        return 0;
    t->filled = 0;
    if (t->state == TAR_S_HEADER)
        return header(t, err);
    int rc = tar_sparse_fields(t, t->block, 21, err);
    return rc < 0 || t->block[504] ? rc : begin_data(t, err);
}

/* The map of form 1.0 lies in front of the data and fills whole blocks. */
static int map_step(struct tar *t, struct str in, size_t *ret_used, struct err *err)
{
    bool done = false;
    size_t n = 0;
    if (t->left == 0)
        return tar_syntax(t, err, "a sparse map that does not end");
    while (!done && n < in.n && t->left) {
        int rc = tar_sparse_map_byte(t, (unsigned char)in.p[n++], &done, err);
        if (rc < 0)
            return rc;
        t->left--;
        t->filled = (t->filled + 1) % TAR_BLOCK_BYTES;
    }
    *ret_used = n;
    if (done && t->filled == 0)
        return begin_data(t, err);
    if (done)
        t->map_numbers = 0;
    return 0;
}

static int map_pad_step(struct tar *t, size_t available, size_t *ret_used, struct err *err)
{
    size_t n = TAR_BLOCK_BYTES - t->filled < available ? TAR_BLOCK_BYTES - t->filled : available;
    if (n > t->left)
        return tar_syntax(t, err, "a sparse map that does not fit its data");
    t->left -= n;
    t->filled = (t->filled + n) % TAR_BLOCK_BYTES;
    *ret_used = n;
    return t->filled == 0 ? begin_data(t, err) : 0;
}

static int body_step(struct tar *t, struct str in, size_t *ret_used, struct err *err)
{
    size_t n = in.n < t->left ? in.n : (size_t)t->left;
    int rc = 0;
    if (t->state == TAR_S_EXTENDED)
        buf_append(&t->extended, in.p, n);
    else if (t->state == TAR_S_DATA && t->entry.sparse)
        rc = tar_sparse_data(t, str_make(in.p, n), err);
    else if (t->state == TAR_S_DATA)
        rc = t->sink.data(t->ctx, t->entry.size_bytes - t->left, str_make(in.p, n), err);
    t->left -= n;
    *ret_used = n;
    return rc;
}

static int step(struct tar *t, struct str in, size_t *ret_used, struct err *err)
{
    switch (t->state) {
    case TAR_S_HEADER:
    case TAR_S_SPARSE_HEADER: return block_step(t, in, ret_used, err);
    case TAR_S_SPARSE_MAP:
        return t->map_numbers ? map_step(t, in, ret_used, err) : map_pad_step(t, in.n, ret_used, err);
    case TAR_S_EXTENDED:
    case TAR_S_DATA:
    case TAR_S_SKIP: return body_step(t, in, ret_used, err);
    case TAR_S_PAD:
        *ret_used = in.n < t->pad ? in.n : t->pad;
        t->pad -= (unsigned)*ret_used;
        return 0;
    case TAR_S_END: *ret_used = in.n; return 0;
    }
    return 0;
}

static int repeat(const struct tar *t, struct err *err)
{
    return err_set(err, -t->failed, "%s", t->why.text[0] ? t->why.text : "the archive failed before");
}

int tar_feed(struct tar *t, struct str bytes, struct err *err)
{
    if (t->failed)
        return repeat(t, err);
    while (bytes.n) {
        size_t used = 0;
        int rc = step(t, bytes, &used, &t->why);
        if (rc == 0)
            rc = settle(t, &t->why);
        if (rc < 0) {
            t->failed = rc;
            return repeat(t, err);
        }
        t->at += used;
        bytes = str_make(bytes.p + used, bytes.n - used);
    }
    return 0;
}

int tar_finish(struct tar *t, struct err *err)
{
    if (t->failed)
        return repeat(t, err);
    bool pending = t->next.path || t->next.link || t->xattr_count;
    if (t->state == TAR_S_END || (t->state == TAR_S_HEADER && t->filled == 0 && !pending))
        return 0;
    t->failed = tar_syntax(t, &t->why, "it is cut short");
    return repeat(t, err);
}
