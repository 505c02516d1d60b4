/*
 * '...'.format([...]) of cel-go's ext/strings, version 2: %s %d %f %e %b %x %X %o and %%, with a
 * precision for %f and %e, which are written as in American English, as upstream does.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cel/cel_int.h"

enum { MAX_PRECISION = 100, DEFAULT_PRECISION = 6 };

static int put_value(struct cel_call *call, struct buf *out, const struct cel_value *v,
                     bool nested);

static int wrong(struct cel_call *call, const char *wanted, const struct cel_value *v)
{
    return err_set(call->err, E_INVALID, "error during formatting: %s, was given %s", wanted,
                   cel_type_name(cel_value_type(v)));
}

static void put_quoted(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            buf_puts(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        else if (c < ' ' || c == 127)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static int put_list(struct cel_call *call, struct buf *out, const struct cel_value *list)
{
    struct cel_iter it;
    struct cel_value v;
    bool more;
    int rc;
    buf_putc(out, '[');
    cel_iter_init(&it, list);
    for (bool first = true;; first = false) {
        rc = cel_iter_next(call->run, &it, NULL, &v, &more, call->err);
        if (rc < 0 || !more)
            break;
        buf_puts(out, first ? "" : ", ");
        if ((rc = put_value(call, out, &v, true)) < 0)
            return rc;
    }
    buf_putc(out, ']');
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Entries as texts, in order of them. */
static int map_entries(struct cel_call *call, const struct cel_value *map, struct str *entries,
                       uint32_t *ret_count)
{
    struct cel_iter it;
    struct cel_value key, v;
    bool more;
    int rc;
    uint32_t n = 0;
    cel_iter_init(&it, map);
    while ((rc = cel_iter_next(call->run, &it, &key, &v, &more, call->err)) == 0 && more) {
        CLEANUP_BUF struct buf b;
        buf_init(&b, CEL_TEXT_BYTES);
        rc = put_value(call, &b, &key, true);
        buf_putc(&b, ':');
        if (rc < 0 || (rc = put_value(call, &b, &v, true)) < 0)
            return rc;
        entries[n] = arena_str(call->run->arena, buf_str(&b));
        if (!entries[n++].p || b.failed)
            return -E_NOMEM;
    }
    *ret_count = n;
    return rc;
}

static int put_map(struct cel_call *call, struct buf *out, const struct cel_value *map)
{
    uint32_t count = cel_count(map);
    struct str *entries = arena_alloc(call->run->arena, (count + 1) * sizeof *entries);
    if (!entries)
        return -E_NOMEM;
    int rc = map_entries(call, map, entries, &count);
    if (rc < 0)
        return rc;
    qsort(entries, count, sizeof *entries, by_text);
    buf_putc(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        buf_puts(out, i ? ", " : "");
        buf_append_str(out, entries[i]);
    }
    buf_putc(out, '}');
    return 0;
}

static void put_double(struct buf *out, double v, bool nested)
{
    if (!nested)
        cel_double_write(out, v);
    else if (isnan(v) || isinf(v))
        buf_puts(out, isnan(v) ? "\"NaN\"" : v > 0 ? "\"+Inf\"" : "\"-Inf\"");
    else
        buf_printf(out, "%.6f", v);
}

static int put_scalar(struct cel_call *call, struct buf *out, const struct cel_value *v,
                      bool nested)
{
    switch ((enum cel_kind)v->kind) {
    case CEL_NULL:
        buf_puts(out, "null");
        return 0;
    case CEL_BOOL:
        buf_puts(out, v->boolean ? "true" : "false");
        return 0;
    case CEL_INT:
        buf_put_i64(out, v->i64);
        return 0;
    case CEL_UINT:
        buf_put_u64(out, v->u64);
        return 0;
    case CEL_DOUBLE:
        put_double(out, v->number, nested);
        return 0;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        if (nested)
            buf_puts(out, v->kind == CEL_TIMESTAMP ? "timestamp(\"" : "duration(\"");
        if (v->kind == CEL_TIMESTAMP)
            cel_time_write(out, &v->time);
        else
            cel_duration_write(out, v->i64);
        buf_puts(out, nested ? "\")" : "");
        return 0;
    case CEL_TYPE:
        buf_printf(out, nested ? "type(%s)" : "%s", cel_type_name(v->named));
        return 0;
    default:
        return wrong(call,
                     "string clause can only be used on strings, bools, bytes, ints, doubles, "
                     "maps, lists, types, durations, and timestamps",
                     v);
    }
}

static int put_value(struct cel_call *call, struct buf *out, const struct cel_value *v, bool nested)
{
    int rc = cel_work(call->run, 1, call->err);
    if (rc < 0)
        return rc;
    if (out->failed)
        return cel_over_limit(call->err);
    switch ((enum cel_kind)v->kind) {
    case CEL_STRING:
    case CEL_BYTES:
        if (!nested) {
            buf_append_str(out, v->string);
        } else {
            buf_puts(out, v->kind == CEL_BYTES ? "b" : "");
            put_quoted(out, v->string);
        }
        return 0;
    case CEL_LIST:
        return put_list(call, out, v);
    case CEL_MAP:
        return put_map(call, out, v);
    default:
        return put_scalar(call, out, v, nested);
    }
}

/* ---- numbers ---- */

/* The digits before the point in groups of three. */
static void put_fixed(struct buf *out, double v, int precision)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%.*f", precision, v);
    int whole = 0;
    while (whole < n && text[whole] != '.')
        whole++;
    for (int i = 0; i < n; i++) {
        buf_putc(out, text[i]);
        if (i + 1 < whole && text[i] != '-' && (whole - i - 1) % 3 == 0)
            buf_putc(out, ',');
    }
}

