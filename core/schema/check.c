/*
 * Makes a parsed tree what upstream's typed decoder and encoder would make of it (see schema.h).
 * One walk over the object beside its type. Paths exist only as a chain of frames on the stack and
 * become text when a problem is met.
 *
 * Recursion is bounded by the depth that the JSON reader allows; struct values that are added for
 * absent fields end because Go's types cannot contain themselves by value.
 */
#include <stdio.h>

#include "base/limits.h"
#include "codec/quantity.h"
#include "codec/time.h"
#include "schema/schema_int.h"

enum { PROBLEMS_MOST = 100, PATH_MOST = 400 };

struct check {
    struct arena *arena;
    enum schema_validation mode;
    struct schema_problems *problems;
    struct err *err;
};

/* One step of the path: a field or map key (index < 0), or an element. */
struct frame {
    const struct frame *up;
    struct str key;
    int64_t index;
    bool map_key; /* not part of what upstream names in type errors */
};

/* Where a wrong value sits: the struct that holds the field, and the field's type spelled in Go. */
struct where {
    const struct frame *frame;
    const struct schema_type *holder;
    const struct schema_field *field;
};

static int check_struct(struct check *c, const struct schema_type *type, struct json *object,
                        const struct frame *frame);

bool schema_problem_add(struct arena *a, struct schema_problems *p, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    if (p->count >= PROBLEMS_MOST)
        return true;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct schema_problem *one = arena_alloc(a, sizeof(*one));
    char *copy = arena_strdup(a, text);
    if (!one || !copy)
        return false;
    *one = (struct schema_problem){NULL, copy};
    *(p->first ? &p->last->next : &p->first) = one;
    p->last = one;
    p->count++;
    return true;
}

const char *schema_problems_text(struct arena *a, const struct schema_problems *p)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 64 * 1024);
    for (const struct schema_problem *one = p->first; one; one = one->next) {
        buf_puts(&b, one == p->first ? "strict decoding error: " : ", ");
        buf_puts(&b, one->text);
    }
    return b.failed ? NULL : arena_strdup(a, buf_cstr(&b));
}

/* With indexes "spec.containers[0].foo"; without, and without map keys, as type errors have it. */
static size_t write_path(const struct frame *f, bool full, char *out, size_t size)
{
    if (!f) {
        out[0] = '\0';
        return 0;
    }
    size_t n = write_path(f->up, full, out, size);
    int more = 0;
    if (n >= size || (!full && (f->index >= 0 || f->map_key)))
        return n;
    if (f->index >= 0)
        more = snprintf(out + n, size - n, "[%lld]", (long long)f->index);
    else
        more = snprintf(out + n, size - n, "%s" STR_FMT, n ? "." : "", STR_ARG(f->key));
    return n + (size_t)(more > 0 ? more : 0);
}

static const char *go_shape(const struct schema_field *f)
{
    static const char names[][24] = {[SCHEMA_STRING] = "string",
                                     [SCHEMA_BYTES] = "[]uint8",
                                     [SCHEMA_INT32] = "int32",
                                     [SCHEMA_INT64] = "int64",
                                     [SCHEMA_BOOL] = "bool",
                                     [SCHEMA_DOUBLE] = "float64",
                                     [SCHEMA_INT_OR_STRING] = "intstr.IntOrString",
                                     [SCHEMA_QUANTITY] = "resource.Quantity",
                                     [SCHEMA_TIME] = "v1.Time",
                                     [SCHEMA_MICRO_TIME] = "v1.MicroTime",
                                     [SCHEMA_ANY] = "interface {}",
                                     [SCHEMA_OBJECT] = "map[string]interface {}"};
    const struct schema_type *t = schema_field_type(f);
    return f->shape == SCHEMA_STRUCT && t ? schema_type_go_name(t) : names[f->shape];
}

static void describe(const struct json *j, char *out, size_t size)
{
    static const char names[][8] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "bool",     [JSON_INT] = "number",
        [JSON_DOUBLE] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object"};
    if (j->type == JSON_INT || j->type == JSON_DOUBLE) {
        CLEANUP_BUF struct buf b;
        buf_init(&b, 1024);
        json_write(&b, j);
        snprintf(out, size, "number %s", buf_cstr(&b));
    } else {
        snprintf(out, size, "%s", names[j->type]);
    }
}

