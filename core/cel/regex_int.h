/* Between the reader of regular expressions and their machine. */
#ifndef CEL_REGEX_INT_H
#define CEL_REGEX_INT_H

#include "cel/regex.h"

struct regex_range {
    uint32_t low, high;
};

enum regex_op {
    RE_CHAR,  /* low */
    RE_CLASS, /* ranges */
    RE_SPLIT, /* next, then other */
    RE_JUMP,
    RE_ASSERT, /* assertion */
    RE_MATCH,
};

enum regex_assertion {
    RE_BEGIN_TEXT,
    RE_END_TEXT,
    RE_BEGIN_LINE,
    RE_END_LINE,
    RE_WORD,
    RE_NO_WORD,
};

struct regex_inst {
    uint8_t op;        /* enum regex_op */
    uint8_t assertion; /* enum regex_assertion */
    uint32_t next, other;
    uint32_t low;                     /* RE_CHAR */
    uint32_t count;                   /* of ranges */
    const struct regex_range *ranges; /* in order, apart from each other */
};

struct regex {
    struct regex_inst *program;
    uint32_t count;
};

/* ---- the tree between text and program ---- */
enum regex_node_kind { NODE_EMPTY, NODE_CLASS, NODE_ASSERT, NODE_CHAIN, NODE_CHOICE, NODE_REPEAT };

struct regex_node {
    uint8_t kind;
    uint8_t assertion;
    bool lazy;
    int min, max;             /* NODE_REPEAT; max -1: no end */
    struct regex_node *first; /* parts */
    struct regex_node *last;
    struct regex_node *next; /* among the parts of the parent */
    struct regex_range *ranges;
    uint32_t count;
};

int regex_parse(struct arena *a, struct str pattern, struct regex_node **ret,
                struct err *err) MUST_CHECK;

#endif
