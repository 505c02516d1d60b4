/*
 * A unified diff in the way of Python's difflib, which upstream's library follows: the longest run
 * of equal lines first, then what lies before and behind it in the same way.
 */
#include "api/kinds/spec_diff.h"

enum { LINES_MOST = 256, TEXT_MOST = 1 << 20, CONTEXT = 3 };

struct text {
    struct str lines[LINES_MOST];
    unsigned same[LINES_MOST]; /* equal numbers: equal lines, of either text */
    size_t count;
};

struct diff {
    struct text before, now;
    size_t partner[LINES_MOST];  /* of each line before: where it is now, or LINES_MOST */
    size_t run[LINES_MOST + 1], next[LINES_MOST + 1]; /* lengths of runs that end at a line */
};

static void indent(struct buf *out, int depth)
{
    buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_putc(out, ' ');
}

/* As encoding/json's MarshalIndent with one blank. */
static void write_indented(struct buf *out, const struct json *j, int depth)
{
    bool object = json_is(j, JSON_OBJECT);
    if ((!object && !json_is(j, JSON_ARRAY)) || !json_count(j)) {
        json_write(out, j);
        return;
    }
    buf_putc(out, object ? '{' : '[');
    for (const struct json *m = json_first(j); m; m = m->next) {
        indent(out, depth + 1);
        if (object) {
            json_write_string(out, m->key);
            buf_puts(out, ": ");
        }
        write_indented(out, m, depth + 1);
        if (m->next)
            buf_putc(out, ',');
    }
    indent(out, depth);
    buf_putc(out, object ? '}' : ']');
}

static bool read_lines(struct arena *a, const struct json *j, struct text *ret)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, TEXT_MOST);
    write_indented(&out, j, 0);
    struct str rest = out.failed ? (struct str){NULL, 0} : arena_str(a, buf_str(&out)), line;
    while (rest.p && str_split(&rest, '\n', &line)) {
        if (ret->count == LINES_MOST)
            return false;
        ret->lines[ret->count++] = line;
    }
    return ret->count > 0;
}

/* The longest run that both have within these bounds, the first of equals; its length. */
static size_t longest(struct diff *d, size_t a0, size_t a1, size_t b0, size_t b1, size_t *ret_a,
                      size_t *ret_b)
{
    size_t best = 0;
    memset(d->run, 0, sizeof d->run);
    for (size_t i = a0; i < a1; i++) {
        memset(d->next, 0, sizeof d->next);
        for (size_t j = b0; j < b1; j++) {
            if (d->before.same[i] != d->now.same[j])
                continue;
            size_t n = d->next[j + 1] = d->run[j] + 1;
            if (n > best) {
                best = n;
                *ret_a = i + 1 - n;
                *ret_b = j + 1 - n;
            }
        }
        memcpy(d->run, d->next, sizeof d->run);
    }
    return best;
}

static void pair(struct diff *d, size_t a0, size_t a1, size_t b0, size_t b1)
{
    while (a0 < a1 && b0 < b1) {
        size_t a, b, n = longest(d, a0, a1, b0, b1, &a, &b);
        if (!n)
            return;
        for (size_t i = 0; i < n; i++)
            d->partner[a + i] = b + i;
        pair(d, a0, a, b0, b); /* shorter by a line at least, each time */
        a0 = a + n;
        b0 = b + n;
    }
}

/* Numbers the lines. */
static void number(struct diff *d)
{
    for (size_t i = 0; i < d->before.count + d->now.count; i++) {
        struct text *t = i < d->before.count ? &d->before : &d->now;
        size_t at = t == &d->before ? i : i - d->before.count, k = 0;
        while (k < d->before.count && !str_eq(d->before.lines[k], t->lines[at]))
            k++;
        t->same[at] = (unsigned)k; /* what is new matches nothing before, so it may share one number */
    }
}

struct row {
    char tag;
    size_t a, b; /* lines before it on either side */
};

static size_t rows_of(const struct diff *d, struct row *rows)
{
    size_t count = 0, a = 0, b = 0;
    while (a < d->before.count || b < d->now.count) {
        struct row r = {' ', a, b};
        if (a < d->before.count && d->partner[a] == LINES_MOST)
            r.tag = '-';
        else if (b < d->now.count && (a == d->before.count || d->partner[a] != b))
            r.tag = '+';
        rows[count++] = r;
        a += r.tag != '+';
        b += r.tag != '-';
    }
    return count;
}

static void write_range(struct buf *out, char sign, size_t start, size_t count)
{
    buf_printf(out, "%c%zu", sign, count ? start + 1 : start);
    if (count != 1)
        buf_printf(out, ",%zu", count);
}

static void write_hunk(struct buf *out, const struct diff *d, const struct row *rows, size_t count)
{
    size_t before = 0, now = 0;
    for (size_t i = 0; i < count; i++) {
        before += rows[i].tag != '+';
        now += rows[i].tag != '-';
    }
    buf_puts(out, "@@ ");
    write_range(out, '-', rows[0].a, before);
    buf_putc(out, ' ');
    write_range(out, '+', rows[0].b, now);
    buf_puts(out, " @@\n");
    for (size_t i = 0; i < count; i++) {
        buf_putc(out, rows[i].tag);
        buf_append_str(out, rows[i].tag == '+' ? d->now.lines[rows[i].b]
                                               : d->before.lines[rows[i].a]);
        buf_putc(out, '\n');
    }
}

static void write_hunks(struct buf *out, const struct diff *d, const struct row *rows, size_t count)
{
    size_t at = 0;
    while (at < count) {
        size_t first = at, last;
        while (first < count && rows[first].tag == ' ')
            first++;
        if (first == count)
            return;
        last = first;
        for (size_t i = first; i < count && i <= last + 2 * CONTEXT + 1; i++)
            if (rows[i].tag != ' ')
                last = i;
        size_t from = first > at + CONTEXT ? first - CONTEXT : at;
        size_t to = last + CONTEXT < count ? last + CONTEXT + 1 : count;
        write_hunk(out, d, rows + from, to - from);
        at = to;
    }
}

const char *spec_diff(struct arena *a, const struct json *before, const struct json *now)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, 2 * TEXT_MOST);
    struct diff *d = mem_zalloc(sizeof *d);
    struct row *rows = mem_zalloc(2 * LINES_MOST * sizeof *rows);
    if (d && rows && read_lines(a, before, &d->before) && read_lines(a, now, &d->now)) {
        for (size_t i = 0; i < LINES_MOST; i++)
            d->partner[i] = LINES_MOST;
        number(d);
        pair(d, 0, d->before.count, 0, d->now.count);
        write_hunks(&out, d, rows, rows_of(d, rows));
    }
    mem_free(rows);
    mem_free(d);
    const char *text = out.failed ? "" : arena_strdup(a, buf_cstr(&out));
    return text ? text : "";
}
