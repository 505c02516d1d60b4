/* The behaviour of custom objects: what a kind of the tables has in a file of its own. */
#include "api/crd/crd.h"
#include "api/crd/node.h"
#include "api/crd/rules.h"

#include "codec/names.h"

static const struct crd_version *version_of(const struct write *w)
{
    return crd_of(w->resource);
}

static int check_metadata(struct arena *a, struct json *object, enum schema_validation mode,
                          struct schema_problems *problems, struct err *err)
{
    const struct schema_type *type =
        schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    struct json *meta = json_get(object, "metadata");
    if (json_absent(meta)) {
        json_remove(object, "metadata");
        return 0;
    }
    struct schema_problems own = {NULL, NULL, 0};
    int rc = schema_check(a, type, meta, mode == SCHEMA_STRICT ? SCHEMA_WARN : mode, &own, err);
    for (const struct schema_problem *p = own.first; p && problems; p = p->next) {
        struct str text = str_of(p->text), field = STR("unknown field \"");
        bool unknown = str_starts(text, field);
        struct str rest = unknown ? str_make(text.p + field.n, text.n - field.n) : text;
        schema_problem_add(a, problems, "%s" STR_FMT, unknown ? "unknown field \"metadata." : "",
                           STR_ARG(rest));
    }
    return rc;
}

int crd_check(struct arena *a, const struct schema_resource *res, struct json *object,
              enum schema_validation mode, struct schema_problems *problems, struct err *err)
{
    const struct crd_version *v = crd_of(res);
    if (!v)
        return 0;
    int rc = check_metadata(a, object, mode, problems, err);
    if (rc < 0)
        return rc;
    if (v->root && !v->crd->preserves_unknown)
        crd_prune(a, v->root, object, problems);
    if (mode == SCHEMA_STRICT && problems && problems->count) {
        const char *text = schema_problems_text(a, problems);
        return err_set(err, E_BAD_REQUEST, "%s", text ? text : "");
    }
    return a->failed ? -E_NOMEM : 0;
}

int crd_from_stored(struct arena *a, const struct schema_resource *res, struct json *object)
{
    const struct crd_version *v = crd_of(res);
    if (v->root && !v->crd->preserves_unknown)
        crd_prune(a, v->root, object, NULL);
    if (v->root)
        crd_default(a, v->root, object);
    return a->failed ? -E_NOMEM : 0;
}

struct apply_node crd_apply_node(const struct schema_resource *res)
{
    const struct crd_version *v = crd_of(res);
    return v ? apply_node_of_custom(v->schema) : apply_node_of_type(schema_resource_type(res));
}

/* ---- the kind ---- */

static void set_defaults(struct write *w)
{
    const struct crd_version *v = version_of(w);
    if (v->root)
        crd_default(w->a, v->root, w->object);
}

static void prepare_create(struct write *w)
{
    if (version_of(w)->status)
        json_remove(w->object, "status");
}

/* All but metadata, and status where that is a subresource. */
static bool same_content(const struct write *w)
{
    static const char *const apart[] = {"metadata", "status"};
    struct json *now = json_clone(w->a, w->object), *before = json_clone(w->a, w->old);
    for (size_t i = 0; i < (version_of(w)->status ? 2 : 1); i++) {
        json_remove(now, apart[i]);
        json_remove(before, apart[i]);
    }
    return json_equal(now, before);
}

static void prepare_update(struct write *w)
{
    if (!cstr_eq(w->subresource, "status") && !same_content(w))
        json_set_i64(w->a, json_get(w->object, "metadata"), "generation",
                     json_path_i64(w->old, "metadata.generation", 0) + 1);
}

/* ---- lists that are sets or maps by keys ---- */

static void check_set(struct field_errors *e, const struct field *path, const struct json *list)
{
    int64_t i = 0;
    for (const struct json *m = json_first(list); m; m = m->next, i++)
        for (const struct json *k = json_first(list); k != m; k = k->next)
            if (json_equal(m, k)) {
                field_duplicate_json(e, FIELD_AT(path, i), m);
                break;
            }
}

/* The members that identify an element, defaults included. */
static struct json *identity(struct arena *a, const struct crd_node *items, const struct json *keys,
                             const struct json *element)
{
    struct json *id = json_new(a, JSON_OBJECT);
    for (const struct json *k = json_first(keys); k; k = k->next) {
        const struct json *value = json_get_str(element, json_str(k));
        const struct crd_node *node = items ? crd_node_property(items, json_str(k)) : NULL;
        if (!value && node)
            value = node->preset;
        if (value)
            json_set_key(a, id, json_str(k), json_clone(a, value));
    }
    return id;
}

