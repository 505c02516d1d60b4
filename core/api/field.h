/*
 * Validation errors with the path of the field, worded as upstream's field.Error. Paths are chains
 * of frames on the stack; they become text only when there is something to say.
 */
#ifndef API_FIELD_H
#define API_FIELD_H

#include "codec/json.h"

struct field {
    const struct field *up;
    const char *name; /* NULL: an index or a key */
    int64_t index;    /* when name is NULL and key.p is NULL */
    struct str key;   /* [key] of a map */
};

#define FIELD(up, field_name) (&(const struct field){(up), (field_name), -1, {NULL, 0}})
#define FIELD_AT(up, at)      (&(const struct field){(up), NULL, (int64_t)(at), {NULL, 0}})
#define FIELD_KEY(up, of)     (&(const struct field){(up), NULL, -1, (of)})

struct field_error {
    struct field_error *next;
    const char *reason; /* FieldValueRequired ... */
    const char *field;  /* text of the path */
    const char *message;
};

struct field_errors { /* in the arena */
    struct arena *arena;
    struct field_error *first, *last;
    unsigned count;
};

/* The path as text, in the arena; never NULL. */
const char *field_text(struct arena *a, const struct field *f);
/* Any other: reason and message in upstream's words; message may be NULL (out of memory). */
void field_add(struct field_errors *e, const struct field *f, const char *reason,
               const char *message);
void field_required(struct field_errors *e, const struct field *f, const char *detail);
/* value may be NULL: "null". */
void field_invalid(struct field_errors *e, const struct field *f, const struct json *value,
                   const char *detail);
void field_invalid_str(struct field_errors *e, const struct field *f, struct str value,
                       const char *detail);
void field_invalid_int(struct field_errors *e, const struct field *f, int64_t value,
                       const char *detail);
void field_duplicate(struct field_errors *e, const struct field *f, struct str value);
void field_duplicate_json(struct field_errors *e, const struct field *f, const struct json *value);
void field_forbidden(struct field_errors *e, const struct field *f, const char *detail);
void field_not_found(struct field_errors *e, const struct field *f, struct str value);
void field_too_long(struct field_errors *e, const struct field *f, size_t most_bytes);
void field_too_many(struct field_errors *e, const struct field *f, int64_t count, int64_t most);
/* allowed ends with NULL. */
void field_unsupported(struct field_errors *e, const struct field *f, struct str value,
                       const char *const *allowed);
void field_unsupported_json(struct field_errors *e, const struct field *f, const struct json *value,
                            const char *const *allowed);

/* ---- checks that many kinds share; absent values are not looked at ---- */
void field_check_name(struct field_errors *e, const struct field *f, struct str value,
                      const char *(*rule)(struct str));
void field_check_enum(struct field_errors *e, const struct field *f, const struct json *value,
                      const char *const *allowed); /* absent: required */
void field_check_not_negative(struct field_errors *e, const struct field *f,
                              const struct json *value);
void field_check_immutable(struct field_errors *e, const struct field *f, const struct json *now,
                           const struct json *before);
void field_check_labels(struct field_errors *e, const struct field *f, const struct json *labels);
void field_check_label_selector(struct field_errors *e, const struct field *f,
                                const struct json *selector);
/* "25%" or 3 */
void field_check_int_or_percent(struct field_errors *e, const struct field *f,
                                const struct json *value);

#endif
