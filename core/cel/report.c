/* Problems of an expression as texts with the line and a mark under the place. */
#include <stdio.h>

#include "cel/cel_int.h"
#include "codec/utf8.h"

struct place {
    uint32_t line, column; /* from 1 */
    struct str text;       /* of the line */
    size_t at;             /* in the line */
};

static struct place find(struct str source, size_t at)
{
    size_t start = 0, end, line = 1;
    for (size_t i = 0; i < at && i < source.n; i++)
        if (source.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    for (end = start; end < source.n && source.p[end] != '\n';)
        end++;
    struct place place = {.line = (uint32_t)line, .column = 1, .at = at - start};
    place.text = str_make(source.p + start, end - start);
    for (size_t i = start; i < at && i < end; i++)
        place.column += ((unsigned char)source.p[i] & 0xc0) != 0x80;
    return place;
}

/* A dot for each character before the mark; wide ones below what is not ASCII, as upstream. */
static void put_mark(struct buf *out, struct str line, size_t at)
{
    size_t i = 0, n = 1;
    buf_puts(out, "\n | ");
    for (; i < at && i < line.n; i += n) {
        n = utf8_length(line.p + i, line.n - i);
        buf_puts(out, n > 1 ? "\uff0e" : ".");
        n += n == 0;
    }
    buf_puts(out, i < line.n && utf8_length(line.p + i, line.n - i) > 1 ? "\uff3e" : "^");
}

/* As upstream prints what has no place. */
static void add_without_place(struct cel_report *r, const char *text)
{
    if (r->count++ == 0)
        err_set(r->err, E_INVALID, "ERROR: %s:-1:0: %s", r->name, text);
    else
        buf_putc(&r->text, '\n');
    buf_printf(&r->text, "ERROR: %s:-1:0: %s", r->name, text);
}

void cel_report_add(struct cel_report *r, size_t at, const char *fmt, ...)
{
    char text[400];
    va_list args;
    if (r->count >= CEL_PROBLEMS)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (at == SIZE_MAX) {
        add_without_place(r, text);
        return;
    }
    struct place place = find(r->source, at < r->source.n ? at : r->source.n);
    if (r->count++ == 0) {
        r->line = place.line;
        r->column = place.column;
        err_set(r->err, E_INVALID, "ERROR: %s:%u:%u: %s", r->name, place.line, place.column, text);
    } else {
        buf_putc(&r->text, '\n');
    }
    buf_printf(&r->text, "ERROR: %s:%u:%u: %s", r->name, place.line, place.column, text);
    if (place.text.n > 16384)
        return;
    buf_puts(&r->text, "\n | ");
    for (size_t i = 0; i < place.text.n; i++)
        buf_putc(&r->text, place.text.p[i] == '\t' ? ' ' : place.text.p[i]);
    put_mark(&r->text, place.text, place.at);
}
