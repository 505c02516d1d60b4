/* Label and field selectors of a request, matched against companions without parsing objects. */
#include "api/api_int.h"

enum { FIELD_NAME = -1, FIELD_NAMESPACE = -2 };

static int find_field(const struct selection *s, struct str field, int *ret)
{
    if (str_is(field, "metadata.name"))
        *ret = FIELD_NAME;
    else if (str_is(field, "metadata.namespace"))
        *ret = FIELD_NAMESPACE;
    else {
        int i = 0;
        while (s->kind->fields && s->kind->fields[i].selector &&
               !str_is(field, s->kind->fields[i].selector))
            i++;
        if (!s->kind->fields || !s->kind->fields[i].selector)
            return -E_BAD_REQUEST;
        *ret = i;
    }
    return 0;
}

int selection_parse(struct api_request *r, struct selection *ret)
{
    struct err err = {0};
    struct selection *s = ret;
    memset(s, 0, sizeof *s);
    s->kind = r->kind;
    s->namespaced = schema_resource_namespaced(r->resource);
    if (selector_parse(&r->arena, url_param(&r->url, "labelSelector"), &s->labels, &err) < 0)
        return fail_bad_request(r, "%s", err.text);
    if (selector_fields_parse(&r->arena, url_param(&r->url, "fieldSelector"), &s->fields, &err) < 0)
        return fail_bad_request(r, "%s", err.text);
    if (s->fields.count > 8)
        return fail_bad_request(r, "a field selector may have at most 8 terms");
    for (uint32_t i = 0; i < s->fields.count; i++) {
        const struct selector_field *f = &s->fields.terms[i];
        struct str name = convert_field(&r->arena, r->resource, f->field);
        if (find_field(s, name, &s->field_at[i]) < 0)
            return fail_bad_request(r, "field label not supported: " STR_FMT, STR_ARG(f->field));
        if (s->field_at[i] == FIELD_NAME && f->equal)
            s->key_name = f->value;
    }
    /* The name in the path of a watch is a selector. */
    if (r->url.name.n)
        s->key_name = r->url.name;
    return 0;
}

bool selection_any(const struct selection *s)
{
    return s->labels.nothing || s->labels.term_count || s->fields.count || s->key_name.n;
}

static bool label_get(const void *ctx, struct str key, struct str *ret_value)
{
    const struct companion *c = ctx;
    for (uint32_t i = 0; i < c->label_count; i++)
        if (str_eq(c->pairs[2 * i], key)) {
            *ret_value = c->pairs[2 * i + 1];
            return true;
        }
    return false;
}

int selection_matches(const struct selection *s, struct store_value *v)
{
    struct str ns, name;
    if (!selection_any(s))
        return 1;
    object_key_split(store_value_key(v), s->namespaced, &ns, &name);
    if (s->key_name.n && !str_eq(s->key_name, name))
        return 0;
    const struct companion *c = companion_of(s->kind, v);
    if (!c)
        return -E_NOMEM;
    for (uint32_t i = 0; i < s->fields.count; i++) {
        int at = s->field_at[i];
        struct str value = at == FIELD_NAME        ? name
                           : at == FIELD_NAMESPACE ? ns
                                                   : c->pairs[2 * c->label_count + (uint32_t)at];
        if (str_eq(value, s->fields.terms[i].value) != s->fields.terms[i].equal)
            return 0;
    }
    return selector_matches_by(&s->labels, label_get, c);
}
