/*
 * Grammar of the text form (apimachinery/pkg/labels):
 *   selector    = requirement { "," requirement }
 *   requirement = [ "!" ] key | key ( "=" | "==" | "!=" | ">" | "<" ) value | key ( "in" | "notin"
 * ) set set         = "(" [ value ] { "," [ value ] } ")"
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/names.h"
#include "codec/selector.h"

enum { TERMS_MOST = 256, VALUES_MOST = 1024 };

struct parser {
    struct arena *arena;
    struct str rest;
    struct err *err;
    struct selector_term terms[TERMS_MOST];
    uint32_t count;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_special(char c)
{
    return c == '=' || c == '!' || c == '(' || c == ')' || c == ',' || c == '>' || c == '<';
}

/* The next token without taking it: an operator, a word, or empty at the end. */
static struct str peek(struct parser *p)
{
    while (p->rest.n && is_space(p->rest.p[0])) {
        p->rest.p++;
        p->rest.n--;
    }
    size_t n = 0;
    if (p->rest.n == 0)
        return STR("");
    if (str_starts(p->rest, STR("==")) || str_starts(p->rest, STR("!=")))
        return str_make(p->rest.p, 2);
    if (is_special(p->rest.p[0]))
        return str_make(p->rest.p, 1);
    while (n < p->rest.n && !is_space(p->rest.p[n]) && !is_special(p->rest.p[n]))
        n++;
    return str_make(p->rest.p, n);
}

static struct str take(struct parser *p)
{
    struct str token = peek(p);
    p->rest.p += token.n;
    p->rest.n -= token.n;
    return token;
}

static bool is_word(struct str token)
{
    return token.n > 0 && !is_special(token.p[0]);
}

static int fail(struct parser *p, struct str found, const char *expected)
{
    return err_set(p->err, E_BAD_REQUEST, "unable to parse requirement: found '%.*s', expected: %s",
                   (int)(found.n < 100 ? found.n : 100), found.p ? found.p : "", expected);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int set_values(struct arena *a, struct selector_term *t, const struct str *values,
                      uint32_t count)
{
    struct str *copy = arena_alloc(a, count * sizeof(*copy) + 1);
    if (!copy)
        return -E_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = values[i].n ? arena_str(a, values[i]) : STR("");
        if (!copy[i].p)
            return -E_NOMEM;
    }
    qsort(copy, count, sizeof(*copy), by_text);
    t->values = copy;
    t->value_count = count;
    return 0;
}

static int check_term(struct arena *a, struct selector_term *t, struct err *err)
{
    const char *wrong = names_qualified(t->key);
    if (wrong)
        return err_set(err, E_BAD_REQUEST, "key: Invalid value: \"%.*s\": %s",
                       (int)(t->key.n < 80 ? t->key.n : 80), t->key.p, wrong);
    for (uint32_t i = 0; i < t->value_count; i++) {
        wrong = names_label_value(t->values[i]);
        if (wrong)
            return err_set(err, E_BAD_REQUEST, "values[%u][%.*s]: Invalid value: \"%.*s\": %s", i,
                           STR_ARG(t->key), (int)(t->values[i].n < 80 ? t->values[i].n : 80),
                           t->values[i].p, wrong);
    }
    if ((t->op == SELECTOR_GREATER || t->op == SELECTOR_LESS) &&
        str_to_i64(t->values[0], &t->bound))
        return err_set(err, E_BAD_REQUEST,
                       "values[0][" STR_FMT "]: Invalid value: \"" STR_FMT
                       "\": for 'Gt', 'Lt' operators, the value must be an integer",
                       STR_ARG(t->key), STR_ARG(t->values[0]));
    t->key = arena_str(a, t->key);
    return t->key.p ? 0 : -E_NOMEM;
}

/* "(a, b)" of in and notin. */
static int parse_set(struct parser *p, struct selector_term *t)
{
    struct str values[VALUES_MOST], token = take(p);
    uint32_t count = 0;
    if (!str_is(token, "("))
        return fail(p, token, "'('");
    for (;;) {
        if (count == VALUES_MOST)
            return err_set(p->err, E_LIMIT, "more than %d values in one requirement", VALUES_MOST);
        values[count] = is_word(peek(p)) ? take(p) : STR("");
        count++;
        token = take(p);
        if (str_is(token, ")"))
            break;
        if (!str_is(token, ","))
            return fail(p, token, "',', or ')'");
    }
    return set_values(p->arena, t, values, count);
}