static void put_scientific(struct buf *out, double v, int precision)
{
    static const char *const raised[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                         "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    char text[512];
    snprintf(text, sizeof text, "%.*e", precision, v);
    char *e = strchr(text, 'e');
    buf_append(out, text, (size_t)(e - text));
    buf_puts(out, "\u202f\u00d7\u202f10");
    for (e++; *e; e++)
        buf_puts(out, *e == '-' ? "\u207b" : *e == '+' ? "" : raised[*e - '0']);
}

static int put_float(struct cel_call *call, struct buf *out, const struct cel_value *v, char clause,
                     int precision)
{
    double number = v->number;
    if (v->kind == CEL_STRING && (str_is(v->string, "NaN") || str_is(v->string, "Infinity") ||
                                  str_is(v->string, "-Infinity")))
        number = v->string.p[0] == 'N' ? NAN : v->string.p[0] == '-' ? -INFINITY : INFINITY;
    else if (v->kind != CEL_DOUBLE)
        return wrong(call,
                     clause == 'f' ? "fixed-point clause can only be used on doubles"
                                   : "scientific clause can only be used on doubles",
                     v);
    if (isnan(number) || isinf(number))
        buf_puts(out, isnan(number) ? "NaN" : number > 0 ? "\u221e" : "-\u221e");
    else if (clause == 'f')
        put_fixed(out, number, precision);
    else
        put_scientific(out, number, precision);
    return 0;
}

static void put_radix(struct buf *out, uint64_t v, unsigned radix, const char *letters)
{
    char text[65];
    size_t at = sizeof text;
    do {
        text[--at] = letters[v % radix];
        v /= radix;
    } while (v);
    buf_append(out, text + at, sizeof text - at);
}

static int put_based(struct cel_call *call, struct buf *out, const struct cel_value *v, char clause)
{
    const char *letters = clause == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    bool hex = clause == 'x' || clause == 'X';
    if (hex && (v->kind == CEL_STRING || v->kind == CEL_BYTES)) {
        for (size_t i = 0; i < v->string.n; i++) {
            unsigned char c = (unsigned char)v->string.p[i];
            buf_putc(out, letters[c >> 4]);
            buf_putc(out, letters[c & 15]);
        }
        return 0;
    }
    if (clause == 'b' && v->kind == CEL_BOOL) {
        buf_putc(out, v->boolean ? '1' : '0');
        return 0;
    }
    if (v->kind != CEL_INT && v->kind != CEL_UINT)
        return wrong(call,
                     clause == 'd'   ? "decimal clause can only be used on integers"
                     : clause == 'b' ? "only integers and bools can be formatted as binary"
                     : clause == 'o' ? "octal clause can only be used on integers"
                                     : "only integers, byte buffers, and strings can be formatted "
                                       "as hex",
                     v);
    bool negative = v->kind == CEL_INT && v->i64 < 0;
    buf_puts(out, negative ? "-" : "");
    put_radix(out, negative ? -v->u64 : v->u64,
              clause == 'd'   ? 10
              : clause == 'b' ? 2
              : clause == 'o' ? 8
                              : 16,
              letters);
    return 0;
}

/* ---- the text ---- */

static int read_precision(struct cel_call *call, struct str *rest, int *ret)
{
    int v = 0;
    *ret = DEFAULT_PRECISION;
    if (rest->n == 0 || rest->p[0] != '.')
        return 0;
    size_t i = 1;
    for (; i < rest->n && rest->p[i] >= '0' && rest->p[i] <= '9' && v <= MAX_PRECISION; i++)
        v = v * 10 + (rest->p[i] - '0');
    if (i == 1 || v > MAX_PRECISION)
        return err_set(call->err, E_INVALID,
                       "could not parse formatting clause: error while parsing precision");
    *rest = str_make(rest->p + i, rest->n - i);
    *ret = v;
    return 0;
}

/* What follows a '%'. */
static int put_clause(struct cel_call *call, struct buf *out, struct str *rest,
                      const struct cel_value *list, uint32_t index)
{
    struct cel_value v;
    int precision;
    if (index >= cel_count(list))
        return err_set(call->err, E_INVALID, "index %u out of range", index);
    int rc = cel_list_at(call->run, list, index, &v, call->err);
    if (rc < 0 || (rc = read_precision(call, rest, &precision)) < 0)
        return rc;
    if (rest->n == 0)
        return err_set(call->err, E_INVALID, "unexpected end of string");
    char clause = rest->p[0];
    *rest = str_make(rest->p + 1, rest->n - 1);
    switch (clause) {
    case 's':
        return put_value(call, out, &v, false);
    case 'f':
    case 'e':
        return put_float(call, out, &v, clause, precision);
    case 'd':
    case 'b':
    case 'o':
    case 'x':
    case 'X':
        return put_based(call, out, &v, clause);
    default:
        return err_set(call->err, E_INVALID,
                       "could not parse formatting clause: unrecognized formatting clause \"%c\"",
                       clause);
    }
}

int cel_text_format(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    struct str rest = args[0].string;
    struct buf b;
    uint32_t index = 0;
    int rc = 0;
    (void)count;
    buf_init(&b, CEL_TEXT_BYTES);
    while (rest.n > 0 && rc == 0) {
        char c = rest.p[0];
        rest = str_make(rest.p + 1, rest.n - 1);
        if (c != '%') {
            buf_putc(&b, c);
        } else if (rest.n > 0 && rest.p[0] == '%') {
            buf_putc(&b, '%');
            rest = str_make(rest.p + 1, rest.n - 1);
        } else {
            rc = put_clause(call, &b, &rest, &args[1], index++);
        }
    }
    if (rc < 0) {
        buf_done(&b);
        return rc;
    }
    return cel_text_from(call, &b, ret);
}
