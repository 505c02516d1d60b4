/* Rules of schemas: compiled with the definition, evaluated with each object. See rules.h. */
#include "api/crd/rules.h"

#include "base/limits.h"
#include "cel/cost.h"

enum { SELF, OLD_SELF, DEPTH = 200, SCRATCH = 64 * 1024 * 1024 };

struct rule_env {
    struct cel_variable variables[2];
    struct cel_type optional;
    struct cel_env env;
};

/* False: expressions cannot see the schema. */
static bool env_of(struct rule_env *x, const struct cel_type *type, bool optional)
{
    x->optional = (struct cel_type){.kind = CEL_T_OPTIONAL, .element = type};
    x->variables[SELF] = (struct cel_variable){"self", type};
    x->variables[OLD_SELF] = (struct cel_variable){"oldSelf", optional ? &x->optional : type};
    x->env = (struct cel_env){.variables = x->variables, .variable_count = 2};
    return type != NULL;
}

static struct rule_env *new_env(struct arena *a, const struct json *schema, bool resource,
                                bool optional)
{
    const struct cel_type *type;
    struct rule_env *x = arena_zalloc(a, sizeof *x);
    if (!x || cel_type_of_schema(a, schema, "object", resource, &type) < 0)
        return NULL;
    return env_of(x, type, optional) ? x : NULL;
}

int crd_rules_compile(struct arena *a, struct crd_node *n, bool resource)
{
    const struct json *list = json_get(n->schema, "x-kubernetes-validations");
    if (!json_count(list))
        return 0;
    n->rules = arena_zalloc(a, json_count(list) * sizeof *n->rules);
    if (!n->rules)
        return -E_NOMEM;
    for (const struct json *m = json_first(list); m; m = m->next) {
        struct crd_rule *r = &n->rules[n->rule_count++];
        r->rule = str_trim(json_path_str(m, "rule"));
        r->message = str_trim(json_path_str(m, "message"));
        r->reason = json_path_str(m, "reason");
        r->field_path = json_path_str(m, "fieldPath");
        r->optional_old = json_path_bool(m, "optionalOldSelf", false);
        struct rule_env *x = new_env(a, n->schema, resource, r->optional_old);
        struct str text = json_path_str(m, "messageExpression");
        if (!x)
            continue;
        n->value_type = x->variables[SELF].type;
        int rc = cel_compile(a, &x->env, r->rule, &cel_bool, &r->program, NULL, NULL);
        if (rc == 0 && text.n)
            rc = cel_compile(a, &x->env, text, &cel_string, &r->message_program, NULL, NULL);
        if (rc == -E_NOMEM)
            return rc;
        r->transition = r->program && cel_program_uses(r->program, OLD_SELF);
    }
    return 0;
}

/* ---- when the definition is written ---- */

struct checking {
    struct field_errors *e;
    const struct field *path; /* x-kubernetes-validations[i] */
    const struct json *rule;
    struct rule_env *env;
    uint64_t times;
};

/* Compiles one expression of a rule; its cost for all occurrences, or 0. */
static uint64_t check_expression(struct checking *c, struct arena *a, const char *member,
                                 const struct cel_type *want, const char *what)
{
    struct cel_program *program;
    struct cel_problem problem = {0};
    struct err err = {0};
    struct str text = json_path_str(c->rule, member);
    struct buf words CLEANUP_BUF;
    buf_init(&words, 2000);
    int rc = cel_compile(a, &c->env->env, text, want, &program, &problem, &err);
    if (rc < 0) {
        const char *why = problem.text.n ? arena_printf(c->e->arena, "compilation failed: " STR_FMT,
                                                        STR_ARG(problem.text))
                                         : arena_strdup(c->e->arena, err.text);
        field_invalid(c->e, FIELD(c->path, member), c->rule, why ? why : "");
        return 0;
    }
    uint64_t each = cel_program_cost(program).max, cost;
    if (each == UINT64_MAX || c->times == UINT64_MAX ||
        __builtin_mul_overflow(each, c->times, &cost))
        cost = UINT64_MAX;
    cel_cost_complain(&words, what, cost, CEL_ESTIMATE_RULE);
    if (buf_len(&words))
        field_add(c->e, FIELD(c->path, member), "FieldValueForbidden",
                  arena_printf(c->e->arena, "Forbidden: %s", buf_cstr(&words)));
    if (cstr_eq(member, "rule") && json_path_bool(c->rule, "optionalOldSelf", false) &&
        !cel_program_uses(program, OLD_SELF))
        field_invalid(c->e, FIELD(c->path, "optionalOldSelf"),
                      json_get(c->rule, "optionalOldSelf"),
                      "may not be set if oldSelf is not used in rule");
    return cost;
}

