/*
 * The Common Expression Language (github.com/google/cel-spec) with Kubernetes' libraries and cost
 * limits, for validation rules of custom resources, admission policies and match conditions.
 *
 *   struct cel_env env = {.variables = ..., .variable_count = ...};
 *   cel_compile(&arena, &env, source, cel_bool, &program, &problem, &err)       once
 *   struct cel_run run = {.arena = &scratch, .variables = values, .limit = CEL_LIMIT_CALL};
 *   cel_eval(program, &run, &value, &err)                                       often
 *
 * A program is constant once made: it may be evaluated any number of times, each time with its own
 * run. It lives in the arena it was compiled into and points into the source's copy, into the
 * types of the env and nothing else; env itself and its variables may go. Values are read from
 * `struct json` trees in place: the trees must outlive the values, and values live in the arena of
 * the run.
 *
 * A map of the folder
 *   cel.h         compile, evaluate, types, values
 *   cost.h        estimated costs, as the API server demands of custom resources
 *   regex.h       regular expressions in RE2's syntax, in linear time
 *   cel_int.h     between the files of the folder: the tree, the table of functions
 *   lex, parse, macro            text to tree
 *   type, check, functions       tree to program
 *   schema, kind, admission      types of what expressions see
 *   eval, value, lib_*           program to value
 */
#ifndef CEL_CEL_H
#define CEL_CEL_H

#include "codec/json.h"

enum {
    CEL_SOURCE_BYTES = 100 * 1024, /* one expression; upstream's bound is 100,000 code points */
    CEL_DEPTH = 250,               /* nesting of expressions, as upstream */
    CEL_LIMIT_CALL = 1000000,      /* cost of one evaluation */
    CEL_LIMIT_OBJECT = 10000000,   /* of all rules over one object, or of one policy binding */
    CEL_LIMIT_MATCH = 2500000,     /* of all match conditions of one webhook or binding */
};

/* ---- types ---- */
enum cel_type_kind {
    CEL_T_DYN, /* decided at run time */
    CEL_T_NULL,
    CEL_T_BOOL,
    CEL_T_INT,
    CEL_T_UINT,
    CEL_T_DOUBLE,
    CEL_T_STRING,
    CEL_T_BYTES,
    CEL_T_TIMESTAMP,
    CEL_T_DURATION,
    CEL_T_LIST,     /* element */
    CEL_T_MAP,      /* key, element */
    CEL_T_OBJECT,   /* name, fields: any other field is an error when compiled */
    CEL_T_OPTIONAL, /* element */
    CEL_T_TYPE,     /* the type of types */
    CEL_T_OPAQUE,   /* name: kubernetes.URL, net.IP, kubernetes.authorization.Authorizer ... */
    CEL_T_PARAM,    /* the checker's own */
    CEL_T_ERROR,    /* the checker's own */
};

enum cel_list_type { CEL_LIST_PLAIN, CEL_LIST_SET, CEL_LIST_MAP }; /* x-kubernetes-list-type */

struct cel_field;

/*
 * An abstract schema node. What a JSON value becomes depends on it: with format date-time a string
 * becomes a timestamp (CEL_T_TIMESTAMP), with format byte it is decoded (CEL_T_BYTES), an integer
 * under `type: number` is a double. int-or-string and preserved unknown fields are CEL_T_DYN.
 */
struct cel_type {
    enum cel_type_kind kind;
    const char *name; /* of OBJECT (as messages print it) and OPAQUE; for others NULL */
    const struct cel_type *key, *element;
    const struct cel_field *fields; /* of OBJECT */
    size_t field_count;
    enum cel_list_type list_type; /* equality and `+` of sets and keyed lists */
    const char *const *list_keys; /* NULL-terminated, for CEL_LIST_MAP */
    bool nullable;                /* null is a value; else it is an error to read it */
    bool bare_date;               /* of TIMESTAMP: format date ("2026-11-23") */
    bool open;                    /* the checker's own: holds parameters */
    uint8_t depth;                /* the checker's own */
    /* For cost estimates: elements of a list or map, bytes of a text at most; and the bytes that
     * JSON takes at least. cel_type_of_schema sets them. */
    uint64_t max_size, min_json_bytes;
};

struct cel_field {
    struct str name; /* as in JSON; expressions spell it escaped (`x__dash__y`), and reserved words
                      * either way (`namespace`, `__namespace__`) */
    const struct cel_type *type;
};

