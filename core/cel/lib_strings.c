/*
 * Functions of texts: the language's own, and cel-go's ext/strings. Positions and lengths count
 * code points; a text of ASCII alone is indexed by bytes.
 */
#include "cel/cel_int.h"
#include "codec/utf8.h"

static int give_text(struct cel_value *ret, struct str s)
{
    *ret = cel_of_str(s);
    return 0;
}

static int give_bool(struct cel_value *ret, bool v)
{
    *ret = cel_of_bool(v);
    return 0;
}

static int give_int(struct cel_value *ret, int64_t v)
{
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = v};
    return 0;
}

static int out_of_range(struct cel_call *call, int64_t index)
{
    return err_set(call->err, E_INVALID, "index out of range: %lld", (long long)index);
}

/* The offset of code point `index`; s.n when it is the end or past it. */
static size_t offset_of(struct str s, uint64_t index)
{
    size_t at = 0;
    while (at < s.n && index > 0) {
        size_t n = utf8_length(s.p + at, s.n - at);
        at += n ? n : 1;
        index--;
    }
    return at;
}

static size_t step(struct str s)
{
    size_t n = utf8_length(s.p, s.n);
    return n ? n : 1;
}

/* ---- the language's own ---- */

static int contains(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    (void)call;
    (void)count;
    return give_bool(ret, str_find(args[0].string, args[1].string) >= 0);
}

static int starts_with(struct cel_call *call, const struct cel_value *args, unsigned count,
                       struct cel_value *ret)
{
    (void)call;
    (void)count;
    return give_bool(ret, str_starts(args[0].string, args[1].string));
}

static int ends_with(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    (void)call;
    (void)count;
    return give_bool(ret, str_ends(args[0].string, args[1].string));
}

/* ---- positions ---- */

static int char_at(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct str s = args[0].string;
    int64_t index = args[1].i64;
    (void)count;
    if (index < 0 || (uint64_t)index > cel_code_points(s))
        return out_of_range(call, index);
    size_t at = offset_of(s, (uint64_t)index);
    struct str rest = str_make(s.p + at, s.n - at);
    return give_text(ret, str_make(rest.p, rest.n ? step(rest) : 0));
}

static int index_of(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    struct str s = args[0].string;
    int64_t start = count > 2 ? args[2].i64 : 0;
    if (start < 0)
        return out_of_range(call, start);
    if (args[1].string.n == 0)
        return give_int(ret, start);
    size_t from = offset_of(s, (uint64_t)start);
    ptrdiff_t at = str_find(str_make(s.p + from, s.n - from), args[1].string);
    if (at < 0)
        return give_int(ret, -1);
    return give_int(ret, (int64_t)cel_code_points(str_make(s.p, from + (size_t)at)));
}

static int last_index_of(struct cel_call *call, const struct cel_value *args, unsigned count,
                         struct cel_value *ret)
{
    struct str s = args[0].string, needle = args[1].string;
    int64_t length = (int64_t)cel_code_points(s), last = count > 2 ? args[2].i64 : length;
    if (last < 0)
        return out_of_range(call, last);
    if (needle.n == 0)
        return give_int(ret, last);
    if (count > 2 && last >= length)
        return give_int(ret, -1);
    for (size_t at = offset_of(s, (uint64_t)last) + 1; at-- > 0;) {
        int rc = cel_work(call->run, 1, call->err);
        if (rc < 0)
            return rc;
        if (at + needle.n <= s.n && memcmp(s.p + at, needle.p, needle.n) == 0)
            return give_int(ret, (int64_t)cel_code_points(str_make(s.p, at)));
    }
    return give_int(ret, -1);
}

