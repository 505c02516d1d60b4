/* The YAML writer: block style, two spaces; anything doubtful in JSON's double quotes. */
#include "codec/utf8.h"
#include "codec/yaml.h"
#include "codec/yaml_int.h"

static void indent(struct buf *out, int level)
{
    for (int i = 0; i < level; i++)
        buf_puts(out, "  ");
}

/* Letters, digits and a few marks inside, and nothing that YAML 1.1 takes for another type. */
static bool is_plain(struct str s)
{
    struct json j = {0};
    if (s.n == 0 || s.n > 200 || !yaml_resolve(s, &j) || j.type != JSON_STRING || str_is(s, "<<"))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool mark = c == '_' || c == '.' || c == '/' || c == '-' || c == '+' || c == '=';
        bool inner = i > 0 && i + 1 < s.n &&
                     ((c == ':' && s.p[i + 1] != ' ') || (c == ' ' && s.p[i + 1] != '#'));
        if (!alnum && !(i > 0 && mark) && !(c == '/' && i == 0) && !inner)
            return false;
    }
    /* a date must not be read as one by other tools */
    return !(s.p[0] >= '0' && s.p[0] <= '9');
}

/* Characters that JSON lets stand but YAML folds as line breaks or calls not printable. */
static unsigned must_escape(const char *s, size_t n)
{
    unsigned char a = (unsigned char)s[0], b = (unsigned char)s[1],
                  c = n > 2 ? (unsigned char)s[2] : 0;
    if (n == 2 && a == 0xc2 && b < 0xa0)
        return b;
    if (n == 3 && a == 0xef && b == 0xbb && c == 0xbf)
        return 0xfeff;
    return n == 3 && a == 0xef && b == 0xbf && c >= 0xbe ? 0xff00u | (c | 0x40) : 0;
}

static void write_quoted(struct buf *out, struct str s)
{
    CLEANUP_BUF struct buf plain;
    buf_init(&plain, out->max_bytes);
    json_write_string(&plain, s); /* what stands in it is ASCII or whole UTF-8 characters */
    struct str text = buf_str(&plain);
    for (size_t at = 0, n; at < text.n; at += n) {
        n = utf8_length(text.p + at, text.n - at);
        n = n ? n : 1;
        unsigned point = n > 1 ? must_escape(text.p + at, n) : text.p[at] == 0x7f ? 0x7f : 0;
        if (point)
            buf_printf(out, "\\u%04x", point);
        else
            buf_append(out, text.p + at, n);
    }
    out->failed = out->failed || plain.failed;
}

static void write_text(struct buf *out, struct str s)
{
    if (is_plain(s))
        buf_append_str(out, s);
    else
        write_quoted(out, s);
}

/* first_inline: the caller stands behind "- ", so the first line needs no indent. */
static void write_block(struct buf *out, const struct json *j, int level, bool first_inline)
{
    bool object = j->type == JSON_OBJECT;
    for (const struct json *m = json_first(j); m; m = m->next) {
        if (!first_inline || m != json_first(j))
            indent(out, level);
        if (object) {
            write_text(out, m->key);
            buf_putc(out, ':');
        } else {
            buf_putc(out, '-');
        }
        if (json_count(m) > 0 && (object || m->type == JSON_ARRAY)) {
            buf_putc(out, '\n');
            /* sequences stand at their key's indent, as kubectl writes them */
            write_block(out, m, object && m->type == JSON_ARRAY ? level : level + 1, false);
        } else if (json_count(m) > 0) {
            buf_putc(out, ' ');
            write_block(out, m, level + 1, true);
        } else {
            buf_putc(out, ' ');
            if (m->type == JSON_STRING)
                write_text(out, m->string);
            else
                json_write(out, m);
            buf_putc(out, '\n');
        }
    }
}

void yaml_write(struct buf *out, const struct json *j)
{
    if (json_count(j) > 0) {
        write_block(out, j, 0, false);
        return;
    }
    if (json_is(j, JSON_STRING))
        write_text(out, j->string);
    else
        json_write(out, j);
    buf_putc(out, '\n');
}
