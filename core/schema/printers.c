/* Tables: columns, rows, and the small cells that many kinds share. */
#include <stdio.h>
#include <stdlib.h>

#include "codec/selector.h"
#include "codec/time.h"
#include "schema/printers_int.h"
#include "schema/runtime.h"

enum { CELL_MOST = 2000, LABELS_MOST = 256, TEXT_MOST = 4 * 1024 * 1024 };

static const struct printers_kind fallback = {"", "", "Name|Age", NULL};

void printers_age(char out[16], int64_t since_ms)
{
    int64_t s = since_ms / 1000, m = s / 60, h = s / 3600, d = h / 24;
    if (since_ms < 0)
        snprintf(out, 16, "%s", since_ms < -1999 ? "<invalid>" : "0s");
    else if (s < 120)
        snprintf(out, 16, "%ds", (int)s);
    else if (m < 10 && s % 60)
        snprintf(out, 16, "%dm%ds", (int)m, (int)(s % 60));
    else if (m < 180)
        snprintf(out, 16, "%dm", (int)m);
    else if (h < 8 && m % 60)
        snprintf(out, 16, "%dh%dm", (int)h, (int)(m % 60));
    else if (h < 48)
        snprintf(out, 16, "%dh", (int)h);
    else if (h < 192 && h % 24)
        snprintf(out, 16, "%dd%dh", (int)d, (int)(h % 24));
    else if (h < 24 * 365 * 2)
        snprintf(out, 16, "%dd", (int)d);
    else if (h < 24 * 365 * 8 && d % 365)
        snprintf(out, 16, "%dy%dd", (int)(d / 365), (int)(d % 365));
    else
        snprintf(out, 16, "%dy", (int)(d / 365 % 100000));
}

void printers_put(struct printers_row *row, const char *text)
{
    json_append(row->arena, row->cells, json_new_cstr(row->arena, text));
}

void printers_put_or(struct printers_row *row, const char *text, const char *when_empty)
{
    printers_put(row, *text ? text : when_empty);
}

void printers_put_buf(struct printers_row *row, struct buf *text, const char *when_empty)
{
    printers_put_or(row, buf_cstr(text), when_empty);
    if (text->failed)
        row->arena->failed = true;
}

void printers_put_int(struct printers_row *row, int64_t value)
{
    json_append(row->arena, row->cells, json_new_i64(row->arena, value));
}

void printers_putf(struct printers_row *row, const char *fmt, ...)
{
    char text[CELL_MOST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printers_put(row, text);
}

void printers_put_name(struct printers_row *row, const struct json *object)
{
    printers_put(row, json_path_cstr(object, "metadata.name"));
}

void printers_since(const struct printers_row *row, const struct json *time, char out[16])
{
    int64_t at = time_text_ms(json_str(time), INT64_MIN);
    if (at == INT64_MIN)
        snprintf(out, 16, "<unknown>");
    else
        printers_age(out, row->now_ms - at);
}

void printers_put_since(struct printers_row *row, const struct json *time, const char *when_absent)
{
    char age[16];
    printers_since(row, time, age);
    printers_put(row, json_absent(time) ? when_absent : age);
}

void printers_put_created(struct printers_row *row, const struct json *object)
{
    printers_put_since(row, json_path(object, "metadata.creationTimestamp"), "<unknown>");
}

static int by_key(const void *a, const void *b)
{
    return str_cmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

void printers_put_labels(struct printers_row *row, const struct json *map)
{
    const struct json *sorted[LABELS_MOST];
    size_t count = 0;
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    for (const struct json *m = json_first(map); m && count < LABELS_MOST; m = m->next)
        sorted[count++] = m;
    if (count)
        qsort(sorted, count, sizeof(sorted[0]), by_key);
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s" STR_FMT "=%s", i ? "," : "", STR_ARG(sorted[i]->key),
                   json_cstr(sorted[i]));
    printers_put_buf(row, &b, "<none>");
}

void printers_put_selector(struct printers_row *row, const struct json *selector,
                           const char *when_empty)
{
    struct selector s;
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    if (selector_from_object(row->arena, selector, &s, NULL)) {
        printers_put(row, "<invalid>");
        return;
    }
    selector_write(&b, &s);
    printers_put_buf(row, &b, when_empty);
}

void printers_put_joined(struct printers_row *row, const struct json *list, const char *member,
                         const char *when_empty)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    for (const struct json *e = json_first(list); e; e = e->next) {
        const char *text = json_cstr(*member ? json_get(e, member) : e);
        if (*text)
            buf_printf(&b, "%s%s", buf_len(&b) ? "," : "", text);
    }
    printers_put_buf(row, &b, when_empty);
}

void printers_put_containers(struct printers_row *row, const struct json *pod_spec)
{
    const struct json *containers = json_get(pod_spec, "containers");
    printers_put_joined(row, containers, "name", "");
    printers_put_joined(row, containers, "image", "");
}

void printers_put_access_modes(struct printers_row *row, const struct json *modes)
{
    static const char names[][2][20] = {{"ReadWriteOnce", "RWO"},
                                        {"ReadOnlyMany", "ROX"},
                                        {"ReadWriteMany", "RWX"},
                                        {"ReadWriteOncePod", "RWOP"}};
    char text[40] = "";
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        for (const struct json *m = json_first(modes); m; m = m->next)
            if (cstr_eq(json_cstr(m), names[i][0])) {
                n +=
                    (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? "," : "", names[i][1]);
                break;
            }
    printers_put(row, text);
}

