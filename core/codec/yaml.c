/*
 * libyaml's events turned into a tree. Aliases share text but get nodes of their own, counted
 * against the same budget as everything else.
 */
#include <stdio.h>
#include <yaml.h>

#include "base/limits.h"
#include "codec/yaml.h"
#include "codec/yaml_int.h"

enum { ANCHORS_MOST = 1000, MARKS_MOST = 10000, DEPTH_MOST = LIMIT_JSON_DEPTH };

struct anchor {
    struct str name;
    struct json *node; /* NULL while it is still open */
};

struct reader {
    struct arena *arena;
    yaml_parser_t parser;
    struct json_options options;
    struct yaml_marks *marks;
    struct anchor *anchors;
    uint32_t anchor_count, depth, max_depth, max_nodes;
    uint64_t nodes, text_bytes;
    struct err *err;
};

static int read_node(struct reader *r, yaml_event_t *event, struct json **ret);

const struct yaml_mark *yaml_mark_of(const struct yaml_marks *marks, const struct json *node)
{
    for (size_t i = 0; marks && i < marks->count; i++)
        if (marks->list[i].node == node)
            return &marks->list[i];
    return NULL;
}

__attribute__((format(printf, 4, 5))) static int fail(struct reader *r, int code, yaml_mark_t at,
                                                      const char *fmt, ...)
{
    char what[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return err_set(r->err, code, "line %zu, column %zu: %s", at.line + 1, at.column + 1, what);
}

static int fail_memory(struct reader *r)
{
    return err_set(r->err, E_NOMEM, "out of memory while reading YAML");
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    if (r->parser.error == YAML_MEMORY_ERROR)
        return fail_memory(r);
    return fail(r, E_SYNTAX, r->parser.problem_mark, "%s%s%s",
                r->parser.problem ? r->parser.problem : "malformed YAML",
                r->parser.context ? " " : "", r->parser.context ? r->parser.context : "");
}

static int count_node(struct reader *r, yaml_mark_t at, size_t text_bytes)
{
    r->nodes++;
    r->text_bytes += text_bytes;
    if (r->nodes > r->max_nodes)
        return fail(r, E_LIMIT, at, "more than %u values after aliases are expanded", r->max_nodes);
    if (r->text_bytes > LIMIT_BODY_BYTES)
        return fail(r, E_LIMIT, at, "more than %d bytes of text after aliases are expanded",
                    LIMIT_BODY_BYTES);
    return 0;
}

static void mark(struct reader *r, const struct json *node, yaml_mark_t at)
{
    struct yaml_marks *m = r->marks;
    if (!m || m->count >= MARKS_MOST)
        return;
    if (m->count == m->room) {
        size_t room = m->room ? 2 * m->room : 64;
        struct yaml_mark *list = arena_alloc(r->arena, room * sizeof(*list));
        if (!list)
            return; /* positions are only for messages */
        if (m->count)
            memcpy(list, m->list, m->count * sizeof(*list));
        m->list = list;
        m->room = room;
    }
    m->list[m->count++] = (struct yaml_mark){node, (uint32_t)at.line + 1, (uint32_t)at.column + 1};
}

/* Opens an anchor; *ret_slot is -1 when the node has none. */
static int open_anchor(struct reader *r, const yaml_char_t *name, yaml_mark_t at, int *ret_slot)
{
    *ret_slot = -1;
    if (!name)
        return 0;
    if (!r->anchors)
        r->anchors = arena_alloc(r->arena, ANCHORS_MOST * sizeof(*r->anchors));
    struct str copy = arena_str(r->arena, str_of((const char *)name));
    if (!r->anchors || !copy.p)
        return fail_memory(r);
    if (r->anchor_count == ANCHORS_MOST)
        return fail(r, E_LIMIT, at, "more than %d anchors", ANCHORS_MOST);
    *ret_slot = (int)r->anchor_count;
    r->anchors[r->anchor_count++] = (struct anchor){copy, NULL};
    return 0;
}

static struct json *append_to(struct json *parent, struct json *child)
{
    *(parent->list.first ? &parent->list.last->next : &parent->list.first) = child;
    parent->list.last = child;
    parent->list.count++;
    return child;
}

static int expand(struct reader *r, const struct json *j, yaml_mark_t at, struct json **ret)
{
    int rc = count_node(r, at, j->type == JSON_STRING ? j->string.n : 0);
    struct json *copy = rc ? NULL : arena_alloc(r->arena, sizeof(*copy));
    if (!copy)
        return rc ? rc : fail_memory(r);
    *copy = *j;
    copy->next = NULL;
    if (j->type == JSON_ARRAY || j->type == JSON_OBJECT)
        memset(&copy->list, 0, sizeof(copy->list));
    if (++r->depth > r->max_depth)
        return fail(r, E_LIMIT, at, "nested deeper than %u levels", r->max_depth);
    for (const struct json *m = json_first(j); m; m = m->next) {
        struct json *child;
        rc = expand(r, m, at, &child);
        if (rc)
            return rc;
        append_to(copy, child);
    }
    r->depth--;
    *ret = copy;
    return 0;
}

static int read_alias(struct reader *r, const yaml_event_t *e, struct json **ret)
{
    struct str name = str_of((const char *)e->data.alias.anchor);
    for (uint32_t i = r->anchor_count; i-- > 0;)
        if (str_eq(r->anchors[i].name, name)) {
            if (!r->anchors[i].node)
                return fail(r, E_SYNTAX, e->start_mark, "anchor '%.60s' contains itself", name.p);
            return expand(r, r->anchors[i].node, e->start_mark, ret);
        }
    return fail(r, E_SYNTAX, e->start_mark, "unknown anchor '%.60s' referenced", name.p);
}

/* An explicit tag overrides what a plain scalar looks like. */
static int read_tagged(struct reader *r, const yaml_event_t *e, struct str text, struct json *j)
{
    const char *tag = (const char *)e->data.scalar.tag;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    j->type = JSON_STRING;
    j->string = text;
    if (tag && (cstr_eq(tag, YAML_STR_TAG) || cstr_eq(tag, "tag:yaml.org,2002:binary") ||
                cstr_eq(tag, "!")))
        return 0;
    if ((tag || plain) && !yaml_resolve(text, j))
        return fail(r, E_SYNTAX, e->start_mark, "%.20s cannot be written as JSON", text.p);
    bool good = !tag || (cstr_eq(tag, YAML_BOOL_TAG) && j->type == JSON_BOOL) ||
                (cstr_eq(tag, YAML_NULL_TAG) && j->type == JSON_NULL) ||
                (cstr_eq(tag, YAML_INT_TAG) && j->type == JSON_INT) ||
                (cstr_eq(tag, YAML_FLOAT_TAG) && (j->type == JSON_INT || j->type == JSON_DOUBLE)) ||
                (cstr_eq(tag, YAML_TIMESTAMP_TAG) && j->type == JSON_STRING);
    return good ? 0
                : fail(r, E_SYNTAX, e->start_mark, "cannot decode `%.40s` as a %.60s", text.p, tag);
}

static int read_scalar(struct reader *r, const yaml_event_t *e, struct json **ret)
{
    int rc = count_node(r, e->start_mark, e->data.scalar.length);
    if (rc)
        return rc;
    struct json *j = json_new(r->arena, JSON_STRING);
    char *copy = arena_strndup(r->arena, (const char *)e->data.scalar.value, e->data.scalar.length);
    if (!j || !copy)
        return fail_memory(r);
    rc = read_tagged(r, e, str_make(copy, e->data.scalar.length), j);
    if (rc == 0)
        *ret = j;
    return rc;
}

static int read_sequence(struct reader *r, struct json *list)
{
    for (;;) {
        yaml_event_t e;
        struct json *child = NULL;
        int rc = next_event(r, &e);
        if (rc)
            return rc;
        bool end = e.type == YAML_SEQUENCE_END_EVENT;
        if (!end)
            rc = read_node(r, &e, &child);
        if (rc == 0 && !end)
            mark(r, append_to(list, child), e.start_mark);
        yaml_event_delete(&e);
        if (rc || end)
            return rc;
    }
}

/* The text of a scalar key; numbers and booleans as JSON spells them. */
static int key_text(struct reader *r, const struct json *key, yaml_mark_t at, struct str *ret)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1024);
    if (key->type == JSON_STRING) {
        *ret = key->string;
        return 0;
    }
    if (key->type == JSON_ARRAY || key->type == JSON_OBJECT)
        return fail(r, E_SYNTAX, at, "a mapping key must be a scalar");
    json_write(&b, key);
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(r->arena, buf_str(&b));
    return ret->p ? 0 : fail_memory(r);
}

