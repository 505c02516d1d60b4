/* StorageClasses, as upstream's pkg/apis/storage. */
#include <stdlib.h>

#include "api/kinds/kinds.h"
#include "api/kinds/unique.h"
#include "codec/names.h"

enum { PARAMETERS_MOST = 512, PARAMETERS_BYTES = 256 * 1024 };

static void set_defaults(struct write *w)
{
    set_missing(w->a, w->object, "reclaimPolicy", "Delete");
    set_missing(w->a, w->object, "volumeBindingMode", "Immediate");
}

void parameters_validate(struct field_errors *e, const struct field *f, const struct json *parameters)
{
    size_t bytes = 0;
    if (json_count(parameters) > PARAMETERS_MOST) {
        field_too_long(e, f, PARAMETERS_MOST);
        return;
    }
    for (const struct json *m = json_first(parameters); m; m = m->next) {
        if (!m->key.n)
            field_invalid_str(e, f, m->key, "field can not be empty.");
        bytes += m->key.n + json_str(m).n;
    }
    if (bytes > PARAMETERS_BYTES)
        field_too_long(e, f, PARAMETERS_BYTES);
}

void field_check_provisioner(struct field_errors *e, const struct field *f, struct str name)
{
    if (!name.n) {
        field_required(e, f, NULL);
        return;
    }
    char *lower = arena_strndup(e->arena, name.p, name.n);
    for (char *c = lower; c && *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    if (lower)
        field_check_name(e, f, str_make(lower, name.n), names_qualified);
}

static void check_expression(struct field_errors *e, const struct field *f, const struct json *x)
{
    const struct json *values = json_get(x, "values");
    const struct field *at = FIELD(f, "values");
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    if (!json_count(values))
        field_required(e, at, NULL);
    for (const struct json *m = json_first(values); m; m = m->next, i++)
        if (!unique_add(&seen, json_str(m)))
            field_duplicate(e, FIELD_AT(at, i), json_str(m));
    field_check_name(e, FIELD(f, "key"), json_path_str(x, "key"), names_qualified);
}

static void check_term(struct write *w, const struct field *f, const struct json *term)
{
    const struct field *at = FIELD(f, "matchLabelExpressions");
    const struct json *list = json_get(term, "matchLabelExpressions");
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    for (const struct json *x = json_first(list); x; x = x->next, i++) {
        struct str key = json_path_str(x, "key");
        const struct field *key_at = FIELD(FIELD_AT(at, i), "key");
        check_expression(&w->errors, FIELD_AT(at, i), x);
        if (!unique_add(&seen, key))
            field_duplicate(&w->errors, key_at, key);
        if (node_label_deprecated(key))
            request_warn(w->r, "%s: %s", field_text(w->a, key_at), node_label_deprecated(key));
    }
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* What a term allows, spelled so that terms that allow the same are the same. */
static struct str canonical(struct arena *a, const struct json *term)
{
    const struct json *list = json_get(term, "matchLabelExpressions"), *x, *v;
    struct buf text CLEANUP_BUF;
    size_t n = 0, most = 0;
    buf_init(&text, LIMIT_OBJECT_BYTES);
    for (x = json_first(list); x; x = x->next)
        most += 1 + json_count(json_get(x, "values"));
    struct str *pairs = arena_alloc(a, most * sizeof *pairs + 1);
    for (x = json_first(list); x && pairs; x = x->next) {
        pairs[n++] = json_path_str(x, "key");
        for (v = json_first(json_get(x, "values")); v; v = v->next) {
            const char *pair = arena_printf(a, "%s=%s", json_path_cstr(x, "key"), json_cstr(v));
            pairs[n++] = str_of(pair ? pair : "");
        }
    }
    if (pairs)
        qsort(pairs, n, sizeof *pairs, by_text);
    for (size_t i = 0; pairs && i < n; i++) {
        buf_append_str(&text, pairs[i]);
        buf_putc(&text, '\n');
    }
    return arena_str(a, buf_str(&text));
}

static void check_topologies(struct write *w)
{
    const struct field *f = FIELD(NULL, "allowedTopologies");
    const struct json *list = json_get(w->object, "allowedTopologies");
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    for (const struct json *t = json_first(list); t; t = t->next, i++) {
        check_term(w, FIELD_AT(f, i), t);
        if (!unique_add(&seen, canonical(w->a, t)))
            field_duplicate(&w->errors, FIELD(FIELD_AT(f, i), "matchLabelExpressions"), STR(""));
    }
}

static void validate(struct write *w)
{
    static const char *const policies[] = {"Delete", "Retain", NULL};
    static const char *const modes[] = {"Immediate", "WaitForFirstConsumer", NULL};
    struct field_errors *e = &w->errors;
    const struct json *policy = json_get(w->object, "reclaimPolicy");
    field_check_provisioner(e, FIELD(NULL, "provisioner"), json_path_str(w->object, "provisioner"));
    parameters_validate(e, FIELD(NULL, "parameters"), json_get(w->object, "parameters"));
    if (json_str(policy).n)
        field_check_enum(e, FIELD(NULL, "reclaimPolicy"), policy, policies);
    struct str mode = json_path_str(w->object, "volumeBindingMode");
    if (!str_is(mode, modes[0]) && !str_is(mode, modes[1]))
        field_unsupported(e, FIELD(NULL, "volumeBindingMode"), mode, modes);
    check_topologies(w);
}

static bool changed(const struct write *w, const char *name)
{
    const struct json *now = json_get(w->object, name), *before = json_get(w->old, name);
    return !json_equal(now, before) && (json_count(now) || json_count(before) || json_str(now).n ||
                                        json_str(before).n);
}

static void validate_update(struct write *w)
{
    if (changed(w, "parameters"))
        field_forbidden(&w->errors, FIELD(NULL, "parameters"),
                        "updates to parameters are forbidden.");
    if (changed(w, "provisioner"))
        field_forbidden(&w->errors, FIELD(NULL, "provisioner"),
                        "updates to provisioner are forbidden.");
    if (changed(w, "reclaimPolicy"))
        field_forbidden(&w->errors, FIELD(NULL, "reclaimPolicy"),
                        "updates to reclaimPolicy are forbidden.");
    field_check_immutable(&w->errors, FIELD(NULL, "volumeBindingMode"),
                          json_get(w->object, "volumeBindingMode"),
                          json_get(w->old, "volumeBindingMode"));
}

const struct kind kind_storage_class = {
    .group = "storage.k8s.io",
    .resource = "storageclasses",
    .flags = KIND_RETURN_DELETED,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
