/*
 * The JSON writer, spelled as Go's encoding/json does with its defaults, which is what upstream's
 * API server sends: HTML-sensitive characters and the two line separators as \u escapes, numbers
 * in their shortest form that reads back the same.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"
#include "codec/utf8.h"

static void write_escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_from[] = "\"\\\b\f\n\r\t", short_to[] = "\"\\bfnrt";
    const char *which = c ? strchr(short_from, c) : NULL;
    if (which) {
        char text[2] = {'\\', short_to[which - short_from]};
        buf_append(out, text, 2);
    } else {
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        buf_append(out, text, 6);
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void json_write_string(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t at = 0; at < s.n;) {
        size_t run = at;
        while (run < s.n && is_plain((unsigned char)s.p[run]))
            run++;
        buf_append(out, s.p + at, run - at);
        at = run;
        if (at >= s.n)
            break;
        unsigned char c = (unsigned char)s.p[at];
        if (c < 0x80) {
            write_escape(out, c);
            at++;
            continue;
        }
        size_t n = utf8_length(s.p + at, s.n - at);
        if (n == 0) {
            buf_puts(out, "\\ufffd");
            at++;
        } else if (n == 3 && (memcmp(s.p + at, "\xe2\x80\xa8", 3) == 0 ||
                              memcmp(s.p + at, "\xe2\x80\xa9", 3) == 0)) {
            buf_puts(out, s.p[at + 2] == '\xa8' ? "\\u2028" : "\\u2029");
            at += n;
        } else {
            buf_append(out, s.p + at, n);
            at += n;
        }
    }
    buf_putc(out, '"');
}

/* Shortest %g form that reads back as the same double. */
static void shortest(double v, char *text, size_t size, int *ret_precision)
{
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(text, size, "%.*e", precision - 1, v);
        *ret_precision = precision;
        if (strtod(text, NULL) == v)
            return;
    }
}

void json_write_double(struct buf *out, double v)
{
    char text[400];
    int precision = 0;
    if (!isfinite(v)) { /* cannot come from a reader; null keeps the document well formed */
        buf_puts(out, "null");
        return;
    }
    shortest(v, text, sizeof(text), &precision);
    double size = fabs(v);
    const char *e = strchr(text, 'e');
    int exponent = e ? atoi(e + 1) : 0;
    if (v == 0 || (size >= 1e-6 && size < 1e21)) {
        int decimals = precision - 1 - exponent;
        snprintf(text, sizeof(text), "%.*f", decimals > 0 ? decimals : 0, v);
        buf_puts(out, text);
    } else { /* "1e-09" is spelled 1e-9 */
        buf_append(out, text, (size_t)(e - text));
        buf_printf(out, "e%c%d", exponent < 0 ? '-' : '+', abs(exponent));
    }
}

static void write_scalar(struct buf *out, const struct json *j)
{
    switch (j->type) {
    case JSON_BOOL:
        buf_puts(out, j->boolean ? "true" : "false");
        break;
    case JSON_INT:
        buf_put_i64(out, j->i64);
        break;
    case JSON_DOUBLE:
        json_write_double(out, j->number);
        break;
    case JSON_STRING:
        json_write_string(out, j->string);
        break;
    default:
        buf_puts(out, "null");
    }
}

static void newline(struct buf *out, int level)
{
    static const char spaces[] = "                                ";
    size_t left = (size_t)level * 2;
    buf_putc(out, '\n');
    while (left > 0) {
        size_t n = left < sizeof(spaces) - 1 ? left : sizeof(spaces) - 1;
        buf_append(out, spaces, n);
        left -= n;
    }
}

/* level < 0: compact. Recursion is bounded by the depth that a reader or a builder made. */
static void write_value(struct buf *out, const struct json *j, int level)
{
    if (!j || (j->type != JSON_ARRAY && j->type != JSON_OBJECT)) {
        write_scalar(out, j ? j : &(struct json){.type = JSON_NULL});
        return;
    }
    bool object = j->type == JSON_OBJECT;
    int inner = level < 0 ? level : level + 1;
    buf_putc(out, object ? '{' : '[');
    for (const struct json *m = j->list.first; m; m = m->next) {
        if (m != j->list.first)
            buf_putc(out, ',');
        if (level >= 0)
            newline(out, inner);
        if (object) {
            json_write_string(out, m->key);
            buf_putc(out, ':');
            if (level >= 0)
                buf_putc(out, ' ');
        }
        write_value(out, m, inner);
    }
    if (level >= 0 && j->list.first)
        newline(out, level);
    buf_putc(out, object ? '}' : ']');
}

void json_write(struct buf *out, const struct json *j)
{
    write_value(out, j, -1);
}

void json_write_pretty(struct buf *out, const struct json *j)
{
    write_value(out, j, 0);
}