static int add_member(struct reader *r, struct json *map, struct str key, struct json *value,
                      yaml_mark_t at)
{
    if (json_get_str(map, key)) {
        if (!r->options.duplicate)
            return fail(r, E_SYNTAX, at, "key \"%.100s\" already set in map", key.p);
        r->options.duplicate(r->options.ctx, key.p);
        json_remove_key(map, key);
    }
    if (map->list.count >= JSON_OBJECT_MEMBERS)
        return fail(r, E_LIMIT, at, "more than %d members in one mapping", JSON_OBJECT_MEMBERS);
    value->key = key;
    mark(r, append_to(map, value), at);
    return 0;
}

/* `<<: *base` or `<<: [*a, *b]`: members that the mapping does not have itself. */
static int merge(struct reader *r, struct json *map, struct json *from, yaml_mark_t at)
{
    if (from->type == JSON_ARRAY) {
        int rc = 0;
        for (struct json *e = json_first(from), *next; e && rc == 0; e = next) {
            next = e->next;
            rc = e->type == JSON_OBJECT
                     ? merge(r, map, e, at)
                     : fail(r, E_SYNTAX, at,
                            "map merge requires map or sequence of maps as the value");
        }
        return rc;
    }
    if (from->type != JSON_OBJECT)
        return fail(r, E_SYNTAX, at, "map merge requires map or sequence of maps as the value");
    for (struct json *m = json_first(from), *next; m; m = next) {
        next = m->next;
        if (json_get_str(map, m->key))
            continue;
        if (map->list.count >= JSON_OBJECT_MEMBERS)
            return fail(r, E_LIMIT, at, "more than %d members in one mapping", JSON_OBJECT_MEMBERS);
        m->next = NULL;
        append_to(map, m);
    }
    return 0;
}

