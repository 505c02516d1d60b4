/*
 * Tokens to a tree (cel-spec, langdef.md, "Syntax"), by precedence climbing. Bounded in nesting, in
 * nodes and in the depth of the tree, so that whoever walks the tree may recurse. Chains of && and
 * || become balanced trees.
 */
#include <stdio.h>

#include "cel/cel_int.h"

static struct cel_expr *parse_expr(struct cel_parser *p);

void cel_parser_fail(struct cel_parser *p, size_t at, const char *fmt, ...)
{
    char text[400];
    va_list args;
    if (p->failed)
        return;
    p->failed = true;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cel_report_add(p->report, at, "%s", text);
}

static void parser_oom(struct cel_parser *p)
{
    p->failed = p->report->oom = true;
}

struct cel_expr *cel_node(struct cel_parser *p, enum cel_expr_kind kind, size_t at)
{
    if (p->failed)
        return NULL;
    if (p->nodes >= CEL_TREE_NODES) {
        cel_parser_fail(p, at, "expression has too many parts: limit %d", CEL_TREE_NODES);
        return NULL;
    }
    struct cel_expr *e = arena_zalloc(p->arena, sizeof *e);
    if (!e) {
        parser_oom(p);
        return NULL;
    }
    e->kind = (uint8_t)kind;
    e->at = (uint32_t)at;
    e->id = p->nodes++;
    return e;
}

struct cel_expr *cel_node_ident(struct cel_parser *p, size_t at, struct str name)
{
    struct cel_expr *e = cel_node(p, EXPR_IDENT, at);
    if (e)
        e->name = name;
    return e;
}

struct cel_expr *cel_node_bool(struct cel_parser *p, size_t at, bool v)
{
    struct cel_expr *e = cel_node(p, EXPR_LITERAL, at);
    if (e)
        e->literal = cel_of_bool(v);
    return e;
}

struct cel_expr *cel_node_args(struct cel_parser *p, struct cel_expr *e, struct cel_expr **args,
                               uint32_t count)
{
    unsigned depth = e ? e->depth : 0;
    if (!e || p->failed)
        return NULL;
    e->args = arena_alloc(p->arena, (count + 1) * sizeof *args);
    if (!e->args) {
        parser_oom(p);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        e->args[i] = args[i];
        if (args[i]->depth >= depth)
            depth = args[i]->depth + 1u;
    }
    e->count = count;
    e->depth = (uint16_t)depth;
    if (depth > CEL_TREE_DEPTH) {
        cel_parser_fail(p, e->at, "expression is nested too deep: limit %d", CEL_TREE_DEPTH);
        return NULL;
    }
    return e;
}

struct cel_expr *cel_node_call(struct cel_parser *p, size_t at, const char *function,
                               unsigned count, ...)
{
    struct cel_expr *args[4];
    struct cel_expr *e = cel_node(p, EXPR_CALL, at);
    va_list list;
    va_start(list, count);
    for (unsigned i = 0; i < count; i++)
        if (!(args[i] = va_arg(list, struct cel_expr *)))
            e = NULL;
    va_end(list);
    if (!e)
        return NULL;
    e->name = str_of(function);
    return cel_node_args(p, e, args, count);
}

/* ---- tokens ---- */

static void advance(struct cel_parser *p)
{
    cel_lex(&p->lexer);
    if (p->lexer.token == TOK_BAD)
        p->failed = true;
}

static bool at_punct(const struct cel_parser *p, const char *text)
{
    return !p->failed && p->lexer.token == TOK_PUNCT && str_is(p->lexer.text, text);
}

static bool take(struct cel_parser *p, const char *text)
{
    if (!at_punct(p, text))
        return false;
    advance(p);
    return true;
}

/* What may begin an expression, as upstream's parser calls it. */
#define EXPRESSION                                                                           \
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, " \
    "STRING, BYTES, IDENTIFIER}"
#define END "<EOF>"

static bool begins_expression(const struct cel_lexer *l)
{
    if (l->token == TOK_PUNCT)
        return l->text.n == 1 && strchr("[{(.-!", l->text.p[0]);
    if (l->token == TOK_IDENT)
        return !str_is(l->text, "in");
    return l->token != TOK_END && l->token != TOK_BAD;
}