static int substring(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    struct str s = args[0].string;
    int64_t length = (int64_t)cel_code_points(s), start = args[1].i64;
    int64_t end = count > 2 ? args[2].i64 : length;
    if (start < 0 || start > length)
        return out_of_range(call, start);
    if (end < 0 || end > length)
        return out_of_range(call, end);
    if (start > end)
        return err_set(call->err, E_INVALID, "invalid substring range. start: %lld, end: %lld",
                       (long long)start, (long long)end);
    size_t from = offset_of(s, (uint64_t)start), to = offset_of(s, (uint64_t)end);
    return give_text(ret, str_make(s.p + from, to - from));
}

/* ---- changed copies ---- */

static int change_case(struct cel_call *call, const struct cel_value *args, unsigned count,
                       struct cel_value *ret)
{
    struct str s = args[0].string;
    char *out = arena_alloc(call->run->arena, s.n + 1);
    char first = call->expr->name.p[0] == 'l' ? 'A' : 'a';
    (void)count;
    if (!out)
        return -E_NOMEM;
    for (size_t i = 0; i < s.n; i++)
        out[i] = s.p[i] >= first && s.p[i] <= first + 25 ? (char)(s.p[i] ^ 0x20) : s.p[i];
    out[s.n] = 0;
    return give_text(ret, str_make(out, s.n));
}

static bool is_blank(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static uint32_t decode(const char *p, size_t n)
{
    unsigned char lead = (unsigned char)*p;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

static int trim(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    struct str s = args[0].string;
    (void)call;
    (void)count;
    while (s.n > 0) {
        size_t n = step(s);
        if (!is_blank(decode(s.p, n)))
            break;
        s = str_make(s.p + n, s.n - n);
    }
    while (s.n > 0) {
        size_t at = s.n - 1;
        while (at > 0 && ((unsigned char)s.p[at] & 0xc0) == 0x80)
            at--;
        if (!is_blank(decode(s.p + at, s.n - at)))
            break;
        s.n = at;
    }
    return give_text(ret, s);
}

static int reverse(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct str s = args[0].string;
    char *out = arena_alloc(call->run->arena, s.n + 1);
    (void)count;
    if (!out)
        return -E_NOMEM;
    for (size_t at = 0, n; at < s.n; at += n) {
        n = step(str_make(s.p + at, s.n - at));
        memcpy(out + s.n - at - n, s.p + at, n);
    }
    out[s.n] = 0;
    return give_text(ret, str_make(out, s.n));
}

int cel_text_from(struct cel_call *call, struct buf *b, struct cel_value *ret)
{
    struct str s = {NULL, 0};
    bool full = b->failed;
    if (!full)
        s = arena_str(call->run->arena, buf_str(b));
    buf_done(b);
    if (full)
        return cel_over_limit(call->err);
    return s.p ? give_text(ret, s) : -E_NOMEM;
}

static int replace(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct str s = args[0].string, old = args[1].string, new = args[2].string;
    int64_t left = count > 3 ? args[3].i64 : -1;
    struct buf b;
    buf_init(&b, CEL_TEXT_BYTES);
    while (left != 0) {
        ptrdiff_t at = str_find(s, old);
        if (at < 0)
            break;
        buf_append(&b, s.p, (size_t)at);
        buf_append_str(&b, new);
        s = str_make(s.p + at + old.n, s.n - (size_t)at - old.n);
        left -= left > 0;
        if (old.n == 0) {
            if (s.n == 0)
                break;
            size_t n = step(s);
            buf_append(&b, s.p, n);
            s = str_make(s.p + n, s.n - n);
        }
    }
    buf_append_str(&b, s);
    return cel_text_from(call, &b, ret);
}

/* ---- to lists and back ---- */

static int split(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct str s = args[0].string, separator = args[1].string;
    int64_t left = count > 2 ? args[2].i64 : -1;
    struct cel_list *l = cel_list_new(call->run->arena, 4);
    bool done = left == 0 || (separator.n == 0 && s.n == 0);
    while (l && !done) {
        ptrdiff_t at = separator.n ? str_find(s, separator) : (ptrdiff_t)step(s);
        done = at < 0 || left == 1 || (separator.n == 0 && (size_t)at == s.n);
        struct cel_value v = cel_of_str(done ? s : str_make(s.p, (size_t)at));
        if (cel_list_push(call->run->arena, l, &v) < 0)
            return -E_NOMEM;
        if (!done)
            s = str_make(s.p + at + separator.n, s.n - (size_t)at - separator.n);
        left -= left > 0;
    }
    if (!l)
        return -E_NOMEM;
    *ret = cel_list_value(l);
    return 0;
}

static int join(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    struct cel_iter it;
    struct cel_value v;
    struct buf b;
    bool more;
    int rc;
    buf_init(&b, CEL_TEXT_BYTES);
    cel_iter_init(&it, &args[0]);
    for (bool first = true;; first = false) {
        rc = cel_iter_next(call->run, &it, NULL, &v, &more, call->err);
        if (rc == 0 && more && v.kind != CEL_STRING)
            rc = cel_no_overload(call->err);
        if (rc < 0) {
            buf_done(&b);
            return rc;
        }
        if (!more)
            break;
        if (!first && count > 1)
            buf_append_str(&b, args[1].string);
        buf_append_str(&b, v.string);
    }
    return cel_text_from(call, &b, ret);
}

static int quote(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    struct str s = args[0].string;
    struct buf b;
    (void)count;
    buf_init(&b, CEL_TEXT_BYTES);
    buf_putc(&b, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(from, s.p[i]) : NULL;
        if (at)
            buf_putc(&b, '\\');
        buf_putc(&b, at ? to[at - from] : s.p[i]);
    }
    buf_putc(&b, '"');
    return cel_text_from(call, &b, ret);
}

static int escape_key(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    struct str s = args[0].string;
    struct buf b;
    (void)count;
    buf_init(&b, CEL_TEXT_BYTES);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '~' || s.p[i] == '/')
            buf_puts(&b, s.p[i] == '~' ? "~0" : "~1");
        else
            buf_putc(&b, s.p[i]);
    }
    return cel_text_from(call, &b, ret);
}