void printers_put_bool(struct printers_row *row, const struct json *j, const char *when_absent)
{
    printers_put(row, json_absent(j) ? when_absent : json_bool(j, false) ? "true" : "false");
}

const struct json *printers_condition(const struct json *object, const char *type)
{
    for (const struct json *c = json_first(json_path(object, "status.conditions")); c; c = c->next)
        if (cstr_eq(json_cstr(json_get(c, "type")), type))
            return c;
    return NULL;
}

bool printers_condition_true(const struct json *object, const char *type)
{
    return cstr_eq(json_cstr(json_get(printers_condition(object, type), "status")), "True");
}

static const struct printers_kind *find_in(const struct printers_kind *list, const char *group,
                                           const char *plural)
{
    for (; list->plural; list++)
        if (cstr_eq(list->plural, plural) && cstr_eq(list->group, group))
            return list;
    return NULL;
}

/* A subresource that speaks its resource's kind (pods/status) has its columns too. */
static const struct printers_kind *kind_of(const struct schema_resource *r)
{
    const struct printers_kind *const lists[] = {printers_workloads, printers_basics,
                                                 printers_others};
    const char *group = schema_resource_group(r), *plural = schema_resource_plural(r);
    if (cstr_eq(schema_resource_kind(r), "Scale")) {
        group = "autoscaling";
        plural = "scales";
    }
    for (size_t i = 0; i < 3; i++) {
        const struct printers_kind *k = find_in(lists[i], group, plural);
        if (k)
            return k;
    }
    return &fallback;
}

static struct json *column(struct arena *a, struct str text)
{
    struct json *c = json_new(a, JSON_OBJECT);
    bool integer = str_starts(text, STR("#")), wide = str_ends(text, STR("+"));
    struct str name = str_make(text.p + integer, text.n - integer - wide);
    json_set_str(a, c, "name", name);
    json_set_cstr(a, c, "type", integer ? "integer" : "string");
    json_set_cstr(a, c, "format", str_is(name, "Name") && !wide ? "name" : "");
    json_set(a, c, "description", json_new_str(a, name));
    json_set_i64(a, c, "priority", wide);
    return c;
}

struct json *printers_columns(struct arena *a, const struct schema_resource *r)
{
    if (schema_runtime_owner(r) && !schema_resource_type(r))
        return printers_custom_columns(a, r);
    struct json *columns = json_new(a, JSON_ARRAY);
    struct str rest = str_of(kind_of(r)->columns), part;
    while (str_split(&rest, '|', &part))
        json_append(a, columns, column(a, part));
    return a->failed ? NULL : columns;
}

static struct json *row_object(struct arena *a, const struct json *object,
                               enum printers_include include)
{
    if (include == PRINTERS_OBJECT)
        return json_clone(a, object);
    struct json *partial = json_new(a, JSON_OBJECT);
    json_set_cstr(a, partial, "kind", "PartialObjectMetadata");
    json_set_cstr(a, partial, "apiVersion", "meta.k8s.io/v1");
    json_set(a, partial, "metadata", json_clone(a, json_get(object, "metadata")));
    return partial;
}

struct json *printers_row(struct arena *a, const struct schema_resource *r,
                          const struct json *object, const struct printers_options *options)
{
    const struct printers_kind *kind = kind_of(r);
    struct json *j = json_new(a, JSON_OBJECT);
    struct printers_row row = {a, json_set(a, j, "cells", json_new(a, JSON_ARRAY)),
                               options->now_ms};
    if (schema_runtime_owner(r) && !schema_resource_type(r)) {
        printers_custom_cells(&row, r, object);
    } else if (kind->cells) {
        kind->cells(&row, object);
    } else {
        printers_put_name(&row, object);
        printers_put_created(&row, object);
    }
    if (options->include != PRINTERS_NONE)
        json_set(a, j, "object", row_object(a, object, options->include));
    return a->failed ? NULL : j;
}

struct json *printers_table(struct arena *a, const struct schema_resource *r,
                            const struct json *object_or_list,
                            const struct printers_options *options)
{
    const struct json *items = json_get(object_or_list, "items"),
                      *from = json_get(object_or_list, "metadata");
    struct json *table = json_new(a, JSON_OBJECT);
    json_set_cstr(a, table, "kind", "Table");
    json_set_cstr(a, table, "apiVersion", "meta.k8s.io/v1");
    struct json *metadata = json_set(a, table, "metadata", json_new(a, JSON_OBJECT));
    static const char *const taken[] = {"resourceVersion", "continue", "remainingItemCount"};
    for (size_t i = 0; i < 3; i++)
        if (json_get(from, taken[i]))
            json_set(a, metadata, taken[i], json_clone(a, json_get(from, taken[i])));
    json_set(a, table, "columnDefinitions", printers_columns(a, r));
    struct json *rows = json_set(a, table, "rows", json_new(a, JSON_ARRAY));
    if (!json_is(items, JSON_ARRAY)) {
        json_append(a, rows, printers_row(a, r, object_or_list, options));
    } else {
        for (const struct json *o = json_first(items); o; o = o->next)
            json_append(a, rows, printers_row(a, r, o, options));
    }
    return a->failed ? NULL : table;
}
