/*
 * The tree: looking things up and changing it. Members are a singly linked list in order; searches
 * are linear, which is fast for what objects hold and harmless at the reader's cap on members.
 */
#include "codec/json.h"
#include "base/limits.h"

enum { WRAPPED_LEVELS = 10 };

const struct json_options json_options_trusted = {.max_depth = 2 * LIMIT_JSON_DEPTH,
                                                  .max_nodes = UINT32_MAX};

bool json_is(const struct json *j, enum json_type type)
{
    return j && j->type == type;
}

bool json_absent(const struct json *j)
{
    return !j || j->type == JSON_NULL;
}

static bool is_list(const struct json *j)
{
    return j && (j->type == JSON_ARRAY || j->type == JSON_OBJECT);
}

struct json *json_first(const struct json *j)
{
    return is_list(j) ? j->list.first : NULL;
}

uint32_t json_count(const struct json *j)
{
    return is_list(j) ? j->list.count : 0;
}

struct json *json_get_str(const struct json *object, struct str key)
{
    if (!json_is(object, JSON_OBJECT))
        return NULL;
    for (struct json *m = object->list.first; m; m = m->next)
        if (m->key.n == key.n && memcmp(m->key.p, key.p, key.n) == 0)
            return m;
    return NULL;
}

struct json *json_get(const struct json *object, const char *key)
{
    return json_get_str(object, str_of(key));
}

struct json *json_path(const struct json *j, const char *path)
{
    struct str rest = str_of(path), part;
    struct json *at = (struct json *)j;
    while (at && str_split(&rest, '.', &part))
        at = json_get_str(at, part);
    return at;
}

struct json *json_at(const struct json *array, uint32_t index)
{
    if (!json_is(array, JSON_ARRAY) || index >= array->list.count)
        return NULL;
    struct json *j = array->list.first;
    while (index-- > 0)
        j = j->next;
    return j;
}

struct str json_str(const struct json *j)
{
    return json_is(j, JSON_STRING) ? j->string : STR("");
}

const char *json_cstr(const struct json *j)
{
    return json_str(j).p;
}

int64_t json_i64(const struct json *j, int64_t otherwise)
{
    if (json_is(j, JSON_INT))
        return j->i64;
    if (json_is(j, JSON_DOUBLE) && j->number >= -9.2e18 && j->number <= 9.2e18)
        return (int64_t)j->number;
    return otherwise;
}

bool json_bool(const struct json *j, bool otherwise)
{
    return json_is(j, JSON_BOOL) ? j->boolean : otherwise;
}

const char *json_path_cstr(const struct json *j, const char *path)
{
    return json_cstr(json_path(j, path));
}

struct str json_path_str(const struct json *j, const char *path)
{
    return json_str(json_path(j, path));
}

int64_t json_path_i64(const struct json *j, const char *path, int64_t otherwise)
{
    return json_i64(json_path(j, path), otherwise);
}

bool json_path_bool(const struct json *j, const char *path, bool otherwise)
{
    return json_bool(json_path(j, path), otherwise);
}

static int check_limits(const struct json *j, uint32_t depth, uint32_t *nodes, struct err *err)
{
    if (++*nodes > LIMIT_JSON_NODES)
        return err_set(err, E_LIMIT, "more than %d values in one object", LIMIT_JSON_NODES);
    if (!is_list(j))
        return 0;
    if (depth + 1 > LIMIT_JSON_DEPTH - WRAPPED_LEVELS)
        return err_set(err, E_LIMIT, "nested deeper than %d levels",
                       LIMIT_JSON_DEPTH - WRAPPED_LEVELS);
    if (j->type == JSON_OBJECT && j->list.count > JSON_OBJECT_MEMBERS)
        return err_set(err, E_LIMIT, "more than %d members in one object", JSON_OBJECT_MEMBERS);
    int rc = 0;
    for (const struct json *m = j->list.first; m && rc == 0; m = m->next)
        rc = check_limits(m, depth + 1, nodes, err);
    return rc;
}