const struct cel_function cel_functions_strings[] = {
    {"contains", true, "ss>b", contains, COST_CONTAINS},
    {"startsWith", true, "ss>b", starts_with, COST_TEXT},
    {"endsWith", true, "ss>b", ends_with, COST_TEXT},
    {"charAt", true, "si>s", char_at, COST_ONE},
    {"indexOf", true, "ss>i", index_of, COST_LIST},
    {"indexOf", true, "ssi>i", index_of, COST_LIST},
    {"lastIndexOf", true, "ss>i", last_index_of, COST_LIST},
    {"lastIndexOf", true, "ssi>i", last_index_of, COST_LIST},
    {"lowerAscii", true, "s>s", change_case, COST_TEXT},
    {"upperAscii", true, "s>s", change_case, COST_TEXT},
    {"replace", true, "sss>s", replace, COST_TEXT_TWICE},
    {"replace", true, "sssi>s", replace, COST_TEXT_TWICE},
    {"split", true, "ss>Ls", split, COST_TEXT_TWICE},
    {"split", true, "ssi>Ls", split, COST_TEXT_TWICE},
    {"substring", true, "si>s", substring, COST_TEXT},
    {"substring", true, "sii>s", substring, COST_TEXT},
    {"trim", true, "s>s", trim, COST_TEXT},
    {"reverse", true, "s>s", reverse, COST_TEXT},
    {"join", true, "Ls>s", join, COST_RESULT_TWICE},
    {"join", true, "Lss>s", join, COST_RESULT_TWICE},
    {"strings.quote", false, "s>s", quote, COST_TEXT},
    {"format", true, "sL*>s", cel_text_format, COST_TEXT},
    {"jsonpatch.escapeKey", false, "s>s", escape_key, COST_TEXT},
    {0},
};
