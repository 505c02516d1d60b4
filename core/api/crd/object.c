/* The behaviour of custom objects: what a kind of the tables has in a file of its own. */
#include "api/crd/crd.h"
#include "api/crd/node.h"

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
    return schema_check(a, type, meta, mode, problems, err);
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
        out[n++] = (struct kind_field){path, path};
    }
    v->kind.fields = out;
}

void crd_kind_init(struct crd_version *v, struct arena *a)
{
    v->kind = (struct kind){
        .group = v->names.group,
        .resource = v->names.plural,
        .flags = KIND_GENERATION | (v->status ? KIND_STATUS : 0),
        .set_defaults = set_defaults,
        .prepare_create = prepare_create,
        .prepare_update = prepare_update,
        .commit = commit,
        .form = (uint64_t)v->crd->revision * CRD_VERSIONS + v->crd->version_count,
    };
    select_fields(v, a, v->selectable);
}