int json_check_limits(const struct json *j, struct err *err)
{
    uint32_t nodes = 0;
    return j ? check_limits(j, 0, &nodes, err) : 0;
}

static bool equal_members(const struct json *a, const struct json *b)
{
    const struct json *likely = b->list.first; /* equal trees mostly have equal order */
    for (const struct json *m = a->list.first; m; m = m->next) {
        const struct json *other = likely;
        if (!other || !str_eq(m->key, other->key))
            other = json_get_str(b, m->key);
        if (!other || !json_equal(m, other))
            return false;
        likely = other->next;
    }
    return true;
}

static bool equal_elements(const struct json *a, const struct json *b)
{
    const struct json *y = b->list.first;
    for (const struct json *x = a->list.first; x; x = x->next, y = y->next)
        if (!json_equal(x, y))
            return false;
    return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type) {
        if (a->type == JSON_INT && b->type == JSON_DOUBLE)
            return (double)a->i64 == b->number;
        return a->type == JSON_DOUBLE && b->type == JSON_INT && a->number == (double)b->i64;
    }
    switch (a->type) {
    case JSON_BOOL:
        return a->boolean == b->boolean;
    case JSON_INT:
        return a->i64 == b->i64;
    case JSON_DOUBLE:
        return a->number == b->number;
    case JSON_STRING:
        return str_eq(a->string, b->string);
    case JSON_ARRAY:
        return a->list.count == b->list.count && equal_elements(a, b);
    case JSON_OBJECT:
        return a->list.count == b->list.count && equal_members(a, b);
    default:
        return true;
    }
}

struct json *json_new(struct arena *a, enum json_type type)
{
    struct json *j = arena_zalloc(a, sizeof(*j));
    if (j)
        j->type = (uint8_t)type;
    return j;
}

struct json *json_new_str(struct arena *a, struct str s)
{
    struct json *j = json_new(a, JSON_STRING);
    if (!j)
        return NULL;
    j->string = s.n ? arena_str(a, s) : STR("");
    return j->string.p ? j : NULL;
}

struct json *json_new_cstr(struct arena *a, const char *s)
{
    return json_new_str(a, str_of(s));
}

struct json *json_new_i64(struct arena *a, int64_t v)
{
    struct json *j = json_new(a, JSON_INT);
    if (j)
        j->i64 = v;
    return j;
}

struct json *json_new_bool(struct arena *a, bool v)
{
    struct json *j = json_new(a, JSON_BOOL);
    if (j)
        j->boolean = v;
    return j;
}

static void link_last(struct json *parent, struct json *child)
{
    child->next = NULL;
    *(parent->list.first ? &parent->list.last->next : &parent->list.first) = child;
    parent->list.last = child;
    parent->list.count++;
}

struct json *json_clone(struct arena *a, const struct json *j)
{
    if (!j)
        return NULL;
    if (j->type == JSON_STRING)
        return json_new_str(a, j->string);
    struct json *copy = json_new(a, j->type);
    if (!copy)
        return NULL;
    if (j->type == JSON_INT) {
        copy->i64 = j->i64;
    } else if (j->type == JSON_DOUBLE) {
        copy->number = j->number;
    } else if (j->type == JSON_BOOL) {
        copy->boolean = j->boolean;
    }
    for (const struct json *m = json_first(j); m; m = m->next) {
        struct json *child = json_clone(a, m);
        if (!child)
            return NULL;
        if (j->type == JSON_OBJECT) {
            child->key = m->key.n ? arena_str(a, m->key) : STR("");
            if (!child->key.p)
                return NULL;
        }
        link_last(copy, child);
    }
    return copy;
}

/* The link that points to a member, or to the NULL at the end; *ret_prev the member before it. */
static struct json **find_link(struct json *object, struct str key, struct json **ret_prev)
{
    struct json **link = &object->list.first;
    *ret_prev = NULL;
    while (*link && !str_eq((*link)->key, key)) {
        *ret_prev = *link;
        link = &(*link)->next;
    }
    return link;
}

