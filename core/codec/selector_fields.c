/* Field selectors (apimachinery/pkg/fields): terms joined by commas; \\ \, and \= escape. */
#include <stdio.h>

#include "codec/selector.h"

enum { FIELDS_MOST = 64 };

/* Length of the first term: up to an unescaped comma. */
static size_t term_length(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != ',')
        n += s.p[n] == '\\' && n + 1 < s.n ? 2 : 1;
    return n;
}

static int unescape(struct arena *a, struct str s, struct str *ret, struct err *err)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!out)
        return -E_NOMEM;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\') {
            if (++i == s.n || (s.p[i] != '\\' && s.p[i] != ',' && s.p[i] != '='))
                return err_set(err, E_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence in \"%.*s\"",
                               (int)(s.n < 100 ? s.n : 100), s.p);
            c = s.p[i];
        } else if (c == '=' || c == ',') {
            return err_set(err, E_BAD_REQUEST,
                           "invalid field selector: unescaped '%c' in value \"%.*s\"", c,
                           (int)(s.n < 100 ? s.n : 100), s.p);
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *ret = str_make(out, n);
    return 0;
}

static int parse_term(struct arena *a, struct str term, struct selector_field *ret, struct err *err)
{
    size_t at = 0, width;
    while (at < term.n && term.p[at] != '=' &&
           !(term.p[at] == '!' && at + 1 < term.n && term.p[at + 1] == '='))
        at += term.p[at] == '\\' && at + 1 < term.n ? 2 : 1;
    if (at >= term.n)
        return err_set(err, E_BAD_REQUEST, "invalid selector: '%.*s'; can't understand '%.*s'",
                       (int)(term.n < 100 ? term.n : 100), term.p,
                       (int)(term.n < 100 ? term.n : 100), term.p);
    ret->equal = term.p[at] == '=';
    width = !ret->equal || (at + 1 < term.n && term.p[at + 1] == '=') ? 2 : 1;
    ret->field = arena_str(a, str_trim(str_make(term.p, at)));
    if (!ret->field.p)
        return -E_NOMEM;
    return unescape(a, str_make(term.p + at + width, term.n - at - width), &ret->value, err);
}

int selector_fields_parse(struct arena *a, struct str text, struct selector_fields *ret,
                          struct err *err)
{
    struct selector_field terms[FIELDS_MOST];
    uint32_t count = 0;
    while (text.n > 0) {
        size_t n = term_length(text);
        if (n > text.n)
            n = text.n;
        if (count == FIELDS_MOST)
            return err_set(err, E_LIMIT, "more than %d terms in a field selector", FIELDS_MOST);
        if (n > 0) {
            int rc = parse_term(a, str_make(text.p, n), &terms[count++], err);
            if (rc)
                return rc;
        }
        n += n < text.n;
        text = str_make(text.p + n, text.n - n);
    }
    struct selector_field *copy = arena_alloc(a, count * sizeof(*copy) + 1);
    if (!copy)
        return -E_NOMEM;
    if (count)
        memcpy(copy, terms, count * sizeof(*copy));
    *ret = (struct selector_fields){count, copy};
    return 0;
}

static bool value_is(const struct json *j, struct str value)
{
    char text[32];
    if (json_absent(j))
        return value.n == 0;
    if (j->type == JSON_STRING)
        return str_eq(j->string, value);
    if (j->type == JSON_BOOL)
        return str_is(value, j->boolean ? "true" : "false");
    if (j->type != JSON_INT)
        return false;
    snprintf(text, sizeof(text), "%lld", (long long)j->i64);
    return str_is(value, text);
}

bool selector_fields_match(const struct selector_fields *f, const struct json *object)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct selector_field *t = &f->terms[i];
        if (value_is(json_path(object, t->field.p), t->value) != t->equal)
            return false;
    }
    return true;
}
