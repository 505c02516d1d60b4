/* Records of a pax extended header: "<length> <key>=<value>\n". */
#include "codec/tar_int.h"

static int text(struct tar *t, struct str value, const char **ret_text, struct err *err)
{
    if (str_find_byte(value, 0) >= 0)
        return tar_syntax(t, err, "a name with a NUL byte");
    const char *copy = arena_strndup(&t->names, value.p, value.n);
    if (!copy)
        return err_set(err, E_NOMEM, "out of memory for a name");
    *ret_text = copy;
    return 0;
}

static int number(struct tar *t, struct str value, uint64_t max, uint64_t *ret_value, struct err *err)
{
    if (str_to_u64(value, ret_value) < 0 || *ret_value > max)
        return tar_syntax(t, err, "a bad number in an extended header");
    return 0;
}

/* Seconds with an optional fraction, perhaps before 1970. */
static int time_of(struct tar *t, struct str value, struct err *err)
{
    struct str rest = value, whole;
    int64_t seconds;
    uint32_t ns = 0, scale = 100000000;
    if (!str_split(&rest, '.', &whole) || str_to_i64(whole, &seconds) < 0)
        return tar_syntax(t, err, "a bad time in an extended header");
    for (size_t i = 0; rest.p && i < rest.n && scale; i++, scale /= 10) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return tar_syntax(t, err, "a bad time in an extended header");
        ns += (uint32_t)(rest.p[i] - '0') * scale;
    }
    if (whole.n && whole.p[0] == '-' && ns) {
        seconds--;
        ns = 1000000000 - ns;
    }
    t->next.has_mtime = true;
    t->next.mtime_s = seconds;
    t->next.mtime_ns = ns;
    return 0;
}

static int xattr(struct tar *t, struct str name, struct str value, struct err *err)
{
    if (t->xattr_count == TAR_XATTRS)
        return err_set(err, E_LIMIT, "an entry with more than %d extended attributes", TAR_XATTRS);
    struct tar_xattr *x = &t->xattrs[t->xattr_count];
    struct str copy = arena_str(&t->names, value);
    int rc = text(t, name, &x->name, err);
    if (rc < 0)
        return rc;
    if (!copy.p)
        return err_set(err, E_NOMEM, "out of memory for an extended attribute");
    x->value = copy;
    t->xattr_count++;
    return 0;
}

static int sparse(struct tar *t, struct str key, struct str value, struct err *err)
{
    uint64_t n;
    if (str_is(key, "major"))
        t->next.sparse_pax = t->next.sparse_in_data = str_is(value, "1");
    else if (str_is(key, "name"))
        return text(t, value, &t->next.path, err);
    else if (str_is(key, "size") || str_is(key, "realsize")) {
        t->next.has_sparse_size = true;
        return number(t, value, TAR_SIZE_MAX, &t->next.sparse_size, err);
    } else if (str_is(key, "map")) {
        t->next.sparse_pax = true;
        return tar_sparse_list(t, value, err);
    } else if (str_is(key, "offset")) {
        t->next.sparse_pax = true;
        int rc = number(t, value, TAR_SIZE_MAX, &n, err);
        return rc < 0 ? rc : tar_sparse_add(t, n, 0, err);
    } else if (str_is(key, "numbytes")) {
        int rc = number(t, value, TAR_SIZE_MAX, &n, err);
        if (rc < 0)
            return rc;
        if (!t->piece_count)
            return tar_syntax(t, err, "a sparse piece without offset");
        t->pieces[t->piece_count - 1].bytes = n;
    }
    return 0;
}

static int record(struct tar *t, struct str key, struct str value, struct err *err)
{
    static const struct str xattr_prefix = {"SCHILY.xattr.", 13}, sparse_prefix = {"GNU.sparse.", 11};
    if (str_starts(key, xattr_prefix))
        return xattr(t, str_make(key.p + xattr_prefix.n, key.n - xattr_prefix.n), value, err);
    if (str_starts(key, sparse_prefix))
        return sparse(t, str_make(key.p + sparse_prefix.n, key.n - sparse_prefix.n), value, err);
    if (str_is(key, "path"))
        return text(t, value, &t->next.path, err);
    if (str_is(key, "linkpath"))
        return text(t, value, &t->next.link, err);
    if (str_is(key, "mtime"))
        return time_of(t, value, err);
    if (str_is(key, "size")) {
        t->next.has_size = true;
        return number(t, value, TAR_SIZE_MAX, &t->next.size, err);
    }
    if (str_is(key, "uid")) {
        t->next.has_uid = true;
        return number(t, value, UINT32_MAX - 1, &t->next.uid, err);
    }
    if (str_is(key, "gid")) {
        t->next.has_gid = true;
        return number(t, value, UINT32_MAX - 1, &t->next.gid, err);
    }
    return 0;
}

int tar_pax_read(struct tar *t, struct str records, struct err *err)
{
    while (records.n) {
        uint64_t length;
        ptrdiff_t space = str_find_byte(records, ' ');
        if (space <= 0 || str_to_u64(str_make(records.p, (size_t)space), &length) < 0 ||
            length > records.n || length < (uint64_t)space + 3 || records.p[length - 1] != '\n')
            return tar_syntax(t, err, "a malformed record in an extended header");
        struct str line = str_make(records.p + space + 1, length - (size_t)space - 2);
        ptrdiff_t equals = str_find_byte(line, '=');
        if (equals <= 0)
            return tar_syntax(t, err, "a malformed record in an extended header");
        int rc = record(t, str_make(line.p, (size_t)equals),
                        str_make(line.p + equals + 1, line.n - (size_t)equals - 1), err);
        if (rc < 0)
            return rc;
        records = str_make(records.p + length, records.n - length);
    }
    return 0;
}