static void check_rule_members(struct checking *c)
{
    static const char *const reasons[] = {"FieldValueRequired", "FieldValueForbidden",
                                          "FieldValueInvalid", "FieldValueDuplicate", NULL};
    struct str reason = json_path_str(c->rule, "reason"), message = json_path_str(c->rule, "message"),
               rule = str_trim(json_path_str(c->rule, "rule"));
    if (!rule.n)
        field_required(c->e, FIELD(c->path, "rule"), "rule is not specified");
    if (message.p && json_get(c->rule, "message") && !str_trim(message).n)
        field_invalid_str(c->e, FIELD(c->path, "message"), message,
                          "message must be non-empty if specified");
    else if (str_find_byte(str_trim(message), '\n') >= 0)
        field_invalid_str(c->e, FIELD(c->path, "message"), message,
                          "message must not contain line breaks");
    else if (str_find_byte(rule, '\n') >= 0 && !message.n)
        field_required(c->e, FIELD(c->path, "message"),
                       "message must be specified if rule contains line breaks");
    if (reason.n)
        field_check_enum(c->e, FIELD(c->path, "reason"), json_get(c->rule, "reason"), reasons);
}

void crd_rules_validate(struct field_errors *e, const struct field *path, const struct json *schema,
                        bool resource, uint64_t times, uint64_t *total)
{
    const struct json *list = json_get(schema, "x-kubernetes-validations");
    int64_t i = 0;
    for (const struct json *m = json_first(list); m; m = m->next, i++) {
        struct arena a CLEANUP_ARENA;
        arena_init(&a, SCRATCH);
        struct checking c = {e, FIELD_AT(FIELD(path, "x-kubernetes-validations"), i), m,
                             new_env(&a, schema, resource,
                                     json_path_bool(m, "optionalOldSelf", false)),
                             times};
        check_rule_members(&c);
        if (!c.env || !json_path_str(m, "rule").n)
            continue;
        c.env->env.estimate = true;
        uint64_t cost = check_expression(&c, &a, "rule", &cel_bool, "estimated rule cost");
        if (__builtin_add_overflow(*total, cost, total))
            *total = UINT64_MAX;
        if (json_path_str(m, "messageExpression").n) {
            cost = check_expression(&c, &a, "messageExpression", &cel_string,
                                    "estimated messageExpression cost");
            if (__builtin_add_overflow(*total, cost, total))
                *total = UINT64_MAX;
        }
    }
}

/* ---- with each object ---- */

struct running {
    struct field_errors *e;
    struct arena *scratch;
    uint64_t left; /* of the object's budget */
    bool stopped;
};

static void walk(struct running *x, const struct crd_node *n, const struct field *path,
                 const struct json *value, const struct json *old, unsigned depth);

static const char *type_word(const struct crd_node *n)
{
    static const char *const words[] = {"",       "object",  "array",   "string", "integer",
                                        "number", "boolean", ""};
    return words[n->type];
}

static void complain(struct running *x, const struct crd_node *n, const struct crd_rule *r,
                     const struct field *path, const char *detail)
{
    struct field below = {path, NULL, 0, {NULL, 0}};
    const struct field *at = path;
    if (r && r->field_path.n) {
        below.name = r->field_path.p + (r->field_path.p[0] == '.');
        at = &below;
    }
    struct str type = str_of(type_word(n));
    if (r && str_is(r->reason, "FieldValueRequired"))
        field_required(x->e, at, detail);
    else if (r && str_is(r->reason, "FieldValueForbidden"))
        field_forbidden(x->e, at, detail);
    else if (r && str_is(r->reason, "FieldValueDuplicate"))
        field_duplicate(x->e, at, type);
    else
        field_invalid_str(x->e, at, type, detail);
}

/* What a rule says when it does not hold. */
static const char *message_of(struct running *x, const struct crd_rule *r, struct cel_run *run)
{
    struct cel_value said;
    struct err err = {0};
    run->limit = x->left;
    if (r->message_program && cel_eval(r->message_program, run, &said, &err) == 0 &&
        said.kind == CEL_STRING) {
        struct str text = str_trim(said.string);
        if (text.n && str_find_byte(text, '\n') < 0)
            return arena_printf(x->e->arena, STR_FMT, STR_ARG(text));
    }
    if (r->message.n)
        return arena_printf(x->e->arena, STR_FMT, STR_ARG(r->message));
    return arena_printf(x->e->arena, "failed rule: " STR_FMT, STR_ARG(r->rule));
}

static void fail(struct running *x, const struct crd_node *n, const struct crd_rule *r,
                 const struct field *path, int rc, const struct err *err)
{
    struct str shown = r->message.n ? r->message : r->rule;
    const char *why =
        rc == -E_LIMIT
            ? arena_printf(x->e->arena, "call cost exceeds limit for rule: " STR_FMT, STR_ARG(shown))
        : str_starts(str_of(err->text), STR("no such overload"))
            ? arena_printf(x->e->arena,
                           "'%s': call arguments did not match a supported operator, function or "
                           "macro signature for rule: " STR_FMT,
                           err->text, STR_ARG(shown))
            : arena_printf(x->e->arena, "%s evaluating rule: " STR_FMT, err->text, STR_ARG(shown));
    field_invalid_str(x->e, path, str_of(type_word(n)), why ? why : "");
}