extern const struct cel_type cel_dyn, cel_null, cel_bool, cel_int, cel_uint, cel_double, cel_string,
    cel_bytes, cel_timestamp, cel_duration;
extern const struct cel_type cel_list_of_dyn, cel_map_of_dyn /* string keys */;
/* For the variables `request` and `namespaceObject` of admission: objects with the fields that
 * upstream shows (an AdmissionRequest without uid, object and oldObject; a Namespace). */
extern const struct cel_type cel_admission_request, cel_namespace_object;
/* For the variables `authorizer` and `authorizer.requestResource` (a name with a dot is fine). */
extern const struct cel_type cel_authorizer, cel_resource_check;

/*
 * The type of a structural OpenAPI v3 schema (of a custom resource, or of a published kind with
 * references resolved), named as messages print it: `name`, `name.field`, `name.field.@idx`,
 * `name.field.@elem`. root: a resource, so apiVersion, kind, metadata.name and
 * metadata.generateName are there even if the schema is silent. *ret_type is NULL when the schema
 * cannot be seen by expressions (an array without items, no type). The type points into the
 * schema's texts. -E_NOMEM.
 */
int cel_type_of_schema(struct arena *a, const struct json *schema, const char *name, bool root,
                       const struct cel_type **ret_type) MUST_CHECK;

struct schema_type;
/*
 * The type of a built-in kind, from the tables of schema/: for checking the expressions of a policy
 * against what they match. Times are timestamps, quantities texts, what has no schema is dyn.
 * -E_NOMEM.
 */
int cel_type_of_kind(struct arena *a, const struct schema_type *kind,
                     const struct cel_type **ret_type) MUST_CHECK;

/* "list(int)", "map(string, dyn)", the name of an object ... */
void cel_type_write(struct buf *out, const struct cel_type *t);
/* The spelling of a JSON field in expressions; false when it has none (upstream then leaves the
 * field out). */
bool cel_escape(struct buf *out, struct str name);

/* ---- values ---- */
enum cel_kind {
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING,
    CEL_BYTES,
    CEL_TIMESTAMP,
    CEL_DURATION, /* i64: nanoseconds */
    CEL_LIST,
    CEL_MAP, /* and objects */
    CEL_TYPE,
    CEL_OPTIONAL,
    CEL_OPAQUE, /* of a library */
    CEL_HOST,   /* the caller's object: struct cel_host */
    CEL_UNSET,  /* in cel_run.variables: a variable without a value; reading it is an error */
};

struct cel_list;
struct cel_map;
struct cel_opaque;
struct cel_host;

struct cel_time {
    int64_t seconds; /* Unix; years 1 to 9999 */
    int32_t nanos;
};

struct cel_value {
    uint8_t kind;                /* enum cel_kind */
    const struct cel_type *type; /* schema of a list or map from JSON, or NULL */
    union {
        bool boolean;
        int64_t i64;
        uint64_t u64;
        double number;
        struct str string; /* bytes too */
        struct cel_time time;
        struct {
            const struct json *json; /* a list or map in place, or NULL */
            union {
                const struct cel_list *list;
                const struct cel_map *map;
            };
        };
        const struct cel_type *named;    /* CEL_TYPE */
        const struct cel_value *content; /* CEL_OPTIONAL; NULL: none */
        const struct cel_opaque *opaque;
        const struct cel_host *host;
    };
};

/*
 * An object whose fields are computed when an expression reads them: `variables` of a policy. Its
 * type may be cel_map_of_dyn, or a CEL_T_OBJECT whose fields have the types of the programs behind
 * them (cel_program_type). It is asked each time: who computes, keeps.
 */
struct cel_host {
    /* field as the expression spells it. 0; -E_NOT_FOUND (no such key); -E_LIMIT and -E_NOMEM end
     * the evaluation; any other error becomes the expression's, with its text. */
    int (*get)(void *ctx, struct str field, struct cel_value *ret, struct err *err);
    void *ctx;
};

struct cel_run;
/*
 * A tree under a schema (NULL or cel_dyn: none; then integers are int, other numbers double,
 * objects maps). Lists and maps stay in place. -E_INVALID when the tree contradicts the schema;
 * -E_NOMEM. j may be NULL: null.
 */
