/*
 * An expression that compiles evaluates within its limits, twice to the same, and its result can be
 * written. What is behind the first newline is text for it as a regular expression too.
 */
#include "base/assert.h"
#include "cel/cel.h"
#include "cel/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cel_field fields[] = {{{"n", 1}, &cel_int},         {{"s", 1}, &cel_string},
                                          {{"l", 1}, &cel_list_of_dyn}, {{"m", 1}, &cel_map_of_dyn},
                                          {{"t", 1}, &cel_timestamp},   {{"b", 1}, &cel_bytes},
                                          {{"namespace", 9}, &cel_dyn}};
static const struct cel_type self = {
    .kind = CEL_T_OBJECT, .name = "self", .fields = fields, .field_count = 7};
static const struct cel_variable declared[] = {
    {"self", &self}, {"object", &cel_dyn}, {"authorizer", &cel_authorizer}};
static const struct cel_env env = {.variables = declared, .variable_count = 3, .estimate = true};

static int decide(void *ctx, const struct cel_check *check, bool *ret_allowed,
                  struct str *ret_reason, struct err *err)
{
    (void)ctx;
    (void)err;
    *ret_allowed = check->verb.n > 3;
    *ret_reason = STR("r");
    return 0;
}

static int run_once(const struct cel_program *p, struct buf *out)
{
    static const char text[] = "{\"n\":1,\"s\":\"a\",\"l\":[1,\"x\",[2]],\"m\":{\"k\":1.5},"
                               "\"t\":\"2026-11-23T00:00:00Z\",\"b\":\"aGk=\"}";
    static const struct cel_authorizer authorizer = {decide, NULL};
    struct cel_value values[3], v;
    struct arena a;
    struct err err;
    arena_init(&a, 16 << 20);
    struct cel_run run = {.arena = &a, .variables = values, .limit = 20000};
    struct json *j;
    int rc = json_parse(&a, str_of(text), NULL, &j, NULL);
    ASSERT(rc == 0 && cel_from_json(&run, j, &self, &values[0], NULL) == 0);
    ASSERT(cel_from_json(&run, j, NULL, &values[1], NULL) == 0);
    ASSERT(cel_authorizer_value(&run, &authorizer, &values[2]) == 0);
    rc = cel_eval(p, &run, &v, &err);
    if (rc == 0)
        rc = cel_to_json(&a, &run, &v, &j, &err);
    if (rc == 0)
        json_write(out, j);
    else
        buf_puts(out, rc == -E_NOMEM ? "" : err.text);
    arena_done(&a);
    return rc;
}

static void as_regex(struct arena *a, struct str pattern, struct str text)
{
    struct regex *r;
    struct regex_match m, any;
    if (regex_compile(a, pattern, &r, NULL) < 0 || regex_find(r, text, 0, false, 1000000, &m) < 0)
        return;
    ASSERT(!m.found || (m.start <= m.end && m.end <= text.n));
    if (regex_find(r, text, 0, true, 1000000, &any) == 0)
        ASSERT(any.found == m.found);
}

/* A document as its own schema: it may not fit, but nothing breaks, and it equals itself. */
static void as_schema(struct arena *a, struct str text)
{
    const struct cel_type *type = NULL;
    struct cel_variable variable = {"self", NULL};
    const struct cel_env own = {.variables = &variable, .variable_count = 1, .estimate = true};
    struct cel_program *p;
    struct cel_value self_value, v;
    struct cel_run run = {.arena = a, .variables = &self_value};
    struct json *j;
    struct err err;
    if (json_parse(a, text, NULL, &j, NULL) < 0 ||
        cel_type_of_schema(a, j, "selfType", true, &type) < 0 || !type)
        return;
    variable.type = type;
    ASSERT(cel_compile(a, &own, STR("self == self"), &cel_bool, &p, NULL, &err) == 0);
    if (cel_from_json(&run, j, type, &self_value, NULL) == 0 && cel_eval(p, &run, &v, &err) == 0)
        ASSERT(v.kind == CEL_BOOL && v.boolean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct cel_program *p;
    struct cel_problem problem;
    struct str source = str_make(data, size), rest = source, pattern;
    CLEANUP_BUF struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    arena_init(&a, 32 << 20);
    if (str_split(&rest, '\n', &pattern))
        as_regex(&a, pattern, rest.p ? rest : source);
    if (size > 0 && data[0] == '{')
        as_schema(&a, source);
    int rc = cel_compile(&a, &env, source, NULL, &p, &problem, NULL);
    if (rc == -E_INVALID)
        ASSERT(problem.text.n > 0 && (problem.line > 0) == (problem.column > 0));
    if (rc == 0) {
        int once = run_once(p, &first);
        ASSERT(once == run_once(p, &second));
        ASSERT(str_eq(buf_str(&first), buf_str(&second)));
    }
    arena_done(&a);
    return 0;
}
