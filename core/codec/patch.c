/* Patches over checked types: every step of a pointer looks at what it stands on. */
#include <stdio.h>

#include "base/limits.h"
#include "codec/patch.h"

/* DEPTH_MOST keeps recursion over a result harmless; WALK_MOST bounds the work of looking at
 * depths. */
enum {
    OPERATIONS_MOST = 10000,
    TOKEN_MOST = 1024,
    TEXT_MOST = 120,
    DEPTH_MOST = 2 * LIMIT_JSON_DEPTH,
    WALK_MOST = 10 * LIMIT_JSON_NODES,
};

struct patcher {
    struct arena *arena;
    struct json *root;
    uint64_t copied_nodes, copied_bytes, walked_nodes;
    struct err *err;
};

/* Where an operation acts: a member or element of parent, or the root (parent NULL). */
struct place {
    struct json *parent;
    struct json *value; /* what is there now, or NULL */
    char key[TOKEN_MOST];
    size_t key_bytes;
    uint32_t index;
};

/* Takes "/token" off *rest, with ~0 and ~1 undone. */
static int next_token(struct str *rest, char *out, size_t size, size_t *ret_n)
{
    size_t at = 1, n = 0;
    if (rest->n == 0 || rest->p[0] != '/')
        return -E_BAD_REQUEST;
    for (; at < rest->n && rest->p[at] != '/'; at++) {
        char c = rest->p[at];
        if (c == '~') {
            if (++at == rest->n || (rest->p[at] != '0' && rest->p[at] != '1'))
                return -E_BAD_REQUEST;
            c = rest->p[at] == '0' ? '~' : '/';
        }
        if (n + 1 >= size)
            return -E_BAD_REQUEST;
        out[n++] = c;
    }
    out[n] = '\0';
    *ret_n = n;
    *rest = str_make(rest->p + at, rest->n - at);
    return 0;
}

/* An index as RFC 6901 spells it: no sign, no leading zero. "-" is the count. */
static int parse_index(struct str s, uint32_t count, uint32_t *ret)
{
    uint64_t v;
    if (str_is(s, "-")) {
        *ret = count;
        return 0;
    }
    if (s.n == 0 || (s.n > 1 && s.p[0] == '0') || s.p[0] < '0' || s.p[0] > '9' || str_to_u64(s, &v))
        return -E_BAD_REQUEST;
    if (v > count)
        return -E_NOT_FOUND;
    *ret = (uint32_t)v;
    return 0;
}

static int locate(struct json *root, struct str pointer, struct place *place)
{
    place->parent = NULL;
    place->value = root;
    while (pointer.n > 0) {
        struct json *on = place->value;
        int rc = next_token(&pointer, place->key, sizeof(place->key), &place->key_bytes);
        if (rc)
            return rc;
        struct str key = str_make(place->key, place->key_bytes);
        if (!on)
            return -E_NOT_FOUND;
        if (on->type == JSON_OBJECT) {
            place->value = json_get_str(on, key);
        } else if (on->type == JSON_ARRAY) {
            rc = parse_index(key, on->list.count, &place->index);
            if (rc)
                return rc;
            place->value = json_at(on, place->index);
        } else {
            return -E_NOT_FOUND;
        }
        place->parent = on;
    }
    return 0;
}

int json_pointer_get(struct json *root, struct str pointer, struct json **ret)
{
    struct place place;
    int rc = locate(root, pointer, &place);
    if (rc == 0 && !place.value)
        rc = -E_NOT_FOUND;
    if (rc == 0)
        *ret = place.value;
    return rc;
}

static int fail(struct patcher *p, int code, const char *op, struct str path, const char *why)
{
    return err_set(p->err, code, "%s operation does not apply: path \"%.*s\": %s", op,
                   (int)(path.n < TEXT_MOST ? path.n : TEXT_MOST), path.p, why);
}

static int locate_for(struct patcher *p, const char *op, struct str path, struct place *place)
{
    int rc = locate(p->root, path, place);
    if (rc == -E_BAD_REQUEST)
        return fail(p, E_INVALID, op, path, "malformed pointer");
    return rc ? fail(p, E_INVALID, op, path, "missing path") : 0;
}

