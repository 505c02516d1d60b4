/* Columns of resources that clients defined: additionalPrinterColumns, or the age. */
#include "codec/jsonpath.h"
#include "schema/printers_int.h"
#include "schema/runtime.h"

enum { CELL_MOST = 64 * 1024 };

struct json *printers_custom_columns(struct arena *a, const struct schema_resource *r)
{
    struct json *columns = json_new(a, JSON_ARRAY), *c = json_new(a, JSON_OBJECT);
    const struct json *own = schema_runtime_columns(r);
    json_set_cstr(a, c, "name", "Name");
    json_set_cstr(a, c, "type", "string");
    json_set_cstr(a, c, "format", "name");
    json_set_cstr(a, c, "description", "Name must be unique within a namespace.");
    json_set_i64(a, c, "priority", 0);
    json_append(a, columns, c);
    if (!json_count(own)) {
        c = json_append(a, columns, json_new(a, JSON_OBJECT));
        json_set_cstr(a, c, "name", "Age");
        json_set_cstr(a, c, "type", "date");
        json_set_cstr(a, c, "format", "");
        json_set_cstr(a, c, "description", "When the object was created.");
        json_set_i64(a, c, "priority", 0);
    }
    for (const struct json *m = json_first(own); m; m = m->next) {
        const char *text = json_path_cstr(m, "description");
        c = json_append(a, columns, json_new(a, JSON_OBJECT));
        json_set_str(a, c, "name", json_path_str(m, "name"));
        json_set_str(a, c, "type", json_path_str(m, "type"));
        json_set_str(a, c, "format", json_path_str(m, "format"));
        if (!text[0])
            text = arena_printf(a,
                                "Custom resource definition column (in JSONPath format): %s",
                                json_path_cstr(m, "jsonPath"));
        json_set_cstr(a, c, "description", text ? text : "");
        json_set_i64(a, c, "priority", json_path_i64(m, "priority", 0));
    }
    return a->failed ? NULL : columns;
}

struct joining {
    struct buf text;
    bool any;
};

static bool join(void *ctx, const struct json *value)
{
    struct joining *j = ctx;
    if (j->any)
        buf_putc(&j->text, ' ');
    j->any = true;
    if (value->type == JSON_STRING)
        buf_append_str(&j->text, value->string);
    else
        json_write(&j->text, value);
    return true;
}

/* A value of the column's type, else null. */
static struct json *typed(struct printers_row *row, const char *type, const struct json *value)
{
    char age[16];
    if (cstr_eq(type, "date")) {
        if (!json_is(value, JSON_STRING))
            return json_new(row->arena, JSON_NULL);
        printers_since(row, value, age);
        return json_new_cstr(row->arena, age);
    }
    if (cstr_eq(type, "integer") && json_is(value, JSON_DOUBLE))
        return json_new_i64(row->arena, (int64_t)value->number);
    bool fits = cstr_eq(type, "integer")  ? json_is(value, JSON_INT)
                : cstr_eq(type, "number") ? json_is(value, JSON_INT) || json_is(value, JSON_DOUBLE)
                                          : cstr_eq(type, "boolean") && json_is(value, JSON_BOOL);
    return fits ? json_clone(row->arena, value) : json_new(row->arena, JSON_NULL);
}

static void put_cell(struct printers_row *row, const struct json *column,
                     const struct json *object)
{
    struct str path = json_path_str(column, "jsonPath");
    const char *type = json_path_cstr(column, "type");
    if (!cstr_eq(type, "string")) {
        const struct json *value = jsonpath_first(path, object);
        json_append(row->arena, row->cells, typed(row, type, value));
        return;
    }
    struct joining j = {.any = false};
    buf_init(&j.text, CELL_MOST);
    int rc = jsonpath_each(path, object, join, &j, NULL);
    struct json *cell = rc == 0 && j.any ? json_new_str(row->arena, buf_str(&j.text))
                                         : json_new(row->arena, JSON_NULL);
    json_append(row->arena, row->cells, cell);
    buf_done(&j.text);
}

void printers_custom_cells(struct printers_row *row, const struct schema_resource *r,
                           const struct json *object)
{
    const struct json *own = schema_runtime_columns(r);
    printers_put_name(row, object);
    if (!json_count(own))
        printers_put_created(row, object);
    for (const struct json *m = json_first(own); m; m = m->next)
        put_cell(row, m, object);
}