static int parse_operator(struct parser *p, struct selector_term *t)
{
    static const struct {
        const char *text;
        enum selector_op op;
    } operators[] = {{"=", SELECTOR_IN},
                     {"==", SELECTOR_IN},
                     {"!=", SELECTOR_NOT_IN},
                     {">", SELECTOR_GREATER},
                     {"<", SELECTOR_LESS}};
    struct str token = take(p);
    if (str_is(token, "in") || str_is(token, "notin")) {
        t->op = str_is(token, "in") ? SELECTOR_IN : SELECTOR_NOT_IN;
        return parse_set(p, t);
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (str_is(token, operators[i].text)) {
            t->op = operators[i].op;
            struct str value = is_word(peek(p)) ? take(p) : STR("");
            return set_values(p->arena, t, &value, 1);
        }
    return fail(p, token, "in, notin, =, ==, !=, gt, lt");
}

static int parse_term(struct parser *p)
{
    if (p->count == TERMS_MOST)
        return err_set(p->err, E_LIMIT, "more than %d requirements in a selector", TERMS_MOST);
    struct selector_term *t = &p->terms[p->count];
    *t = (struct selector_term){.op = SELECTOR_EXISTS};
    struct str token = take(p);
    if (str_is(token, "!")) {
        t->op = SELECTOR_NOT_EXISTS;
        token = take(p);
    }
    if (!is_word(token))
        return fail(p, token, "identifier");
    t->key = token;
    token = peek(p);
    int rc = 0;
    if (token.n && !str_is(token, ",")) {
        if (t->op == SELECTOR_NOT_EXISTS)
            return fail(p, token, "',' or 'end of string'");
        rc = parse_operator(p, t);
    }
    rc = rc ? rc : check_term(p->arena, t, p->err);
    p->count += rc == 0;
    return rc;
}

static int finish(struct arena *a, const struct selector_term *terms, uint32_t count,
                  struct selector *ret)
{
    struct selector_term *copy = arena_alloc(a, count * sizeof(*copy) + 1);
    if (!copy)
        return -E_NOMEM;
    if (count)
        memcpy(copy, terms, count * sizeof(*copy));
    *ret = (struct selector){.term_count = count, .terms = copy};
    return 0;
}

int selector_parse(struct arena *a, struct str text, struct selector *ret, struct err *err)
{
    struct parser p;
    p.arena = a;
    p.rest = text;
    p.err = err;
    p.count = 0;
    if (peek(&p).n == 0)
        return finish(a, p.terms, 0, ret);
    for (;;) {
        int rc = parse_term(&p);
        if (rc)
            return rc;
        struct str token = take(&p);
        if (token.n == 0)
            return finish(a, p.terms, p.count, ret);
        if (!str_is(token, ","))
            return fail(&p, token, "',' or 'end of string'");
    }
}

static int term_from_expression(struct arena *a, const struct json *e, struct selector_term *t,
                                struct err *err)
{
    static const struct {
        const char *name;
        enum selector_op op;
    } ops[] = {{"In", SELECTOR_IN},
               {"NotIn", SELECTOR_NOT_IN},
               {"Exists", SELECTOR_EXISTS},
               {"DoesNotExist", SELECTOR_NOT_EXISTS}};
    struct str op = json_str(json_get(e, "operator")), values[VALUES_MOST];
    uint32_t count = 0;
    size_t i = 0;
    while (i < 4 && !str_is(op, ops[i].name))
        i++;
    if (i == 4)
        return err_set(err, E_INVALID, "\"" STR_FMT "\" is not a valid label selector operator",
                       STR_ARG(op));
    *t = (struct selector_term){.key = json_str(json_get(e, "key")), .op = ops[i].op};
    for (const struct json *v = json_first(json_get(e, "values")); v; v = v->next) {
        if (count == VALUES_MOST)
            return err_set(err, E_LIMIT, "more than %d values in one requirement", VALUES_MOST);
        values[count++] = json_str(v);
    }
    if ((t->op == SELECTOR_IN || t->op == SELECTOR_NOT_IN) && count == 0)
        return err_set(err, E_INVALID,
                       "values: Invalid value: []: for 'in', 'notin' operators, values set "
                       "can't be empty");
    if ((t->op == SELECTOR_EXISTS || t->op == SELECTOR_NOT_EXISTS) && count > 0)
        return err_set(err, E_INVALID,
                       "values: Invalid value: values set must be empty for exists and does "
                       "not exist");
    int rc = set_values(a, t, values, count);
    rc = rc ? rc : check_term(a, t, err);
    if (rc == -E_BAD_REQUEST && err)
        err->code = E_INVALID;
    return rc == -E_BAD_REQUEST ? -E_INVALID : rc;
}

static int terms_from_map(struct arena *a, const struct json *map, struct selector_term *terms,
                          uint32_t *count, struct err *err)
{
    for (const struct json *m = json_first(map); m; m = m->next) {
        if (*count == TERMS_MOST)
            return err_set(err, E_LIMIT, "more than %d requirements in a selector", TERMS_MOST);
        struct selector_term *t = &terms[(*count)++];
        struct str value = json_str(m);
        *t = (struct selector_term){.key = arena_str(a, m->key), .op = SELECTOR_IN};
        if (!t->key.p)
            return -E_NOMEM;
        int rc = set_values(a, t, &value, 1);
        if (rc)
            return rc;
    }
    return 0;
}

int selector_from_object(struct arena *a, const struct json *s, struct selector *ret,
                         struct err *err)
{
    struct selector_term terms[TERMS_MOST];
    uint32_t count = 0;
    if (json_absent(s)) {
        *ret = (struct selector){.nothing = true};
        return 0;
    }
    int rc = terms_from_map(a, json_get(s, "matchLabels"), terms, &count, err);
    for (const struct json *e = json_first(json_get(s, "matchExpressions")); e && rc == 0;
         e = e->next) {
        if (count == TERMS_MOST)
            return err_set(err, E_LIMIT, "more than %d requirements in a selector", TERMS_MOST);
        rc = term_from_expression(a, e, &terms[count++], err);
    }
    return rc ? rc : finish(a, terms, count, ret);
}

int selector_from_map(struct arena *a, const struct json *map, struct selector *ret)
{
    struct selector_term terms[TERMS_MOST];
    uint32_t count = 0;
    if (json_count(map) == 0) {
        *ret = (struct selector){.nothing = true};
        return 0;
    }
    int rc = terms_from_map(a, map, terms, &count, NULL);
    return rc ? rc : finish(a, terms, count, ret);
}

static bool has_value(const struct selector_term *t, struct str value)
{
    for (uint32_t i = 0; i < t->value_count; i++)
        if (str_eq(t->values[i], value))
            return true;
    return false;
}

static bool term_holds(const struct selector_term *t, bool there, struct str value)
{
    int64_t number;
    switch (t->op) {
    case SELECTOR_IN:
        return there && has_value(t, value);
    case SELECTOR_NOT_IN:
        return !there || !has_value(t, value);
    case SELECTOR_EXISTS:
        return there;
    case SELECTOR_NOT_EXISTS:
        return !there;
    default:
        if (!there || str_to_i64(value, &number))
            return false;
        return t->op == SELECTOR_GREATER ? number > t->bound : number < t->bound;
    }
}

bool selector_matches_by(const struct selector *s,
                         bool (*get)(const void *ctx, struct str key, struct str *ret_value),
                         const void *ctx)
{
    if (s->nothing)
        return false;
    for (uint32_t i = 0; i < s->term_count; i++) {
        struct str value = STR("");
        bool there = get(ctx, s->terms[i].key, &value);
        if (!term_holds(&s->terms[i], there, value))
            return false;
    }
    return true;
}

static bool get_label(const void *ctx, struct str key, struct str *ret_value)
{
    const struct json *j = json_get_str(ctx, key);
    if (j)
        *ret_value = json_str(j);
    return j != NULL;
}

bool selector_matches(const struct selector *s, const struct json *labels)
{
    return selector_matches_by(s, get_label, labels);
}

static void write_values(struct buf *out, const struct selector_term *t, const char *word)
{
    buf_printf(out, STR_FMT " %s (", STR_ARG(t->key), word);
    for (uint32_t i = 0; i < t->value_count; i++) {
        buf_puts(out, i ? "," : "");
        buf_append_str(out, t->values[i]);
    }
    buf_putc(out, ')');
}

void selector_write(struct buf *out, const struct selector *s)
{
    for (uint32_t i = 0; i < s->term_count; i++) {
        const struct selector_term *t = &s->terms[i];
        buf_puts(out, i ? "," : "");
        if (t->op == SELECTOR_NOT_EXISTS)
            buf_putc(out, '!');
        if (t->op == SELECTOR_IN && t->value_count == 1)
            buf_printf(out, STR_FMT "=" STR_FMT, STR_ARG(t->key), STR_ARG(t->values[0]));
        else if (t->op == SELECTOR_NOT_IN && t->value_count == 1)
            buf_printf(out, STR_FMT "!=" STR_FMT, STR_ARG(t->key), STR_ARG(t->values[0]));
        else if (t->op == SELECTOR_IN || t->op == SELECTOR_NOT_IN)
            write_values(out, t, t->op == SELECTOR_IN ? "in" : "notin");
        else if (t->op == SELECTOR_GREATER || t->op == SELECTOR_LESS)
            buf_printf(out, STR_FMT "%c%lld", STR_ARG(t->key),
                       t->op == SELECTOR_GREATER ? '>' : '<', (long long)t->bound);
        else
            buf_append_str(out, t->key);
    }
}