struct json *json_set_key(struct arena *a, struct json *object, struct str key, struct json *value)
{
    if (!value || !json_is(object, JSON_OBJECT))
        return NULL;
    struct json *prev, **link = find_link(object, key, &prev), *old = *link;
    if (old == value)
        return value;
    if (old) {
        value->key = old->key;
        value->next = old->next;
        *link = value;
        if (object->list.last == old)
            object->list.last = value;
        return value;
    }
    value->key = key.n ? arena_str(a, key) : STR("");
    if (!value->key.p)
        return NULL;
    link_last(object, value);
    return value;
}

struct json *json_set(struct arena *a, struct json *object, const char *key, struct json *value)
{
    return json_set_key(a, object, str_of(key), value);
}

struct json *json_set_cstr(struct arena *a, struct json *object, const char *key, const char *s)
{
    return json_set(a, object, key, json_new_cstr(a, s));
}

struct json *json_set_str(struct arena *a, struct json *object, const char *key, struct str s)
{
    return json_set(a, object, key, json_new_str(a, s));
}

struct json *json_set_i64(struct arena *a, struct json *object, const char *key, int64_t v)
{
    return json_set(a, object, key, json_new_i64(a, v));
}

struct json *json_set_bool(struct arena *a, struct json *object, const char *key, bool v)
{
    return json_set(a, object, key, json_new_bool(a, v));
}

static struct json *list_at(struct arena *a, struct json *object, struct str key,
                            enum json_type type)
{
    struct json *j = json_get_str(object, key);
    if (json_absent(j))
        return json_set_key(a, object, key, json_new(a, type));
    return j->type == type ? j : NULL;
}

struct json *json_object_at(struct arena *a, struct json *object, const char *key)
{
    return list_at(a, object, str_of(key), JSON_OBJECT);
}

struct json *json_array_at(struct arena *a, struct json *object, const char *key)
{
    return list_at(a, object, str_of(key), JSON_ARRAY);
}

struct json *json_set_path(struct arena *a, struct json *root, const char *path, struct json *value)
{
    struct str rest = str_of(path), part;
    if (!str_split(&rest, '.', &part))
        return NULL;
    while (root && rest.p) {
        root = list_at(a, root, part, JSON_OBJECT);
        if (!str_split(&rest, '.', &part))
            break;
    }
    return json_set_key(a, root, part, value);
}

bool json_remove_key(struct json *object, struct str key)
{
    if (!json_is(object, JSON_OBJECT))
        return false;
    struct json *prev, **link = find_link(object, key, &prev), *old = *link;
    if (!old)
        return false;
    *link = old->next;
    if (object->list.last == old)
        object->list.last = prev;
    object->list.count--;
    return true;
}

bool json_remove(struct json *object, const char *key)
{
    return json_remove_key(object, str_of(key));
}

struct json *json_append(struct arena *a, struct json *array, struct json *value)
{
    (void)a;
    if (!value || !json_is(array, JSON_ARRAY))
        return NULL;
    value->key = (struct str){NULL, 0};
    link_last(array, value);
    return value;
}

void json_remove_at(struct json *array, uint32_t index)
{
    if (!json_is(array, JSON_ARRAY) || index >= array->list.count)
        return;
    struct json **link = &array->list.first, *prev = NULL;
    while (index-- > 0) {
        prev = *link;
        link = &prev->next;
    }
    if (array->list.last == *link)
        array->list.last = prev;
    *link = (*link)->next;
    array->list.count--;
}

void json_insert_at(struct json *array, uint32_t index, struct json *value)
{
    if (!value || !json_is(array, JSON_ARRAY) || index > array->list.count)
        return;
    if (index == array->list.count) {
        json_append(NULL, array, value);
        return;
    }
    struct json **link = &array->list.first;
    while (index-- > 0)
        link = &(*link)->next;
    value->key = (struct str){NULL, 0};
    value->next = *link;
    *link = value;
    array->list.count++;
}
