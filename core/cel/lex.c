/* Text to tokens (cel-spec, langdef.md, "Syntax"). What is malformed is reported here. */
#include <errno.h>
#include <stdlib.h>

#include "cel/cel_int.h"
#include "codec/utf8.h"

static int peek(const struct cel_lexer *l, size_t ahead)
{
    return l->next + ahead < l->source.n ? (unsigned char)l->source.p[l->next + ahead] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void bad(struct cel_lexer *l, size_t at, const char *what, struct str text)
{
    cel_report_add(l->report, at, "Syntax error: %s '" STR_FMT "'", what, STR_ARG(text));
    l->token = TOK_BAD;
}

static void skip_blanks(struct cel_lexer *l)
{
    for (;;) {
        int c = peek(l, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            l->next++;
        } else if (c == '/' && peek(l, 1) == '/') {
            while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
                l->next++;
        } else {
            return;
        }
    }
}

static struct str token_text(const struct cel_lexer *l)
{
    return str_make(l->source.p + l->at, l->next - l->at);
}

/* Digits of an integer without its suffix; false when they do not fit 64 bits. */
static bool read_integer(struct str digits, uint64_t *ret)
{
    uint64_t v = 0;
    bool hex = digits.n > 2 && (digits.p[1] == 'x' || digits.p[1] == 'X');
    for (size_t i = hex ? 2 : 0; i < digits.n; i++)
        if (__builtin_mul_overflow(v, hex ? 16u : 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)hex_value(digits.p[i]), &v))
            return false;
    *ret = v;
    return true;
}

static void lex_integer(struct cel_lexer *l)
{
    uint64_t v;
    struct str digits = token_text(l);
    bool is_unsigned = peek(l, 0) == 'u' || peek(l, 0) == 'U';
    l->next += is_unsigned;
    if (!read_integer(digits, &v)) {
        cel_report_add(l->report, l->at, "invalid %s literal", is_unsigned ? "uint" : "int");
        l->token = TOK_BAD;
        return;
    }
    /* A literal of 2^63 is only right behind a minus: the parser looks at u64. */
    l->token = is_unsigned ? TOK_UINT : TOK_INT;
    l->value = (struct cel_value){.kind = is_unsigned ? CEL_UINT : CEL_INT, .u64 = v};
}

static void lex_double(struct cel_lexer *l)
{
    char text[512];
    struct str digits = token_text(l);
    if (!str_copy(text, sizeof text, digits)) {
        cel_report_add(l->report, l->at, "invalid double literal");
        l->token = TOK_BAD;
        return;
    }
    l->token = TOK_DOUBLE;
    l->value = (struct cel_value){.kind = CEL_DOUBLE, .number = strtod(text, NULL)};
    if (__builtin_isinf(l->value.number)) {
        cel_report_add(l->report, l->at, "invalid double literal");
        l->token = TOK_BAD;
    }
}

static void lex_number(struct cel_lexer *l)
{
    bool is_double = false;
    if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X') &&
        hex_value(peek(l, 2)) >= 0) {
        l->next += 2;
        while (hex_value(peek(l, 0)) >= 0)
            l->next++;
        lex_integer(l);
        return;
    }
    while (is_digit(peek(l, 0)))
        l->next++;
    if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
        is_double = true;
        l->next++;
        while (is_digit(peek(l, 0)))
            l->next++;
    }
    if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
        size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
        if (is_digit(peek(l, 1 + sign))) {
            is_double = true;
            l->next += 1 + sign;
            while (is_digit(peek(l, 0)))
                l->next++;
        }
    }
    if (is_double)
        lex_double(l);
    else
        lex_integer(l);
}

/* Reads exactly `digits` digits of a base; -1 when they are not there. */
static int64_t escape_digits(struct cel_lexer *l, unsigned digits, int base)
{
    int64_t v = 0;
    for (unsigned i = 0; i < digits; i++) {
        int d = hex_value(peek(l, 0));
        if (d < 0 || d >= base)
            return -1;
        v = v * base + d;
        l->next++;
    }
    return v;
}