/* A value of the wrong JSON type, or a number that does not fit (then the number is named). */
static int fail_type(struct check *c, const struct where *w, const struct json *j, bool container)
{
    static const char wraps[][16] = {[SCHEMA_ONE] = "",
                                     [SCHEMA_ARRAY] = "[]",
                                     [SCHEMA_MAP] = "map[string]",
                                     [SCHEMA_MAP_OF_ARRAY] = "map[string][]"};
    char path[PATH_MOST], what[64];
    bool integer = w->field->shape == SCHEMA_INT32 || w->field->shape == SCHEMA_INT64;
    describe(j, what, sizeof(what));
    if (!integer && (j->type == JSON_INT || j->type == JSON_DOUBLE))
        snprintf(what, sizeof(what), "number");
    write_path(w->frame, false, path, sizeof(path));
    return err_set(c->err, E_BAD_REQUEST,
                   "json: cannot unmarshal %s into Go struct field %s.%s of type %s%s", what,
                   schema_type_short_name(w->holder), path, container ? wraps[w->field->wrap] : "",
                   go_shape(w->field));
}

static int fail_memory(struct check *c)
{
    return err_set(c->err, E_NOMEM, "out of memory while decoding");
}

/* Turns a node into another value in place, keeping its key and position. */
static int become_string(struct check *c, struct json *j, const char *text)
{
    struct str copy = arena_str(c->arena, str_of(text));
    if (!copy.p)
        return fail_memory(c);
    j->type = JSON_STRING;
    j->string = copy;
    return 0;
}

static int check_quantity(struct check *c, const struct where *w, struct json *j)
{
    char text[QUANTITY_TEXT], path[PATH_MOST];
    struct quantity q;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1024);
    struct str s = json_str(j);
    if (j->type == JSON_INT || j->type == JSON_DOUBLE) {
        json_write(&b, j);
        if (b.failed)
            return fail_memory(c);
        s = buf_str(&b);
    } else if (j->type != JSON_STRING) {
        return fail_type(c, w, j, false);
    }
    int rc = quantity_parse(s, &q, c->err);
    if (rc) {
        write_path(w->frame, true, path, sizeof(path));
        err_wrap(c->err, rc, "%s: \"%.*s\"", path, (int)(s.n < 60 ? s.n : 60), s.p);
        if (c->err)
            c->err->code = E_BAD_REQUEST;
        return -E_BAD_REQUEST;
    }
    quantity_format(&q, text);
    return j->type == JSON_STRING && str_is(j->string, text) ? 0 : become_string(c, j, text);
}

static int check_time(struct check *c, const struct where *w, struct json *j, bool micro)
{
    char text[TIME_TEXT];
    int64_t us;
    if (j->type != JSON_STRING)
        return fail_type(c, w, j, false);
    int rc = time_parse(j->string, &us, c->err);
    if (rc) {
        if (c->err)
            c->err->code = E_BAD_REQUEST;
        return -E_BAD_REQUEST;
    }
    (micro ? time_format_micro : time_format)(us, text);
    return str_is(j->string, text) ? 0 : become_string(c, j, text);
}

/* Line breaks within base64 are allowed, as Go's decoder does, and taken out. */
static int check_bytes(struct check *c, const struct where *w, struct json *j)
{
    size_t n = 0, size;
    char path[PATH_MOST];
    if (j->type != JSON_STRING)
        return fail_type(c, w, j, false);
    char *clean = (char *)j->string.p;
    for (size_t i = 0; i < j->string.n; i++)
        if (clean[i] != '\n' && clean[i] != '\r')
            clean[n++] = clean[i];
    if (n < j->string.n)
        clean[n] = '\0';
    j->string.n = n;
    CLEANUP_FREE char *plain = mem_alloc(n / 4 * 3 + 4);
    if (!plain)
        return fail_memory(c);
    if (base64_decode(plain, &size, j->string) == 0)
        return 0;
    write_path(w->frame, true, path, sizeof(path));
    return err_set(c->err, E_BAD_REQUEST, "illegal base64 data in %s", path);
}

static int check_integer(struct check *c, const struct where *w, struct json *j, bool narrow)
{
    if (j->type != JSON_INT || (narrow && (j->i64 < INT32_MIN || j->i64 > INT32_MAX)))
        return fail_type(c, w, j, false);
    return 0;
}