/* Whether without this token the text would go on as it should: then it is one too many. */
static bool is_extraneous(const struct cel_parser *p, const char *wanted)
{
    struct err err;
    struct cel_report quiet = {.arena = p->arena, .source = p->report->source, .err = &err};
    struct cel_lexer ahead = p->lexer;
    quiet.name = "";
    quiet.count = CEL_PROBLEMS; /* it has had enough: nothing is written */
    ahead.report = &quiet;
    cel_lex(&ahead);
    if (strcmp(wanted, END) == 0)
        return ahead.token == TOK_END;
    return strcmp(wanted, EXPRESSION) == 0 && begins_expression(&ahead);
}

static void unexpected(struct cel_parser *p, const char *wanted)
{
    if (p->lexer.token == TOK_END)
        cel_parser_fail(p, p->lexer.at, "Syntax error: mismatched input '<EOF>' expecting %s",
                        wanted);
    else
        cel_parser_fail(p, p->lexer.at, "Syntax error: %s input '%.*s' expecting %s",
                        is_extraneous(p, wanted) ? "extraneous" : "mismatched",
                        STR_ARG(p->lexer.text), wanted);
}

static void expect(struct cel_parser *p, const char *text)
{
    char wanted[8];
    if (take(p, text) || p->failed)
        return;
    snprintf(wanted, sizeof wanted, "'%s'", text);
    unexpected(p, wanted);
}

static struct str take_name(struct cel_parser *p, const char *wanted)
{
    if (p->failed || p->lexer.token != TOK_IDENT) {
        if (!p->failed)
            unexpected(p, wanted);
        return str_make(NULL, 0);
    }
    struct str name = arena_str(p->arena, p->lexer.text);
    if (!name.p)
        parser_oom(p);
    else
        advance(p);
    return name;
}

/* ---- lists of parts ---- */

struct parts {
    struct cel_expr **items;
    uint32_t count, room;
};

