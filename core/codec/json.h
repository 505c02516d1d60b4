/*
 * JSON (RFC 8259): a bounded reader into a tree in an arena, and a writer. The tree is the form in
 * which the API, the controllers and the kubelet read and change objects; what is stored and
 * cached are bytes.
 *
 * Bounds: depth, node count, members of one object. Strict UTF-8; a string may hold U+0000, so
 * validators look at the length and not at the terminator. Integers that fit int64 keep their exact
 * value; other numbers are doubles. A duplicate key is an error that names its path, unless the
 * caller collects duplicates (then the last one wins, as encoding/json does).
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    uint8_t type;      /* enum json_type */
    struct str key;    /* name within the parent object, terminated; {NULL,0} elsewhere */
    struct json *next; /* next member or element */
    union {
        bool boolean;
        int64_t i64;
        double number;
        struct str string; /* terminated too */
        struct {
            struct json *first, *last;
            uint32_t count;
        } list; /* JSON_ARRAY, JSON_OBJECT */
    };
};

enum { JSON_OBJECT_MEMBERS = 16384 }; /* of one object, when read */

struct json_options {
    uint32_t max_depth, max_nodes; /* 0: the limits of base/limits.h */
    /* Called with the path ("spec.containers[0].name") of each duplicate key; NULL: an error. */
    void (*duplicate)(void *ctx, const char *path);
    void *ctx;
};

/* For what our own API server stores or sends: each object in it was bounded when it was written,
 * but a list holds many. */
extern const struct json_options json_options_trusted;

/* Whether a tree that was built or patched stays within what json_parse would read back, with room
 * for ten levels of what may be put around it. -E_LIMIT. */
int json_check_limits(const struct json *j, struct err *err) MUST_CHECK;

/* Text and tree share nothing: strings are copied into the arena. On failure err names line,
 * column and what was expected. -E_SYNTAX, -E_LIMIT (depth, nodes), -E_NOMEM (arena). */
int json_parse(struct arena *a, struct str text, const struct json_options *options,
               struct json **ret_root, struct err *err) MUST_CHECK;

/* Compact output, members in order, spelled as Go's encoding/json does by default and upstream's
 * API server therefore sends: <, > and & as \u003c, \u003e, \u0026; shortest numbers. NULL is null.
 */
void json_write(struct buf *out, const struct json *j);
void json_write_string(struct buf *out, struct str s); /* with quotes */
void json_write_pretty(struct buf *out,
                       const struct json *j); /* two spaces, as upstream's pretty=true */
void json_write_double(struct buf *out, double v);

/* ---- reading; every function accepts NULL for j and then behaves as for an absent member ---- */
struct json *json_get(const struct json *object,
                      const char *key); /* NULL when absent or no object */
struct json *json_get_str(const struct json *object, struct str key);
/* Walks "spec.template.metadata.labels"; keys without dots only. */
struct json *json_path(const struct json *j, const char *path);
struct json *json_at(const struct json *array, uint32_t index);
uint32_t json_count(const struct json *j); /* of an array or object, else 0 */
bool json_is(const struct json *j, enum json_type type);
bool json_absent(const struct json *j);                    /* NULL or JSON null */
struct str json_str(const struct json *j);                 /* of a string, else {"", 0} */
const char *json_cstr(const struct json *j);               /* "" when no string */
int64_t json_i64(const struct json *j, int64_t otherwise); /* of a number */
bool json_bool(const struct json *j, bool otherwise);
/* Path forms of the same. */
const char *json_path_cstr(const struct json *j, const char *path);
struct str json_path_str(const struct json *j, const char *path);
int64_t json_path_i64(const struct json *j, const char *path, int64_t otherwise);
bool json_path_bool(const struct json *j, const char *path, bool otherwise);
bool json_equal(const struct json *a, const struct json *b); /* order of members does not matter */

/* for (struct json *m = json_first(j); m; m = m->next): members or elements; NULL when none. */
struct json *json_first(const struct json *j);

/* ---- building; values live in the arena; NULL means out of memory (arena.failed tells) and
 *      every function accepts NULL for any node, so a chain needs one check at the end ---- */
struct json *json_new(struct arena *a, enum json_type type);
struct json *json_new_str(struct arena *a, struct str s);
struct json *json_new_cstr(struct arena *a, const char *s);
struct json *json_new_i64(struct arena *a, int64_t v);
struct json *json_new_bool(struct arena *a, bool v);
struct json *json_clone(struct arena *a, const struct json *j); /* deep; key is not copied */

/* Sets or replaces; the value is moved in (it must not be in another parent). Keeps the position
 * of a replaced member. Returns value. */
struct json *json_set(struct arena *a, struct json *object, const char *key, struct json *value);
struct json *json_set_key(struct arena *a, struct json *object, struct str key, struct json *value);
struct json *json_set_cstr(struct arena *a, struct json *object, const char *key, const char *s);
struct json *json_set_str(struct arena *a, struct json *object, const char *key, struct str s);
struct json *json_set_i64(struct arena *a, struct json *object, const char *key, int64_t v);
struct json *json_set_bool(struct arena *a, struct json *object, const char *key, bool v);
/* The object member, made when absent or null. NULL when it is there but no object. */
struct json *json_object_at(struct arena *a, struct json *object, const char *key);
struct json *json_array_at(struct arena *a, struct json *object, const char *key);
/* Walks a dotted path making objects on the way, then sets the last part. */
struct json *json_set_path(struct arena *a, struct json *root, const char *path,
                           struct json *value);
bool json_remove(struct json *object, const char *key); /* was it there */
bool json_remove_key(struct json *object, struct str key);
struct json *json_append(struct arena *a, struct json *array, struct json *value);
void json_remove_at(struct json *array, uint32_t index);
void json_insert_at(struct json *array, uint32_t index, struct json *value); /* index <= count */

#endif