/* A value that is neither null nor inside a container any more. */
static int check_value(struct check *c, const struct where *w, struct json *j)
{
    bool good = true;
    switch ((enum schema_shape)w->field->shape) {
    case SCHEMA_STRUCT:
        if (j->type != JSON_OBJECT)
            return fail_type(c, w, j, false);
        return check_struct(c, schema_field_type(w->field), j, w->frame);
    case SCHEMA_BYTES:
        return check_bytes(c, w, j);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return check_integer(c, w, j, w->field->shape == SCHEMA_INT32);
    case SCHEMA_QUANTITY:
        return check_quantity(c, w, j);
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        return check_time(c, w, j, w->field->shape == SCHEMA_MICRO_TIME);
    case SCHEMA_STRING:
        good = j->type == JSON_STRING;
        break;
    case SCHEMA_BOOL:
        good = j->type == JSON_BOOL;
        break;
    case SCHEMA_DOUBLE:
        good = j->type == JSON_INT || j->type == JSON_DOUBLE;
        break;
    case SCHEMA_INT_OR_STRING:
        good = j->type == JSON_STRING ||
               (j->type == JSON_INT && j->i64 >= INT32_MIN && j->i64 <= INT32_MAX);
        break;
    case SCHEMA_OBJECT:
        good = j->type == JSON_OBJECT;
        break;
    case SCHEMA_ANY:
        break;
    }
    return good ? 0 : fail_type(c, w, j, false);
}

/* A null within a list or map is the zero value of its Go type. */
static void zero_value(struct json *j, enum schema_shape shape)
{
    if (shape == SCHEMA_STRING || shape == SCHEMA_BYTES) {
        j->type = JSON_STRING;
        j->string = STR("");
    } else if (shape == SCHEMA_QUANTITY) {
        j->type = JSON_STRING;
        j->string = STR("0");
    } else if (shape == SCHEMA_INT32 || shape == SCHEMA_INT64 || shape == SCHEMA_DOUBLE ||
               shape == SCHEMA_INT_OR_STRING) {
        j->type = JSON_INT;
        j->i64 = 0;
    } else if (shape == SCHEMA_BOOL) {
        j->type = JSON_BOOL;
        j->boolean = false;
    } else if (shape == SCHEMA_STRUCT) {
        j->type = JSON_OBJECT;
        memset(&j->list, 0, sizeof(j->list));
    }
}