/* One "key: value"; *ret_end at the mapping's end. A merge is put aside until then. */
static int read_pair(struct reader *r, struct json *map, struct json **merged, bool *ret_end)
{
    yaml_event_t k, v;
    struct json *key = NULL, *value = NULL;
    struct str text = {NULL, 0};
    int rc = next_event(r, &k);
    if (rc)
        return rc;
    *ret_end = k.type == YAML_MAPPING_END_EVENT;
    if (*ret_end)
        goto done_key;
    bool is_merge = k.type == YAML_SCALAR_EVENT && k.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                    cstr_eq((const char *)k.data.scalar.value, "<<");
    rc = read_node(r, &k, &key);
    rc = rc ? rc : key_text(r, key, k.start_mark, &text);
    rc = rc ? rc : next_event(r, &v);
    if (rc)
        goto done_key;
    rc = read_node(r, &v, &value);
    yaml_event_delete(&v);
    if (rc == 0 && is_merge)
        *merged = value;
    else if (rc == 0)
        rc = add_member(r, map, text, value, k.start_mark);
done_key:
    yaml_event_delete(&k);
    return rc;
}

static int read_mapping(struct reader *r, struct json *map, yaml_mark_t at)
{
    struct json *merged = NULL;
    bool end = false;
    int rc = 0;
    while (rc == 0 && !end)
        rc = read_pair(r, map, &merged, &end);
    return rc == 0 && merged ? merge(r, map, merged, at) : rc;
}

static int read_collection(struct reader *r, const yaml_event_t *e, struct json **ret)
{
    bool map = e->type == YAML_MAPPING_START_EVENT;
    yaml_mark_t at = e->start_mark;
    struct json *j = json_new(r->arena, map ? JSON_OBJECT : JSON_ARRAY);
    int rc = count_node(r, at, 0);
    if (!j)
        return fail_memory(r);
    if (rc == 0 && ++r->depth > r->max_depth)
        return fail(r, E_LIMIT, at, "nested deeper than %u levels", r->max_depth);
    rc = rc ? rc : map ? read_mapping(r, j, at) : read_sequence(r, j);
    r->depth--;
    if (rc == 0)
        *ret = j;
    return rc;
}

static int read_node(struct reader *r, yaml_event_t *e, struct json **ret)
{
    int slot = -1, rc;
    if (e->type == YAML_ALIAS_EVENT)
        return read_alias(r, e, ret);
    bool scalar = e->type == YAML_SCALAR_EVENT;
    if (!scalar && e->type != YAML_SEQUENCE_START_EVENT && e->type != YAML_MAPPING_START_EVENT)
        return fail(r, E_SYNTAX, e->start_mark, "expected a value");
    rc = open_anchor(r,
                     scalar                                 ? e->data.scalar.anchor
                     : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
                                                            : e->data.mapping_start.anchor,
                     e->start_mark, &slot);
    if (rc == 0)
        rc = scalar ? read_scalar(r, e, ret) : read_collection(r, e, ret);
    if (rc == 0 && slot >= 0)
        r->anchors[slot].node = *ret;
    return rc;
}

/* Stream and document markers around the one root node. */
static int read_stream(struct reader *r, struct json **ret)
{
    struct json *root = NULL;
    for (;;) {
        yaml_event_t e;
        int rc = next_event(r, &e);
        if (rc)
            return rc;
        bool end = e.type == YAML_STREAM_END_EVENT;
        bool marker = end || e.type == YAML_STREAM_START_EVENT ||
                      e.type == YAML_DOCUMENT_START_EVENT || e.type == YAML_DOCUMENT_END_EVENT;
        if (!marker && root)
            rc = fail(r, E_SYNTAX, e.start_mark, "only one document is expected");
        else if (!marker)
            rc = read_node(r, &e, &root);
        if (rc == 0 && !marker)
            mark(r, root, e.start_mark);
        yaml_event_delete(&e);
        if (rc)
            return rc;
        if (end)
            break;
    }
    *ret = root ? root : json_new(r->arena, JSON_NULL);
    return *ret ? 0 : fail_memory(r);
}

int yaml_parse(struct arena *a, struct str text, const struct json_options *options,
               struct json **ret_root, struct yaml_marks *marks, struct err *err)
{
    struct reader r = {.arena = a, .marks = marks, .err = err};
    struct json *root = NULL;
    if (options)
        r.options = *options;
    r.max_depth = r.options.max_depth ? r.options.max_depth : DEPTH_MOST;
    r.max_nodes = r.options.max_nodes ? r.options.max_nodes : LIMIT_YAML_NODES;
    if (marks)
        *marks = (struct yaml_marks){0};
    if (!yaml_parser_initialize(&r.parser))
        return fail_memory(&r);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    int rc = read_stream(&r, &root);
    yaml_parser_delete(&r.parser);
    if (rc == 0)
        *ret_root = root;
    return rc;
}