static void run_rule(struct running *x, const struct crd_node *n, const struct crd_rule *r,
                     const struct field *path, const struct json *value, const struct json *old)
{
    struct cel_value values[2] = {{0}, {.kind = CEL_UNSET}}, before, result;
    struct cel_run run = {.arena = x->scratch, .variables = values, .limit = CEL_LIMIT_CALL};
    struct err err = {0};
    int rc = cel_from_json(&run, value, n->value_type, &values[SELF], &err);
    if (rc == 0 && old)
        rc = cel_from_json(&run, old, n->value_type, &before, &err);
    if (rc == 0 && old && !r->optional_old)
        values[OLD_SELF] = before;
    if (r->optional_old)
        values[OLD_SELF] =
            (struct cel_value){.kind = CEL_OPTIONAL, .content = rc == 0 && old ? &before : NULL};
    if (rc == 0)
        rc = cel_eval(r->program, &run, &result, &err);
    if (run.cost > x->left) {
        complain(x, n, NULL, path,
                 "validation failed due to running out of cost budget, no further validation rules "
                 "will be run");
        x->stopped = true;
        return;
    }
    x->left -= run.cost;
    if (rc < 0) {
        fail(x, n, r, path, rc, &err);
        return;
    }
    if (result.kind == CEL_BOOL && result.boolean)
        return;
    const char *text = message_of(x, r, &run);
    complain(x, n, r, path, text ? text : "");
}

static void run_rules(struct running *x, const struct crd_node *n, const struct field *path,
                      const struct json *value, const struct json *old)
{
    /* What did not change may stay as it is, even if a newer rule would not have it. */
    bool unchanged = old && json_equal(value, old);
    for (size_t i = 0; i < n->rule_count && !x->stopped; i++) {
        const struct crd_rule *r = &n->rules[i];
        if (!r->program || (r->transition && !old && !r->optional_old) ||
            (unchanged && !r->transition))
            continue;
        arena_clear(x->scratch);
        run_rule(x, n, r, path, value, old);
    }
}

const struct json *crd_same_element(const struct crd_node *list, const struct json *old,
                                    const struct json *element)
{
    const struct json *keys = json_get(list->schema, "x-kubernetes-list-map-keys");
    if (!str_is(json_path_str(list->schema, "x-kubernetes-list-type"), "map"))
        return NULL;
    for (const struct json *o = json_first(old); o; o = o->next) {
        const struct json *k = json_first(keys);
        while (k) {
            const struct json *x = json_get_str(o, json_str(k)),
                              *y = json_get_str(element, json_str(k));
            if (x && y ? !json_equal(x, y) : x != y)
                break;
            k = k->next;
        }
        if (!k)
            return o;
    }
    return NULL;
}

static void walk_below(struct running *x, const struct crd_node *n, const struct field *path,
                       const struct json *value, const struct json *old, unsigned depth)
{
    int64_t i = 0;
    if (json_is(value, JSON_OBJECT)) {
        for (const struct json *m = json_first(value); m && !x->stopped; m = m->next) {
            const struct crd_node *child = crd_node_property(n, m->key);
            const struct json *was = json_get_str(old, m->key);
            if (child && child->has_rules)
                walk(x, child, FIELD(path, m->key.p), m, was, depth + 1);
            else if (!child && n->additional && n->additional->has_rules)
                walk(x, n->additional, FIELD_KEY(path, m->key), m, was, depth + 1);
        }
    } else if (json_is(value, JSON_ARRAY) && n->items && n->items->has_rules) {
        for (const struct json *m = json_first(value); m && !x->stopped; m = m->next, i++)
            walk(x, n->items, FIELD_AT(path, i), m, crd_same_element(n, old, m), depth + 1);
    }
}

static void walk(struct running *x, const struct crd_node *n, const struct field *path,
                 const struct json *value, const struct json *old, unsigned depth)
{
    if (depth > DEPTH || value->type == JSON_NULL)
        return;
    if (old && old->type == JSON_NULL)
        old = NULL;
    run_rules(x, n, path, value, old);
    walk_below(x, n, path, value, old, depth);
}

void crd_rules_run(struct field_errors *e, const struct crd_node *n, const struct json *value,
                   const struct json *old)
{
    struct arena scratch CLEANUP_ARENA;
    struct running x = {.e = e, .scratch = &scratch, .left = CEL_LIMIT_OBJECT};
    arena_init(&scratch, SCRATCH);
    if (n->has_rules)
        walk(&x, n, NULL, value, old, 0);
}