int cel_from_json(struct cel_run *run, const struct json *j, const struct cel_type *type,
                  struct cel_value *ret, struct err *err) MUST_CHECK;
/* Back to a tree in an arena: bytes as base64, times and durations as text, none as null.
 * -E_INVALID for what has no JSON form. */
int cel_to_json(struct arena *a, struct cel_run *run, const struct cel_value *v,
                struct json **ret_json, struct err *err) MUST_CHECK;

/* An optional, for `oldSelf` of a rule with optionalOldSelf; content is copied, NULL: none. */
int cel_optional_new(struct arena *a, const struct cel_value *content,
                     struct cel_value *ret) MUST_CHECK;

static inline struct cel_value cel_of_bool(bool v)
{
    return (struct cel_value){.kind = CEL_BOOL, .boolean = v};
}

static inline struct cel_value cel_of_str(struct str v)
{
    return (struct cel_value){.kind = CEL_STRING, .string = v};
}

/* ---- compile ---- */
struct cel_variable {
    const char *name;
    const struct cel_type *type;
};

struct cel_env {
    const struct cel_variable *variables;
    size_t variable_count;
    bool estimate; /* the cost too: cost.h */
};

struct cel_program;

/* The whole text of what is wrong, as upstream words it, with the line and a mark under the place:
 * "ERROR: <input>:1:5: undeclared reference to 'x' (in container '')\n | ..."; in the arena. */
struct cel_problem {
    struct str text;
    uint32_t line, column; /* of the first; from 1, columns in code points */
};

/*
 * want: the type the result must have, exactly; NULL: any. Otherwise the problem is "must evaluate
 * to bool but got dyn", without a place.
 * -E_INVALID with *ret_problem (may be NULL) and the first of it in err; -E_LIMIT (source too
 * long); -E_NOMEM.
 */
int cel_compile(struct arena *a, const struct cel_env *env, struct str source,
                const struct cel_type *want, struct cel_program **ret_program,
                struct cel_problem *ret_problem, struct err *err) MUST_CHECK;
const struct cel_type *cel_program_type(const struct cel_program *p);
/* Whether the expression mentions the variable (by its index in env). A rule that mentions oldSelf
 * is a transition rule. */
bool cel_program_uses(const struct cel_program *p, size_t variable);

/* ---- evaluate ---- */
struct cel_authorizer;

struct cel_run {
    struct arena *arena;               /* where values are made */
    const struct cel_value *variables; /* parallel to the env's */
    uint64_t limit;                    /* of cost; 0: CEL_LIMIT_CALL */
    uint64_t cost;                     /* out: what it took, also on failure */
    /* The evaluator's own: begin as zero. May be kept for the next run with the same arena. */
    struct cel_cache *cache; /* places in long lists and maps */
    uint64_t work;           /* comparisons of values within values */
};

/*
 * 0; -E_INVALID: the expression failed, err says how ("no such key: foo"); -E_LIMIT: the cost limit
 * was exceeded ("operation cancelled: actual cost limit exceeded"); -E_NOMEM. The result may refer
 * to the trees given and to run->arena.
 */
int cel_eval(const struct cel_program *p, struct cel_run *run, struct cel_value *ret,
             struct err *err) MUST_CHECK;

/* ---- authorizer ---- */
struct cel_check { /* what is asked: attributes of a request. Empty texts: not set. */
    struct str service_account_namespace, service_account_name; /* instead of the requester */
    struct str verb, path;                                      /* path: not a resource */
    struct str group, resource, subresource, namespace, name;
    struct str field_selector, label_selector; /* "" none */
    bool is_resource;
};

struct cel_authorizer {
    /* 0 and the decision; or an error, which the expression sees as errored(). *ret_reason must
     * live as long as the run's arena. */
    int (*check)(void *ctx, const struct cel_check *check, bool *ret_allowed,
                 struct str *ret_reason, struct err *err);
    void *ctx;
};

/* The values of the variables. The struct, and what the texts of *check point to, must outlive the
 * run. -E_NOMEM. */
int cel_authorizer_value(struct cel_run *run, const struct cel_authorizer *authorizer,
                         struct cel_value *ret) MUST_CHECK;
/* check: group, resource, subresource, namespace and name of the request; is_resource set. */
int cel_resource_check_value(struct cel_run *run, const struct cel_authorizer *authorizer,
                             const struct cel_check *check, struct cel_value *ret) MUST_CHECK;

#endif