static int check_elements(struct check *c, const struct where *w, struct json *list)
{
    int64_t index = 0;
    for (struct json *e = json_first(list); e; e = e->next, index++) {
        struct frame frame = {.up = w->frame, .index = index};
        struct where inner = {&frame, w->holder, w->field};
        if (e->type == JSON_NULL)
            zero_value(e, w->field->shape);
        if (e->type == JSON_NULL)
            continue;
        int rc = check_value(c, &inner, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int check_map(struct check *c, const struct where *w, struct json *map)
{
    for (struct json *m = json_first(map); m; m = m->next) {
        struct frame frame = {.up = w->frame, .key = m->key, .index = -1, .map_key = true};
        struct where inner = {&frame, w->holder, w->field};
        int rc = 0;
        if (w->field->wrap == SCHEMA_MAP_OF_ARRAY) {
            if (m->type != JSON_ARRAY && m->type != JSON_NULL)
                return fail_type(c, w, m, true);
            rc = check_elements(c, &inner, m);
        } else {
            if (m->type == JSON_NULL)
                zero_value(m, w->field->shape);
            if (m->type != JSON_NULL)
                rc = check_value(c, &inner, m);
        }
        if (rc)
            return rc;
    }
    return 0;
}

/* Go leaves an empty value out when its field says omitempty and is no pointer. */
static bool is_omitted(const struct schema_field *f, const struct json *j)
{
    if (j->type == JSON_NULL)
        return f->wrap != SCHEMA_ONE || f->shape != SCHEMA_ANY;
    if (!(f->flags & SCHEMA_FIELD_OMITEMPTY))
        return false;
    if (f->wrap != SCHEMA_ONE)
        return json_count(j) == 0;
    if (f->flags & SCHEMA_FIELD_POINTER)
        return false;
    switch ((enum schema_shape)f->shape) {
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
        return j->string.n == 0;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return j->i64 == 0;
    case SCHEMA_BOOL:
        return !j->boolean;
    case SCHEMA_DOUBLE:
        return j->type == JSON_INT && j->i64 == 0;
    default:
        return false;
    }
}

static int check_field(struct check *c, const struct where *w, struct json *j)
{
    if (j->type == JSON_NULL)
        return 0;
    switch ((enum schema_wrap)w->field->wrap) {
    case SCHEMA_ARRAY:
        return j->type == JSON_ARRAY ? check_elements(c, w, j) : fail_type(c, w, j, true);
    case SCHEMA_MAP:
    case SCHEMA_MAP_OF_ARRAY:
        return j->type == JSON_OBJECT ? check_map(c, w, j) : fail_type(c, w, j, true);
    default:
        return check_value(c, w, j);
    }
}

static int on_unknown(struct check *c, const struct frame *frame, struct str key)
{
    char path[PATH_MOST];
    struct frame own = {.up = frame, .key = key, .index = -1};
    if (c->mode == SCHEMA_IGNORE || !c->problems)
        return 0;
    write_path(&own, true, path, sizeof(path));
    return schema_problem_add(c->arena, c->problems, "unknown field \"%s\"", path) ? 0
                                                                                   : fail_memory(c);
}

/* Absent fields that Go's encoder writes all the same: struct values, and plain ones without
 * omitempty. */
static int add_kept(struct check *c, const struct schema_type *type, struct json *object,
                    const struct frame *frame)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &schema_fields[type->field_first + i];
        bool is_struct = f->shape == SCHEMA_STRUCT;
        bool plain = f->shape <= SCHEMA_BOOL && f->shape != SCHEMA_BYTES;
        if (f->wrap != SCHEMA_ONE || (f->flags & SCHEMA_FIELD_POINTER) ||
            !(is_struct || (plain && !(f->flags & SCHEMA_FIELD_OMITEMPTY))))
            continue;
        struct str name = str_make(schema_pool + f->name, f->name_bytes);
        if (json_get_str(object, name))
            continue;
        struct json *j = json_new(c->arena, JSON_NULL);
        if (!j || !json_set_key(c->arena, object, name, j))
            return fail_memory(c);
        zero_value(j, f->shape);
        struct frame inner = {.up = frame, .key = name, .index = -1};
        int rc = is_struct ? check_struct(c, schema_field_type(f), j, &inner) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static int check_struct(struct check *c, const struct schema_type *type, struct json *object,
                        const struct frame *frame)
{
    struct json **link = &object->list.first, *last = NULL;
    while (*link) {
        struct json *m = *link;
        const struct schema_field *f = schema_type_field(type, m->key);
        int rc;
        if (f) {
            struct frame inner = {.up = frame, .key = m->key, .index = -1};
            rc = check_field(c, &(struct where){&inner, type, f}, m);
        } else {
            rc = on_unknown(c, frame, m->key);
        }
        if (rc)
            return rc;
        if (!f || is_omitted(f, m)) {
            *link = m->next;
            object->list.count--;
        } else {
            last = m;
            link = &m->next;
        }
    }
    object->list.last = last;
    return add_kept(c, type, object, frame);
}

int schema_check(struct arena *a, const struct schema_type *type, struct json *object,
                 enum schema_validation mode, struct schema_problems *problems, struct err *err)
{
    struct schema_problems own = {0};
    struct check c = {a, mode, problems ? problems : &own, err};
    char what[64];
    if (!json_is(object, JSON_OBJECT)) {
        describe(object ? object : &(struct json){.type = JSON_NULL}, what, sizeof(what));
        return err_set(err, E_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type %s",
                       what, schema_type_go_name(type));
    }
    /* Patches can grow an object past what could be read back. */
    int rc = json_check_limits(object, err);
    rc = rc ? rc : check_struct(&c, type, object, NULL);
    if (rc)
        return rc;
    if (mode != SCHEMA_STRICT || c.problems->count == 0)
        return 0;
    const char *text = schema_problems_text(a, c.problems);
    return text ? err_set(err, E_BAD_REQUEST, "%s", text) : fail_memory(&c);
}