static uint32_t depth_of(struct patcher *p, const struct json *j)
{
    uint32_t deepest = 0;
    p->walked_nodes++;
    for (const struct json *m = json_first(j); m; m = m->next) {
        uint32_t d = depth_of(p, m);
        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

/* Moves and copies may not nest a document without end. */
static int check_depth(struct patcher *p, const char *op, struct str path, const struct json *value)
{
    uint32_t depth = depth_of(p, value);
    for (size_t i = 0; i < path.n; i++)
        depth += path.p[i] == '/';
    if (depth > DEPTH_MOST)
        return fail(p, E_INVALID, op, path, "the document would be nested too deeply");
    if (p->walked_nodes > WALK_MOST)
        return err_set(p->err, E_TOO_LARGE, "the JSON Patch moves too much");
    return 0;
}

static int add_at(struct patcher *p, const char *op, struct str path, struct json *value)
{
    struct place place;
    int rc = locate_for(p, op, path, &place);
    rc = rc ? rc : check_depth(p, op, path, value);
    if (rc)
        return rc;
    if (!place.parent) {
        p->root = value;
    } else if (place.parent->type == JSON_OBJECT) {
        if (!json_set_key(p->arena, place.parent, str_make(place.key, place.key_bytes), value))
            return err_set(p->err, E_NOMEM, "out of memory while patching");
    } else {
        json_insert_at(place.parent, place.index, value);
    }
    return 0;
}

/* The removed value, still whole. */
static int take_at(struct patcher *p, const char *op, struct str path, struct json **ret)
{
    struct place place;
    int rc = locate_for(p, op, path, &place);
    if (rc)
        return rc;
    if (!place.value)
        return fail(p, E_INVALID, op, path, "nothing is there");
    if (!place.parent)
        return fail(p, E_INVALID, op, path, "the whole document cannot be removed");
    if (place.parent->type == JSON_OBJECT)
        json_remove_key(place.parent, str_make(place.key, place.key_bytes));
    else
        json_remove_at(place.parent, place.index);
    *ret = place.value;
    return 0;
}

static int replace_at(struct patcher *p, struct str path, struct json *value)
{
    struct place place;
    int rc = locate_for(p, "replace", path, &place);
    if (rc)
        return rc;
    if (!place.value)
        return fail(p, E_INVALID, "replace", path, "nothing is there");
    if (place.parent && place.parent->type == JSON_ARRAY)
        json_remove_at(place.parent, place.index);
    return add_at(p, "replace", path, value);
}

static void weigh(const struct json *j, uint64_t *nodes, uint64_t *bytes)
{
    (*nodes)++;
    *bytes += j->key.n + 8 + (j->type == JSON_STRING ? j->string.n : 0);
    for (const struct json *m = json_first(j); m; m = m->next)
        weigh(m, nodes, bytes);
}

static int copy_to(struct patcher *p, struct str from, struct str path)
{
    struct place place;
    int rc = locate_for(p, "copy", from, &place);
    if (rc)
        return rc;
    if (!place.value)
        return fail(p, E_INVALID, "copy", from, "nothing is there");
    weigh(place.value, &p->copied_nodes, &p->copied_bytes);
    if (p->copied_nodes > LIMIT_JSON_NODES || p->copied_bytes > LIMIT_BODY_BYTES)
        return err_set(p->err, E_TOO_LARGE, "copy operations make the document too large");
    struct json *copy = json_clone(p->arena, place.value);
    if (!copy)
        return err_set(p->err, E_NOMEM, "out of memory while patching");
    return add_at(p, "copy", path, copy);
}

static int move_to(struct patcher *p, struct str from, struct str path)
{
    struct json *value;
    if (str_eq(from, path))
        return 0;
    if (str_starts(path, from) && path.p[from.n] == '/')
        return fail(p, E_INVALID, "move", path, "it lies within what is moved");
    int rc = take_at(p, "move", from, &value);
    return rc ? rc : add_at(p, "move", path, value);
}

static int test_at(struct patcher *p, struct str path, const struct json *value)
{
    struct place place;
    int rc = locate_for(p, "test", path, &place);
    if (rc)
        return rc;
    const struct json null = {.type = JSON_NULL};
    if (!json_equal(place.value ? place.value : &null, value))
        return err_set(p->err, E_INVALID, "testing value \"%.*s\" failed",
                       (int)(path.n < TEXT_MOST ? path.n : TEXT_MOST), path.p);
    return 0;
}

/* The operation's value, taken out of it so that it can be moved into the target. */
static int apply(struct patcher *p, struct json *operation)
{
    struct str op = json_str(json_get(operation, "op")),
               path = json_str(json_get(operation, "path"));
    struct str from = json_str(json_get(operation, "from"));
    struct json *value = json_get(operation, "value"), *ignored;
    bool valued = str_is(op, "add") || str_is(op, "replace") || str_is(op, "test");
    bool moving = str_is(op, "move") || str_is(op, "copy");
    if (!json_is(json_get(operation, "path"), JSON_STRING))
        return err_set(p->err, E_BAD_REQUEST, "a JSON Patch operation needs a string \"path\"");
    if (valued && !value)
        return err_set(p->err, E_BAD_REQUEST, "a JSON Patch \"" STR_FMT "\" needs a \"value\"",
                       STR_ARG(op));
    if (moving && !json_is(json_get(operation, "from"), JSON_STRING))
        return err_set(p->err, E_BAD_REQUEST,
                       "a JSON Patch \"" STR_FMT "\" needs a string \"from\"", STR_ARG(op));
    if (str_is(op, "test"))
        return test_at(p, path, value);
    if (valued)
        json_remove(operation, "value");
    if (str_is(op, "add"))
        return add_at(p, "add", path, value);
    if (str_is(op, "replace"))
        return replace_at(p, path, value);
    if (str_is(op, "remove"))
        return take_at(p, "remove", path, &ignored);
    if (moving)
        return str_is(op, "move") ? move_to(p, from, path) : copy_to(p, from, path);
    return err_set(p->err, E_BAD_REQUEST, "unexpected kind of JSON Patch operation: \"%.*s\"",
                   (int)(op.n < TEXT_MOST ? op.n : TEXT_MOST), op.p);
}

int patch_json(struct arena *a, struct json *target, struct json *operations,
               struct json **ret_result, struct err *err)
{
    struct patcher p = {.arena = a, .root = target, .err = err};
    if (!json_is(operations, JSON_ARRAY))
        return err_set(err, E_BAD_REQUEST, "a JSON Patch must be an array of operations");
    if (json_count(operations) > OPERATIONS_MOST)
        return err_set(err, E_TOO_LARGE,
                       "The allowed maximum operations in a JSON patch is %d, got %u",
                       OPERATIONS_MOST, json_count(operations));
    for (struct json *o = json_first(operations), *next; o; o = next) {
        next = o->next;
        int rc = apply(&p, o);
        if (rc)
            return rc;
    }
    *ret_result = p.root;
    return 0;
}

/* A patch that adds an object still must not leave nulls in it. */
static void drop_nulls(struct json *j)
{
    if (!json_is(j, JSON_OBJECT))
        return;
    for (struct json *m = json_first(j), *next; m; m = next) {
        next = m->next;
        if (m->type == JSON_NULL)
            json_remove_key(j, m->key);
        else
            drop_nulls(m);
    }
}

int patch_merge(struct arena *a, struct json *target, struct json *patch, struct json **ret_result)
{
    if (!json_is(patch, JSON_OBJECT) || !json_is(target, JSON_OBJECT)) {
        drop_nulls(patch);
        *ret_result = patch;
        return 0;
    }
    for (struct json *m = json_first(patch), *next; m; m = next) {
        next = m->next;
        if (m->type == JSON_NULL) {
            json_remove_key(target, m->key);
            continue;
        }
        struct json *merged = m;
        int rc = patch_merge(a, json_get_str(target, m->key), m, &merged);
        if (rc)
            return rc;
        if (!json_set_key(a, target, m->key, merged))
            return -E_NOMEM;
    }
    *ret_result = target;
    return 0;
}
