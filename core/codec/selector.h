/*
 * Label and field selectors, compiled once and matched many times. Everything lives in the arena
 * they were compiled in (and in nothing else: the text and tree may go away).
 */
#ifndef CODEC_SELECTOR_H
#define CODEC_SELECTOR_H

#include "codec/json.h"

enum selector_op {
    SELECTOR_IN,     /* also = and == */
    SELECTOR_NOT_IN, /* also !=; true when the key is absent */
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_GREATER, /* integers */
    SELECTOR_LESS,
};

struct selector_term {
    struct str key;
    enum selector_op op;
    uint32_t value_count;
    const struct str *values; /* sorted */
    int64_t bound;            /* of GREATER and LESS */
};

struct selector { /* all terms must hold; none: matches everything, unless `nothing` */
    bool nothing;
    uint32_t term_count;
    const struct selector_term *terms;
};

/* The text form: "a=b,c in (d, e),!f". Empty: everything. -E_BAD_REQUEST as upstream words it,
 * -E_NOMEM. */
int selector_parse(struct arena *a, struct str text, struct selector *ret,
                   struct err *err) MUST_CHECK;
/* A metav1.LabelSelector. Absent or null: nothing; {}: everything. -E_INVALID, -E_NOMEM. */
int selector_from_object(struct arena *a, const struct json *label_selector, struct selector *ret,
                         struct err *err) MUST_CHECK;
/* A plain map, as in Service.spec.selector. Absent or empty: nothing. */
int selector_from_map(struct arena *a, const struct json *map, struct selector *ret) MUST_CHECK;
/* metadata.labels, or NULL. */
bool selector_matches(const struct selector *s, const struct json *labels);
/* The same over another representation: get answers whether the key is there, and its value. */
bool selector_matches_by(const struct selector *s,
                         bool (*get)(const void *ctx, struct str key, struct str *ret_value),
                         const void *ctx);
/* Text form of a selector, for status.selector. "" for everything; "<none>" is never written. */
void selector_write(struct buf *out, const struct selector *s);

/* ---- field selectors: "metadata.name=x,status.phase!=Running" with backslash escapes ---- */
struct selector_field {
    struct str field, value;
    bool equal; /* else: must differ */
};
struct selector_fields {
    uint32_t count;
    const struct selector_field *terms;
};
int selector_fields_parse(struct arena *a, struct str text, struct selector_fields *ret,
                          struct err *err) MUST_CHECK;
/* Compares by the value at each dotted path of the object: strings as they are, numbers and
 * booleans by their text, absent as "". Which fields a resource supports is the caller's to check.
 */
bool selector_fields_match(const struct selector_fields *f, const struct json *object);

#endif
