/*
 * Between the files of the folder: the tree that the parser makes and the checker turns into a
 * program in place, the table of functions, and what the evaluator gives to them.
 */
#ifndef CEL_CEL_INT_H
#define CEL_CEL_INT_H

#include "cel/cel.h"

enum {
    CEL_TREE_DEPTH = 1000, /* of the tree: long chains of one operator lean to the left */
    CEL_TREE_NODES = 100000,
    CEL_PROBLEMS = 100,        /* reported of one expression, as upstream */
    CEL_ARGS = 32,             /* of one call */
    CEL_TEXT_BYTES = 10 << 20, /* of a text that a function makes */
    LIMIT_DEPTH = 200,         /* of values that are walked for their cost */
};

/* ---- problems ---- */
struct cel_report {
    struct arena *arena;
    struct str source;
    const char *name; /* of the source in messages */
    struct buf text;
    uint32_t count, line, column;
    struct err *err;
    bool oom;
};

/* at: offset in the source, SIZE_MAX: nowhere. */
void cel_report_add(struct cel_report *r, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ---- tokens ---- */
enum cel_token {
    TOK_END,
    TOK_IDENT,
    TOK_INT,
    TOK_UINT,
    TOK_DOUBLE,
    TOK_STRING,
    TOK_BYTES,
    TOK_PUNCT, /* text holds it: one or two characters */
    TOK_BAD,   /* reported already */
};

struct cel_lexer {
    struct cel_report *report;
    struct arena *arena;
    struct str source;
    size_t next; /* offset behind the token */
    /* The token. */
    enum cel_token token;
    size_t at;
    struct str text;        /* of the source */
    struct cel_value value; /* of a literal; strings unescaped, in the arena */
};

void cel_lex(struct cel_lexer *l); /* to the next token */

/* ---- the tree ---- */
enum cel_expr_kind {
    EXPR_LITERAL,
    EXPR_IDENT,
    EXPR_SELECT, /* args[0].name; test_only: has(args[0].name) */
    EXPR_CALL,   /* a member call has its target as args[0] */
    EXPR_LIST,
    EXPR_MAP,    /* args: key, value, key, value ... */
    EXPR_STRUCT, /* name{...}: args as in MAP, keys are literals */
    EXPR_FOLD,
};

/* What a call does besides calling a function of the table. */
enum cel_special {
    CALL_FUNCTION,
    CALL_AND,
    CALL_OR,
    CALL_TERNARY,
    CALL_NOT_FALSE,  /* @not_strictly_false */
    CALL_OPT_SELECT, /* a.?b */
    CALL_OR_ELSE,    /* optional.or */
    CALL_OR_VALUE,
    CALL_APPEND, /* accu + [x] of a macro */
    CALL_INSERT, /* cel.@mapInsert of a macro */
    CALL_IN_SET, /* x in [literals]: args[1] is a map with them as keys */
};

enum cel_place { IDENT_UNKNOWN, IDENT_VARIABLE, IDENT_LOCAL };

struct cel_expr {
    uint8_t kind;    /* enum cel_expr_kind */
    uint8_t special; /* enum cel_special */
    uint8_t place;   /* enum cel_place */
    bool test_only;  /* EXPR_SELECT */
    bool member;     /* EXPR_CALL */
    bool absolute;   /* EXPR_IDENT: ".name" */
    bool optional;   /* as element or entry: written with `?` */
    uint16_t depth;  /* of the tree below */
    uint32_t at;     /* offset in the source */
    uint32_t count;  /* of args */
    uint32_t index;  /* EXPR_IDENT: variable or slot */
    uint32_t id;     /* dense, for the checker's notes */
    struct str name; /* identifier, field, function; terminated */
    const struct cel_type *type;
    struct cel_expr **args;
    union {
        struct cel_value literal;
        struct cel_fold *fold;
        struct {
            const struct cel_function *const *overloads; /* candidates, in order */
            uint32_t overload_count;
            void *prepared; /* a regular expression that is a literal */
        };
    };
};

struct cel_fold {
    struct str iter, iter2 /* p NULL: one variable */, accu;
    struct cel_expr *range, *init, *condition, *step, *result;
    uint32_t slot; /* of iter; iter2 and accu follow */
};

struct cel_parser {
    struct cel_lexer lexer;
    struct arena *arena;
    struct cel_report *report;
    unsigned depth;
    uint32_t nodes;
    bool failed; /* reported, or out of memory */
};

int cel_parse(struct arena *a, struct cel_report *report, struct str source,
              struct cel_expr **ret_expr, uint32_t *ret_nodes) MUST_CHECK;

/* Nodes; NULL when the parser has failed, and NULL arguments are passed through. */
struct cel_expr *cel_node(struct cel_parser *p, enum cel_expr_kind kind, size_t at);
struct cel_expr *cel_node_ident(struct cel_parser *p, size_t at, struct str name);
struct cel_expr *cel_node_call(struct cel_parser *p, size_t at, const char *function,
                               unsigned count, ...);
struct cel_expr *cel_node_args(struct cel_parser *p, struct cel_expr *e, struct cel_expr **args,
                               uint32_t count);
struct cel_expr *cel_node_bool(struct cel_parser *p, size_t at, bool v);
void cel_parser_fail(struct cel_parser *p, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The expansion of a call, or NULL when name is no macro with so many arguments (args without the
 * target; target NULL: a global call). */
struct cel_expr *cel_macro(struct cel_parser *p, size_t at, struct str name,
                           struct cel_expr *target, struct cel_expr **args, uint32_t count,
                           bool *ret_known);

/* ---- types ---- */
/* A free type of the checker; unbound while bound is NULL. */
struct cel_type_param {
    struct cel_type type; /* CEL_T_PARAM */
    const struct cel_type *bound;
    struct cel_type_param *undo; /* in the order of binding */
    const struct cel_type *before;
};

extern const struct cel_type cel_error_type, cel_type_type, cel_optional_of_dyn, cel_type_url,
    cel_type_ip, cel_type_cidr, cel_type_quantity, cel_type_semver, cel_type_format,
    cel_type_path_check, cel_type_group_check, cel_type_decision;

const struct cel_field *cel_type_field(const struct cel_type *t, struct str escaped);
/* The JSON name behind a spelling in expressions; p NULL when malformed. */
struct str cel_unescape(struct arena *a, struct str escaped);
/* The type a value has for type(): its name decides. */
const struct cel_type *cel_value_type(const struct cel_value *v);
const struct cel_type *cel_type_of_name(struct str name); /* "int" ...; NULL */
const char *cel_type_name(const struct cel_type *t);      /* "int", "google.protobuf.Timestamp" */
const struct cel_type *cel_type_new(struct arena *a, enum cel_type_kind kind,
                                    const struct cel_type *key, const struct cel_type *element);

/* ---- values ---- */
struct cel_list {
    struct cel_value *items;
    uint32_t count, room; /* room 0: constant */
};

struct cel_map_entry {
    struct cel_value key, value;
};

struct cel_map {
    struct cel_map_entry *entries; /* in the order of insertion */
    uint32_t count, room;
    uint32_t *slots; /* entry + 1 by hash; NULL while few */
    uint32_t slot_count;
};

struct cel_opaque { /* what a library's values begin with */
    const struct cel_type *type;
    bool (*equal)(const struct cel_opaque *a, const struct cel_opaque *b); /* NULL: identity */
};

struct cel_iter {
    const struct cel_value *over;
    const struct json *next;
    uint32_t index;
};

/* Errors of evaluation that || and && may absorb. */
int cel_no_overload(struct err *err);
int cel_no_key(struct err *err, const struct cel_value *key);
/* Counts work that has no cost of its own; -E_LIMIT past what a run may do. */
int cel_work(struct cel_run *run, uint64_t steps, struct err *err) MUST_CHECK;
int cel_over_limit(struct err *err);

uint32_t cel_count(const struct cel_value *v); /* of a list or map */
int cel_list_at(struct cel_run *run, const struct cel_value *list, uint64_t index,
                struct cel_value *ret, struct err *err) MUST_CHECK; /* index < count */
/* 0 and whether it is there. A host or JSON map looks up text only. */
int cel_map_find(struct cel_run *run, const struct cel_value *map, const struct cel_value *key,
                 struct cel_value *ret, bool *ret_found, struct err *err) MUST_CHECK;

/* Over elements (key: the index) or entries. ret_key and ret_value may be NULL. */
void cel_iter_init(struct cel_iter *it, const struct cel_value *over);
int cel_iter_next(struct cel_run *run, struct cel_iter *it, struct cel_value *ret_key,
                  struct cel_value *ret_value, bool *ret_more, struct err *err) MUST_CHECK;

struct cel_list *cel_list_new(struct arena *a, uint32_t room);
int cel_list_push(struct arena *a, struct cel_list *l, const struct cel_value *v) MUST_CHECK;
struct cel_value cel_list_value(const struct cel_list *l);
struct cel_map *cel_map_new(struct arena *a);
/* ret_old NULL: replaces; else *ret_old tells whether the key was there, then nothing changes. */
int cel_map_put(struct arena *a, struct cel_map *m, const struct cel_value *key,
                const struct cel_value *value, bool *ret_old) MUST_CHECK;
struct cel_value cel_map_value(const struct cel_map *m);

int cel_equal(struct cel_run *run, const struct cel_value *a, const struct cel_value *b, bool *ret,
              struct err *err) MUST_CHECK;
/* An element equal to v; with keys (a keyed list) one that has v's keys. */
int cel_list_find(struct cel_run *run, const struct cel_value *list, const struct cel_type *keys,
                  const struct cel_value *v, struct cel_value *ret_at, bool *ret_found,
                  struct err *err) MUST_CHECK;
bool cel_number_equal(const struct cel_value *a, const struct cel_value *b);
/* -1, 0, 1; 2: not to be compared (NaN, or of different types). */
int cel_compare(const struct cel_value *a, const struct cel_value *b);
bool cel_is_number(const struct cel_value *v);
uint64_t cel_code_points(struct str s);
/* Size as costs see it: code points, elements, else 1. */
uint64_t cel_size(const struct cel_value *v);

/* ---- times (lib_time.c) ---- */
#define CEL_TIME_MIN (-62135596800LL) /* year 1 */
#define CEL_TIME_MAX 253402300799LL   /* year 9999 */
/* RFC 3339 with up to nine decimals; years 1 to 9999. -E_INVALID. */
int cel_time_parse(struct str text, struct cel_time *ret, struct err *err) MUST_CHECK;
int cel_date_parse(struct str text, struct cel_time *ret, struct err *err) MUST_CHECK;
void cel_time_write(struct buf *out, const struct cel_time *t); /* in UTC, as RFC 3339 */
void cel_duration_write(struct buf *out, int64_t ns);           /* "1.5s" */
void cel_double_write(struct buf *out, double v);               /* shortest, as Go's %g */

/* ---- functions ---- */
/* Given to each function; makes its values in run->arena and its errors in err. */
struct cel_call {
    struct cel_run *run;
    struct err *err;
    const struct cel_expr *expr;
};

typedef int cel_fn(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret);

/* How the cost of a call follows from sizes; sizes of strings are in code points. */
enum cel_cost_rule {
    COST_ONE,
    COST_TEXT,       /* a tenth of args[0] */
    COST_TEXT_TWICE, /* a fifth of args[0] */
    COST_RESULT_TWICE,
    COST_IN_LIST,
    COST_LESSER, /* a tenth of the shorter */
    COST_SUM,    /* a tenth of both */
    COST_REGEX,  /* text times expression */
    COST_CONTAINS,
    COST_LIST, /* args[0] with what its elements cost */
    COST_SETS, /* product */
    COST_SETS_TWICE,
    COST_CHECK, /* an authorization */
    COST_SELECTOR,
    COST_CIDR_IP,
    COST_CIDR_IP_TEXT,
    COST_CIDR_CIDR,
    COST_CIDR_CIDR_TEXT,
    COST_FORMAT,
    COST_MADE,     /* a new list: 11 and its elements */
    COST_DISTINCT, /* of sorting too: each with each */
    COST_FLATTEN,
};

/*
 * One overload. The signature is spelled with a letter for a type: b bool, i int, u uint, d double,
 * s string, y bytes, t timestamp, r duration, n null, * dyn, T type; A and B parameters; L, O
 * before an element (list, optional), M before key and value; and for the libraries w URL, p IP,
 * c CIDR, q quantity, v semver, f format, a authorizer, P path, G group, R resource check,
 * D decision. Arguments, then '>', then the result. A member's target is its first argument.
 */
struct cel_function {
    const char *name;
    bool member;
    const char *signature;
    cel_fn *fn;
    uint8_t cost; /* enum cel_cost_rule */
};

/* Ends with a NULL name each. */
extern const struct cel_function cel_functions_core[], cel_functions_convert[],
    cel_functions_time[], cel_functions_strings[], cel_functions_lists[], cel_functions_sets[],
    cel_functions_regex[], cel_functions_net[], cel_functions_url[], cel_functions_quantity[],
    cel_functions_semver[], cel_functions_format[], cel_functions_authorizer[],
    cel_functions_optional[];
extern const struct cel_function *const cel_function_tables[]; /* NULL at the end */

bool cel_function_exists(struct str name);
/* Whether values may be given to an overload, by their kinds. */
bool cel_function_takes(const struct cel_function *f, const struct cel_value *args, unsigned count);

/* What a call of an overload takes. */
uint64_t cel_call_cost(struct cel_run *run, const struct cel_function *f,
                       const struct cel_value *args, unsigned count, const struct cel_value *ret);

/* Indexing, used by the evaluator and the functions of optionals. *ret_found false: no such. */
int cel_index(struct cel_call *call, const struct cel_value *of, const struct cel_value *index,
              struct cel_value *ret, bool *ret_found) MUST_CHECK;

/* A text made in a buffer, which is done with; longer than CEL_TEXT_BYTES it is over the limit. */
int cel_text_from(struct cel_call *call, struct buf *b, struct cel_value *ret) MUST_CHECK;
cel_fn cel_text_format;                                 /* lib_text_format.c */
uint64_t cel_net_size(const struct cel_opaque *o);      /* of an IP or CIDR, for costs */
uint64_t cel_format_weight(const struct cel_opaque *o); /* of a named format */

/* ---- program ---- */
struct cel_program {
    struct cel_expr *root;
    const struct cel_type *type;
    uint32_t slots; /* of comprehensions */
    size_t variable_count;
    uint64_t *uses; /* a bit a variable */
    uint64_t cost_min, cost_max;
};

struct cel_checker {
    struct arena *arena;
    struct cel_report *report;
    const struct cel_env *env;
    struct cel_program *program;
    struct cel_scope *scope;
    struct cel_type_param *bound; /* the last that was bound */
    uint32_t slots;
    uint32_t steps; /* of walks over types: they may share parts, and be as large as exponential */
    bool oom;
};

struct cel_scope {
    struct str name;
    const struct cel_type *type;
    uint32_t slot;
    struct cel_scope *outer;
};

void cel_check(struct cel_checker *c, struct cel_expr *e);
/* Sets the program's estimated cost; nodes: of the tree. -E_NOMEM. */
int cel_estimate(struct cel_program *p, const struct cel_env *env, uint32_t nodes) MUST_CHECK;
/* Makes values of parts that are constant, as upstream does, for speed and for their cost; reports
 * constants that can never be right. -E_NOMEM. */
int cel_fold_constants(struct cel_report *r, struct cel_program *p) MUST_CHECK;
/* unify.c */
bool cel_assignable(struct cel_checker *c, const struct cel_type *from, const struct cel_type *to);
bool cel_assignable_list(struct cel_checker *c, const struct cel_type *const *from,
                         const struct cel_type *const *to, unsigned count);
const struct cel_type *cel_substitute(struct cel_checker *c, const struct cel_type *t, bool to_dyn);
const struct cel_type *cel_general(const struct cel_type *a, const struct cel_type *b);
const struct cel_type *cel_param_new(struct cel_checker *c);
bool cel_type_same(const struct cel_type *a, const struct cel_type *b);
/* The types of a signature, with fresh parameters; false when out of memory. */
bool cel_signature(struct cel_checker *c, const struct cel_function *f,
                   const struct cel_type *args[CEL_ARGS], unsigned *ret_count,
                   const struct cel_type **ret_result);

#endif