static void check_keyed(struct field_errors *e, const struct crd_node *n, const struct field *path,
                        const struct json *list)
{
    const struct json *keys = json_get(n->schema, "x-kubernetes-list-map-keys");
    struct json *seen = json_new(e->arena, JSON_ARRAY);
    int64_t i = 0;
    for (const struct json *m = json_first(list); m; m = m->next, i++) {
        struct json *id = identity(e->arena, n->items, keys, m);
        for (const struct json *k = json_first(seen); k; k = k->next)
            if (json_equal(id, k)) {
                field_duplicate_json(e, FIELD_AT(path, i), id);
                break;
            }
        json_append(e->arena, seen, id);
    }
}

static void check_lists(struct field_errors *e, const struct crd_node *n, const struct field *path,
                        const struct json *value)
{
    int64_t i = 0;
    if (json_is(value, JSON_OBJECT)) {
        for (const struct json *m = json_first(value); m; m = m->next) {
            const struct crd_node *child = crd_node_property(n, m->key);
            if (child)
                check_lists(e, child, FIELD(path, m->key.p), m);
            else if (n->additional)
                check_lists(e, n->additional, FIELD_KEY(path, m->key), m);
        }
        return;
    }
    if (!json_is(value, JSON_ARRAY))
        return;
    struct str type = json_path_str(n->schema, "x-kubernetes-list-type");
    if (str_is(type, "set"))
        check_set(e, path, value);
    else if (str_is(type, "map"))
        check_keyed(e, n, path, value);
    for (const struct json *m = json_first(value); m && n->items; m = m->next, i++)
        check_lists(e, n->items, FIELD_AT(path, i), m);
}

/* Rules may count on types, required fields and bounds. */
static bool blocks_rules(const struct field_errors *e)
{
    static const char *const reasons[] = {"FieldValueNotSupported", "FieldValueRequired",
                                          "FieldValueTooLong", "FieldValueTooMany",
                                          "FieldValueTypeInvalid"};
    for (const struct field_error *f = e->first; f; f = f->next)
        for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
            if (cstr_eq(f->reason, reasons[i]))
                return true;
    return false;
}

static void validate(struct write *w)
{
    const struct crd_version *v = version_of(w);
    if (!v->root)
        return;
    crd_validate(&w->errors, v->root, NULL, w->object, w->old);
    check_lists(&w->errors, v->root, NULL, w->object);
    if (!v->root->has_rules)
        return;
    if (blocks_rules(&w->errors))
        field_invalid_str(&w->errors, FIELD(NULL, "<nil>"), STR("null"),
                          "some validation rules were not checked because the object was invalid; "
                          "correct the existing errors to complete validation");
    else
        crd_rules_run(&w->errors, v->root, w->object, w->old);
}

/* Of updates through the subresource too, which validate does not see. */
static void validate_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        validate(w);
}

static int commit(struct write *w)
{
    if (!w->is_create || !version_of(w)->crd->terminating)
        return 0;
    return fail_status(w->r, 405, "MethodNotAllowed", NULL,
                       "create not allowed while custom resource definition is terminating");
}

static void select_fields(struct crd_version *v, struct arena *a, const struct json *fields)
{
    uint32_t n = 0, count = json_count(fields);
    struct kind_field *out = arena_zalloc(a, (count + 1) * sizeof *out);
    if (!out)
        return;
    for (const struct json *f = json_first(fields); f; f = f->next) {
        const char *path = json_path_cstr(f, "jsonPath");
        path += path[0] == '.';
        out[n++] = (struct kind_field){SELECTABLE(path)};
    }
    v->kind.fields = out;
}

void crd_kind_init(struct crd_version *v, struct arena *a)
{
    v->kind = (struct kind){
        .group = v->names.group,
        .resource = v->names.plural,
        .flags = KIND_GENERATION | (v->status ? KIND_STATUS | KIND_STATUS_ONLY : 0),
        .set_defaults = set_defaults,
        .prepare_create = prepare_create,
        .prepare_update = prepare_update,
        .validate = validate,
        .validate_update = validate_update,
        .commit = commit,
        .form = (uint64_t)v->crd->revision * CRD_VERSIONS + v->crd->version_count,
    };
    select_fields(v, a, v->selectable);
}