static void parts_add(struct cel_parser *p, struct parts *l, struct cel_expr *e)
{
    if (p->failed || !e)
        return;
    if (l->count == l->room) {
        uint32_t room = l->room ? l->room * 2 : 8;
        struct cel_expr **items = arena_alloc(p->arena, room * sizeof *items);
        if (!items) {
            parser_oom(p);
            return;
        }
        for (uint32_t i = 0; i < l->count; i++)
            items[i] = l->items[i];
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = e;
}

static void parse_arguments(struct cel_parser *p, struct parts *l)
{
    if (take(p, ")"))
        return;
    do {
        parts_add(p, l, parse_expr(p));
        if (l->count > CEL_ARGS - 1)
            cel_parser_fail(p, p->lexer.at, "too many arguments");
    } while (take(p, ","));
    expect(p, ")");
}

static struct cel_expr *parse_list(struct cel_parser *p, size_t at)
{
    struct parts parts = {0};
    while (!p->failed && !at_punct(p, "]")) {
        bool optional = take(p, "?");
        struct cel_expr *e = parse_expr(p);
        if (e)
            e->optional = optional;
        parts_add(p, &parts, e);
        if (!take(p, ","))
            break;
    }
    expect(p, "]");
    return cel_node_args(p, cel_node(p, EXPR_LIST, at), parts.items, parts.count);
}

/* Entries of a map, or fields of a struct, whose keys are names. */
static struct cel_expr *parse_entries(struct cel_parser *p, size_t at, enum cel_expr_kind kind)
{
    struct parts parts = {0};
    while (!p->failed && !at_punct(p, "}")) {
        bool optional = take(p, "?");
        struct cel_expr *key;
        if (kind == EXPR_STRUCT) {
            key = cel_node(p, EXPR_LITERAL, p->lexer.at);
            struct str name = take_name(p, "IDENTIFIER");
            if (key)
                key->literal = cel_of_str(name);
        } else {
            key = parse_expr(p);
        }
        parts_add(p, &parts, key);
        expect(p, ":");
        struct cel_expr *value = parse_expr(p);
        if (value)
            value->optional = optional;
        parts_add(p, &parts, value);
        if (!take(p, ","))
            break;
    }
    expect(p, "}");
    return cel_node_args(p, cel_node(p, kind, at), parts.items, parts.count);
}

/* ---- primaries ---- */

static bool is_reserved(struct str name)
{
    static const char *const words[] = {
        "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
        "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(name, words[i]))
            return true;
    return false;
}

/* The call as a macro's expansion, or as it is. target NULL: a global call. */
static struct cel_expr *make_call(struct cel_parser *p, size_t at, struct str name,
                                  struct cel_expr *target, struct parts *args)
{
    bool known = false;
    struct parts all = {0};
    if (p->failed)
        return NULL;
    struct cel_expr *e = cel_macro(p, at, name, target, args->items, args->count, &known);
    if (known)
        return e;
    if (target)
        parts_add(p, &all, target);
    for (uint32_t i = 0; i < args->count; i++)
        parts_add(p, &all, args->items[i]);
    e = cel_node(p, EXPR_CALL, at);
    if (e) {
        e->name = name;
        e->member = target != NULL;
    }
    return cel_node_args(p, e, all.items, all.count);
}

static struct cel_expr *parse_name(struct cel_parser *p)
{
    struct parts args = {0};
    bool absolute = take(p, ".");
    size_t at = p->lexer.at;
    struct str name = take_name(p, "IDENTIFIER");
    if (p->failed)
        return NULL;
    struct cel_expr *e = cel_node(p, EXPR_LITERAL, at);
    if (!absolute && e && (str_is(name, "true") || str_is(name, "false"))) {
        e->literal = cel_of_bool(str_is(name, "true"));
        return e;
    }
    if (!absolute && e && str_is(name, "null"))
        return e; /* all-zero is null */
    if (is_reserved(name)) {
        cel_parser_fail(p, at, "reserved identifier: " STR_FMT, STR_ARG(name));
        return NULL;
    }
    size_t open = p->lexer.at;
    if (take(p, "(")) {
        parse_arguments(p, &args);
        return make_call(p, open, name, NULL, &args);
    }
    if (e) {
        e->kind = EXPR_IDENT;
        e->name = name;
        e->absolute = absolute;
    }
    return e;
}

static struct cel_expr *parse_literal(struct cel_parser *p)
{
    struct cel_expr *e = cel_node(p, EXPR_LITERAL, p->lexer.at);
    if (!e)
        return NULL;
    e->literal = p->lexer.value;
    if (p->lexer.token == TOK_INT && e->literal.u64 > INT64_MAX) {
        cel_parser_fail(p, p->lexer.at, "invalid int literal");
        return NULL;
    }
    advance(p);
    return e;
}

static struct cel_expr *parse_primary(struct cel_parser *p)
{
    size_t at = p->lexer.at;
    struct cel_expr *e;
    if (p->failed)
        return NULL;
    switch (p->lexer.token) {
    case TOK_INT:
    case TOK_UINT:
    case TOK_DOUBLE:
    case TOK_STRING:
    case TOK_BYTES:
        return parse_literal(p);
    case TOK_IDENT:
        if (str_is(p->lexer.text, "in"))
            break;
        return parse_name(p);
    default:
        break;
    }
    if (at_punct(p, "."))
        return parse_name(p);
    if (take(p, "(")) {
        e = parse_expr(p);
        expect(p, ")");
        return p->failed ? NULL : e;
    }
    if (take(p, "["))
        return parse_list(p, at);
    if (take(p, "{"))
        return parse_entries(p, at, EXPR_MAP);
    unexpected(p, EXPRESSION);
    return NULL;
}

/* ---- selections, calls, indexes ---- */

/* a.b.c of a struct's type name, or empty. */
static bool qualified_name(struct cel_parser *p, const struct cel_expr *e, struct buf *out)
{
    if (e->kind == EXPR_IDENT) {
        if (e->absolute)
            buf_putc(out, '.');
    } else if (e->kind == EXPR_SELECT && !e->test_only && qualified_name(p, e->args[0], out)) {
        buf_putc(out, '.');
    } else {
        return false;
    }
    buf_append_str(out, e->name);
    return true;
}

static struct cel_expr *parse_select(struct cel_parser *p, struct cel_expr *operand, size_t at)
{
    struct parts args = {0};
    bool optional = take(p, "?");
    struct str name = take_name(p, "IDENTIFIER");
    size_t open = p->lexer.at;
    if (p->failed)
        return NULL;
    if (optional) {
        struct cel_expr *field = cel_node(p, EXPR_LITERAL, at);
        if (field)
            field->literal = cel_of_str(name);
        return cel_node_call(p, at, "_?._", 2, operand, field);
    }
    if (take(p, "(")) {
        parse_arguments(p, &args);
        return make_call(p, open, name, operand, &args);
    }
    struct cel_expr *e = cel_node(p, EXPR_SELECT, at);
    if (e)
        e->name = name;
    return cel_node_args(p, e, &operand, 1);
}

static struct cel_expr *parse_struct(struct cel_parser *p, struct cel_expr *type_name, size_t at)
{
    CLEANUP_BUF struct buf name;
    buf_init(&name, CEL_SOURCE_BYTES);
    if (!qualified_name(p, type_name, &name)) {
        unexpected(p, END);
        return NULL;
    }
    advance(p);
    struct cel_expr *e = parse_entries(p, at, EXPR_STRUCT);
    if (e && (name.failed || !(e->name = arena_str(p->arena, buf_str(&name))).p))
        parser_oom(p);
    return e;
}

static struct cel_expr *parse_member(struct cel_parser *p)
{
    struct cel_expr *e = parse_primary(p);
    while (e && !p->failed) {
        size_t at = p->lexer.at;
        if (take(p, ".")) {
            e = parse_select(p, e, at);
        } else if (take(p, "[")) {
            bool optional = take(p, "?");
            struct cel_expr *index = parse_expr(p);
            expect(p, "]");
            e = cel_node_call(p, at, optional ? "_[?_]" : "_[_]", 2, e, index);
        } else if (at_punct(p, "{") && (e->kind == EXPR_IDENT || e->kind == EXPR_SELECT)) {
            e = parse_struct(p, e, at);
        } else {
            break;
        }
    }
    return p->failed ? NULL : e;
}

/* ---- operators ---- */

/* A minus before a number belongs to it: only so -9223372036854775808 can be written. */
static struct cel_expr *parse_negative(struct cel_parser *p, size_t at)
{
    struct cel_expr *e;
    if (p->lexer.token != TOK_INT && p->lexer.token != TOK_DOUBLE)
        return cel_node_call(p, at, "-_", 1, parse_member(p));
    if (p->lexer.token == TOK_DOUBLE) {
        p->lexer.value.number = -p->lexer.value.number;
    } else if (p->lexer.value.u64 > (uint64_t)INT64_MAX + 1) {
        cel_parser_fail(p, at, "invalid int literal");
        return NULL;
    } else {
        p->lexer.value.u64 = -p->lexer.value.u64;
        p->lexer.token = TOK_DOUBLE; /* checked already */
    }
    e = parse_member(p);
    return e;
}

static struct cel_expr *parse_unary(struct cel_parser *p)
{
    size_t at = p->lexer.at;
    const char *sign = at_punct(p, "!") ? "!" : at_punct(p, "-") ? "-" : NULL;
    unsigned count = 0;
    if (!sign)
        return parse_member(p);
    while (take(p, sign))
        count++;
    if (*sign == '!') {
        struct cel_expr *e = parse_member(p);
        return count % 2 ? cel_node_call(p, at, "!_", 1, e) : e;
    }
    return count % 2 ? parse_negative(p, at) : parse_member(p);
}

struct binary {
    const char *token, *function;
    int level;
};

static const struct binary binaries[] = {
    {"||", "_||_", 1}, {"&&", "_&&_", 2}, {"<", "_<_", 3},   {"<=", "_<=_", 3}, {">", "_>_", 3},
    {">=", "_>=_", 3}, {"==", "_==_", 3}, {"!=", "_!=_", 3}, {"in", "@in", 3},  {"+", "_+_", 4},
    {"-", "_-_", 4},   {"*", "_*_", 5},   {"/", "_/_", 5},   {"%", "_%_", 5},
};
enum { LEVEL_OR = 1, LEVEL_AND = 2, LEVEL_UNARY = 6 };

static const struct binary *binary_at(const struct cel_parser *p)
{
    if (p->failed || (p->lexer.token != TOK_PUNCT && p->lexer.token != TOK_IDENT))
        return NULL;
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (str_is(p->lexer.text, binaries[i].token))
            return &binaries[i];
    return NULL;
}

static struct cel_expr *balance(struct cel_parser *p, const char *function, struct cel_expr **terms,
                                const uint32_t *places, uint32_t count)
{
    if (count == 1)
        return terms[0];
    uint32_t half = (count + 1) / 2;
    struct cel_expr *left = balance(p, function, terms, places, half);
    struct cel_expr *right = balance(p, function, terms + half, places + half, count - half);
    return cel_node_call(p, places[half], function, 2, left, right);
}

static struct cel_expr *parse_level(struct cel_parser *p, int level);

/* Terms joined by && or ||. places[i]: of the operator before terms[i]. */
static struct cel_expr *parse_logical(struct cel_parser *p, int level)
{
    struct parts terms = {0};
    const struct binary *b;
    uint32_t room = 8, count = 0;
    uint32_t *places = NULL;
    struct cel_expr *first = parse_level(p, level + 1);
    if (!(b = binary_at(p)) || b->level != level)
        return first;
    places = arena_alloc(p->arena, room * sizeof *places);
    parts_add(p, &terms, first);
    for (count = 1; (b = binary_at(p)) && b->level == level && places; count++) {
        if (count == room) {
            uint32_t *more = arena_alloc(p->arena, 2 * room * sizeof *places);
            if (more)
                memcpy(more, places, room * sizeof *places);
            places = more;
            room *= 2;
        }
        if (places)
            places[count] = (uint32_t)p->lexer.at;
        advance(p);
        parts_add(p, &terms, parse_level(p, level + 1));
    }
    if (!places)
        parser_oom(p);
    if (p->failed)
        return NULL;
    return balance(p, level == LEVEL_OR ? "_||_" : "_&&_", terms.items, places, terms.count);
}

static struct cel_expr *parse_level(struct cel_parser *p, int level)
{
    const struct binary *b;
    if (level == LEVEL_UNARY)
        return parse_unary(p);
    if (level <= LEVEL_AND)
        return parse_logical(p, level);
    struct cel_expr *left = parse_level(p, level + 1);
    while (left && (b = binary_at(p)) && b->level == level) {
        size_t at = p->lexer.at;
        advance(p);
        left = cel_node_call(p, at, b->function, 2, left, parse_level(p, level + 1));
    }
    return p->failed ? NULL : left;
}

static struct cel_expr *parse_expr(struct cel_parser *p)
{
    if (p->failed)
        return NULL;
    if (++p->depth > CEL_DEPTH) {
        cel_parser_fail(p, SIZE_MAX, "expression recursion limit exceeded: %d", CEL_DEPTH);
        return NULL;
    }
    struct cel_expr *e = parse_level(p, LEVEL_OR);
    size_t at = p->lexer.at;
    if (e && take(p, "?")) {
        struct cel_expr *yes = parse_level(p, LEVEL_OR);
        expect(p, ":");
        e = cel_node_call(p, at, "_?_:_", 3, e, yes, parse_expr(p));
    }
    p->depth--;
    return p->failed ? NULL : e;
}

int cel_parse(struct arena *a, struct cel_report *report, struct str source,
              struct cel_expr **ret_expr, uint32_t *ret_nodes)
{
    struct cel_parser p = {.arena = a, .report = report};
    p.lexer = (struct cel_lexer){.report = report, .arena = a, .source = source};
    advance(&p);
    struct cel_expr *e = parse_expr(&p);
    if (!p.failed && p.lexer.token != TOK_END)
        unexpected(&p, END);
    if (report->oom)
        return -E_NOMEM;
    if (p.failed || !e)
        return -E_INVALID;
    *ret_expr = e;
    *ret_nodes = p.nodes;
    return 0;
}
