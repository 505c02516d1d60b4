/* See logs.h. */
#include "node/logs.h"

int logs_parse(struct str line, struct logs_line *ret_line)
{
    struct str rest = line, time, stream, tag;
    if (!str_split(&rest, ' ', &time) || !rest.p || !str_split(&rest, ' ', &stream) || !rest.p)
        return -E_SYNTAX;
    if (!str_split(&rest, ' ', &tag) || time.n == 0 || tag.n == 0)
        return -E_SYNTAX;
    bool error = str_is(stream, "stderr");
    if ((!error && !str_is(stream, "stdout")) || (tag.p[0] != 'F' && tag.p[0] != 'P'))
        return -E_SYNTAX;
    *ret_line = (struct logs_line){time, rest.p ? rest : STR(""), error, tag.p[0] == 'P'};
    return 0;
}

/* Where the line that ends before `end` begins. */
static size_t line_start(struct str raw, size_t end)
{
    while (end > 0 && raw.p[end - 1] != '\n')
        end--;
    return end;
}

void logs_tail_text(struct str raw, unsigned lines, char *dst, size_t size)
{
    size_t end = raw.n, at = size - 1; /* dst is filled from its end */
    struct logs_line l;
    if (end && raw.p[end - 1] == '\n')
        end--;
    while (end > 0 && lines > 0) {
        size_t start = line_start(raw, end);
        if (logs_parse(str_make(raw.p + start, end - start), &l) == 0) {
            size_t room = l.partial ? 0 : 1;
            if (l.text.n + room > at)
                break;
            if (room)
                dst[--at] = '\n';
            at -= l.text.n;
            memcpy(dst + at, l.text.p, l.text.n);
            lines -= !l.partial;
        }
        end = start ? start - 1 : 0;
    }
    size_t n = size - 1 - at;
    memmove(dst, dst + at, n);
    dst[n] = 0;
}
