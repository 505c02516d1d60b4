/* The YAML writer: block style, two spaces; anything doubtful in JSON's double quotes. */
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

static void write_text(struct buf *out, struct str s)
{
    if (is_plain(s))
        buf_append_str(out, s);
    else
        json_write_string(out, s);
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
