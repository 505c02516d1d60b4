#include "base/metrics.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

enum { KEY_BYTES = 1024 };

struct series {
    struct list link;
    struct str labels; /* `a="x",b="y"`, behind the struct */
    double value;      /* or the sum of a histogram */
    uint64_t count;
    uint64_t buckets[]; /* of a histogram: not yet summed up */
};

struct metric {
    struct list link, series;
    const struct metric_spec *spec;
    struct map by_values;
    size_t bucket_count;
};

struct metrics {
    struct list all;
};

int metrics_new(struct metrics **ret)
{
    struct metrics *m = mem_zalloc(sizeof *m);
    if (!m)
        return -E_NOMEM;
    list_init(&m->all);
    *ret = m;
    return 0;
}

void metric_clear(struct metric *m)
{
    struct series *s, *next;
    if (!m)
        return;
    LIST_EACH_SAFE(s, next, &m->series, link)
        mem_free(s);
    list_init(&m->series);
    map_done(&m->by_values, NULL);
    map_init(&m->by_values);
}

void metrics_free(struct metrics *m)
{
    struct metric *one, *next;
    if (!m)
        return;
    LIST_EACH_SAFE(one, next, &m->all, link) {
        metric_clear(one);
        mem_free(one);
    }
    mem_free(m);
}

struct metric *metrics_add(struct metrics *m, const struct metric_spec *spec)
{
    struct metric *one = m ? mem_zalloc(sizeof *one) : NULL;
    if (!one)
        return NULL;
    one->spec = spec;
    list_init(&one->series);
    while (spec->buckets && spec->buckets[one->bucket_count] > 0 &&
           one->bucket_count < METRIC_BUCKETS)
        one->bucket_count++;
    list_push_back(&m->all, &one->link);
    return one;
}

/* ---- series ---- */

static void put_value(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == '\\' || value.p[i] == '"')
            buf_printf(out, "\\%c", value.p[i]);
        else if (value.p[i] == '\n')
            buf_puts(out, "\\n");
        else
            buf_putc(out, value.p[i]);
}

static struct series *series_new(struct metric *m, struct str key, const struct str *values)
{
    struct buf text CLEANUP_BUF;
    size_t counts = (m->bucket_count + 1) * sizeof(uint64_t);
    buf_init(&text, 4 * KEY_BYTES);
    for (size_t i = 0; m->spec->labels && m->spec->labels[i]; i++) {
        buf_printf(&text, "%s%s=\"", i ? "," : "", m->spec->labels[i]);
        put_value(&text, values[i]);
        buf_putc(&text, '"');
    }
    struct series *s = text.failed ? NULL : mem_zalloc(sizeof *s + counts + buf_len(&text));
    if (!s)
        return NULL;
    char *behind = (char *)s + sizeof *s + counts;
    if (buf_len(&text))
        memcpy(behind, buf_str(&text).p, buf_len(&text));
    s->labels = str_make(behind, buf_len(&text));
    if (map_set(&m->by_values, key, s, NULL) < 0) {
        mem_free(s);
        return NULL;
    }
    list_push_back(&m->series, &s->link);
    return s;
}

static struct series *series_of(struct metric *m, const struct str *values)
{
    char key[KEY_BYTES];
    size_t n = 0;
    for (size_t i = 0; m->spec->labels && m->spec->labels[i]; i++) {
        if (n + values[i].n + 1 > sizeof key)
            return NULL;
        if (values[i].n)
            memcpy(key + n, values[i].p, values[i].n);
        n += values[i].n;
        key[n++] = 0;
    }
    struct series *s = map_get(&m->by_values, str_make(key, n));
    if (s || m->by_values.count >= METRIC_SERIES)
        return s;
    return series_new(m, str_make(key, n), values);
}

void metric_add(struct metric *m, const struct str *values, double by)
{
    struct series *s = m ? series_of(m, values) : NULL;
    if (s)
        s->value += by;
}

void metric_set(struct metric *m, const struct str *values, double value)
{
    struct series *s = m ? series_of(m, values) : NULL;
    if (s)
        s->value = value;
}

void metric_observe(struct metric *m, const struct str *values, double value)
{
    struct series *s = m ? series_of(m, values) : NULL;
    size_t i = 0;
    if (!s)
        return;
    while (i < m->bucket_count && value > m->spec->buckets[i])
        i++;
    s->buckets[i]++;
    s->count++;
    s->value += value;
}

/* ---- text ---- */

static void put_number(struct buf *out, double v)
{
    if (v == (double)(int64_t)v && v > -1e15 && v < 1e15)
        buf_put_i64(out, (int64_t)v);
    else
        buf_printf(out, "%.9g", v);
}

static void put_line(struct buf *out, const struct metric *m, const struct series *s,
                     const char *suffix, double value)
{
    buf_puts(out, m->spec->name);
    buf_puts(out, suffix);
    if (s->labels.n) {
        buf_putc(out, '{');
        buf_append_str(out, s->labels);
        buf_putc(out, '}');
    }
    buf_putc(out, ' ');
    put_number(out, value);
    buf_putc(out, '\n');
}

static void put_histogram(struct buf *out, const struct metric *m, const struct series *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= m->bucket_count; i++) {
        sum += s->buckets[i];
        buf_printf(out, "%s_bucket{" STR_FMT "%sle=\"", m->spec->name, STR_ARG(s->labels),
                   s->labels.n ? "," : "");
        if (i < m->bucket_count)
            put_number(out, m->spec->buckets[i]);
        else
            buf_puts(out, "+Inf");
        buf_printf(out, "\"} %llu\n", (unsigned long long)sum);
    }
    put_line(out, m, s, "_sum", s->value);
    put_line(out, m, s, "_count", (double)s->count);
}

void metrics_write(const struct metrics *m, struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct metric *one;
    const struct series *s;
    LIST_EACH(one, &m->all, link) {
        if (list_empty(&one->series))
            continue;
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", one->spec->name, one->spec->help,
                   one->spec->name, types[one->spec->type]);
        LIST_EACH(s, &one->series, link)
            if (one->spec->type == METRIC_HISTOGRAM)
                put_histogram(out, one, s);
            else
                put_line(out, one, s, "", s->value);
    }
}