/* Behind a backslash: writes what it stands for. False when it stands for nothing. */
static bool lex_escape(struct cel_lexer *l, bool is_bytes, char *out, size_t *n)
{
    static const char from[] = "abfnrtv\\'\"`?", to[] = "\a\b\f\n\r\t\v\\'\"`?";
    int c = peek(l, 0);
    const char *simple = c > 0 ? strchr(from, c) : NULL;
    int64_t point;
    l->next++;
    if (simple) {
        out[(*n)++] = to[simple - from];
        return true;
    }
    if (c == 'x' || c == 'X') {
        point = escape_digits(l, 2, 16);
    } else if (c >= '0' && c <= '3') {
        l->next--;
        point = escape_digits(l, 3, 8);
    } else if ((c == 'u' || c == 'U') && !is_bytes) {
        point = escape_digits(l, c == 'u' ? 4 : 8, 16);
    } else {
        return false;
    }
    if (point < 0 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return false;
    if (is_bytes)
        out[(*n)++] = (char)point;
    else
        *n += utf8_encode(out + *n, (uint32_t)point);
    return true;
}

static bool at_quotes(const struct cel_lexer *l, int quote, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (peek(l, i) != quote)
            return false;
    return true;
}

/* An escape is never shorter than what it stands for, so the source's length is room enough. */
static void lex_text(struct cel_lexer *l, bool raw, bool is_bytes)
{
    int quote = peek(l, 0);
    size_t quotes = at_quotes(l, quote, 3) ? 3 : 1, n = 0;
    size_t start = l->next += quotes, end = start;
    while (end < l->source.n && (l->source.p[end] != (char)quote ||
                                 (quotes == 3 && !(l->next = end, at_quotes(l, quote, 3)))))
        end += l->source.p[end] == '\\' && !raw && end + 1 < l->source.n ? 2 : 1;
    l->next = start;
    char *out = arena_alloc(l->arena, end - start + 5);
    if (!out) {
        l->report->oom = true;
        l->token = TOK_BAD;
        return;
    }
    while (!at_quotes(l, quote, quotes)) {
        int c = peek(l, 0);
        if (c < 0 || (quotes == 1 && (c == '\n' || c == '\r'))) {
            l->next = l->at + 1;
            bad(l, l->at, "token recognition error at:", token_text(l));
            return;
        }
        l->next++;
        size_t at = l->next - 1;
        if (c != '\\' || raw) {
            out[n++] = (char)c;
        } else if (!lex_escape(l, is_bytes, out, &n)) {
            bad(l, l->at, "token recognition error at:",
                str_make(l->source.p + at, l->next - at > 2 ? 2 : l->next - at));
            return;
        }
    }
    l->next += quotes;
    out[n] = 0;
    l->token = is_bytes ? TOK_BYTES : TOK_STRING;
    l->value =
        (struct cel_value){.kind = is_bytes ? CEL_BYTES : CEL_STRING, .string = str_make(out, n)};
}

/* r'', b'', rb'' and br'' are texts, not identifiers. Returns whether there was one. */
static bool lex_prefixed_text(struct cel_lexer *l)
{
    bool raw = false, is_bytes = false;
    size_t n = 0;
    for (; n < 2; n++) {
        int c = peek(l, n) | 0x20;
        if (c == 'r' && !raw)
            raw = true;
        else if (c == 'b' && !is_bytes)
            is_bytes = true;
        else
            break;
    }
    if (peek(l, n) != '"' && peek(l, n) != '\'')
        return false;
    l->next += n;
    lex_text(l, raw, is_bytes);
    return true;
}

static void lex_punct(struct cel_lexer *l)
{
    static const char *const pairs[] = {"&&", "||", "==", "!=", "<=", ">="};
    struct str rest = str_make(l->source.p + l->next, l->source.n - l->next);
    size_t n = 1;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (str_starts(rest, str_of(pairs[i])))
            n = 2;
    if (n == 1 && !strchr("+-*/%!<>()[]{},.?:", *rest.p)) {
        size_t length = utf8_length(rest.p, rest.n);
        l->next += length ? length : 1;
        bad(l, l->at, "token recognition error at:", token_text(l));
        return;
    }
    l->next += n;
    l->token = TOK_PUNCT;
}

void cel_lex(struct cel_lexer *l)
{
    skip_blanks(l);
    l->at = l->next;
    l->token = TOK_END;
    int c = peek(l, 0);
    if (c < 0) {
        l->text = str_make(l->source.p + l->at, 0);
        return;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        lex_number(l);
    } else if (c == '"' || c == '\'') {
        lex_text(l, false, false);
    } else if (is_letter(c)) {
        if (!lex_prefixed_text(l)) {
            while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
                l->next++;
            l->token = TOK_IDENT;
        }
    } else if (c == 0) {
        l->next++;
        bad(l, l->at, "token recognition error at:", STR("\\0"));
    } else {
        lex_punct(l);
    }
    l->text = token_text(l);
}
