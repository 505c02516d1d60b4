/* PATCH: JSON patch, merge patch and strategic merge patch over the current object, and what an
 * apply patch holds (manager.c applies it). */
#include "codec/patch.h"
#include "api/write.h"

enum patch_kind { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY };

static struct str media_type(const struct api_request *r)
{
    struct str rest = r->content_type, type;
    return str_split(&rest, ';', &type) ? str_trim(type) : STR("");
}

static int find_kind(struct api_request *r, enum patch_kind *ret)
{
    struct str type = media_type(r);
    if (str_is(type, "application/json-patch+json"))
        *ret = PATCH_JSON;
    else if (str_is(type, "application/merge-patch+json"))
        *ret = PATCH_MERGE;
    else if (str_is(type, "application/strategic-merge-patch+json"))
        *ret = PATCH_STRATEGIC;
    else if (str_is(type, "application/apply-patch+yaml"))
        *ret = PATCH_APPLY;
    else
        return fail_status(
            r, 415, "UnsupportedMediaType", NULL,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/strategic-merge-patch+json, application/apply-patch+yaml");
    return 0;
}

bool patch_is_apply(const struct api_request *r)
{
    return str_is(media_type(r), "application/apply-patch+yaml");
}

/* ---- apply ---- */

int patch_read_config(struct api_request *r, struct arena *a, const struct schema_resource *res,
                      struct json **ret)
{
    struct schema_problems problems = {NULL, NULL, 0};
    enum schema_validation mode = body_validation(r);
    struct json *config;
    int rc = body_parse(r, a, r->body, &problems, &config);
    if (rc != 0)
        return rc;
    if (!json_is(config, JSON_OBJECT))
        return fail_bad_request(r, "error decoding YAML: the configuration must be an object");
    const char *kind = schema_resource_kind(res), *group = schema_resource_kind_group(res),
               *version = schema_resource_kind_version(res);
    struct str has_kind = json_str(json_get(config, "kind")),
               has_version = json_str(json_get(config, "apiVersion"));
    const char *wants = group[0] ? arena_printf(a, "%s/%s", group, version) : version;
    if (!wants)
        return fail_memory(r);
    if (!str_is(has_kind, kind) || !str_is(has_version, wants))
        return fail_bad_request(r, "invalid object type: %s" STR_FMT ", Kind=" STR_FMT,
                                str_find_byte(has_version, '/') < 0 ? "/" : "",
                                STR_ARG(has_version), STR_ARG(has_kind));
    if (!json_absent(json_path(config, "metadata.managedFields")))
        return fail_bad_request(r, "metadata.managedFields must be nil");
    if (problems.count && mode == SCHEMA_STRICT)
        return fail_bad_request(r, "error strict decoding YAML: %s", problems.first->text);
    for (const struct schema_problem *p = problems.first; p && mode == SCHEMA_WARN; p = p->next)
        request_warn(r, "%s", p->text);
    *ret = config;
    return 0;
}

int patch_settle(struct api_request *r, struct arena *a, const struct schema_resource *res,
                 struct json *object)
{
    const struct schema_type *type = schema_resource_type(res);
    struct err err = {0};
    int rc = type ? schema_check(a, type, object, SCHEMA_IGNORE, NULL, &err) : 0;
    if (rc == -E_NOMEM)
        return fail_memory(r);
    return rc ? fail_bad_request(r, "%s", err.text) : 0;
}

/* ---- the other patches ---- */

static int apply(struct api_request *r, struct arena *a, const struct schema_resource *res,
                 enum patch_kind kind, struct json *object, struct json *patch, struct json **ret)
{
    struct err err = {0};
    int rc;
    if (kind == PATCH_JSON)
        rc = patch_json(a, object, patch, ret, &err);
    else if (!json_is(patch, JSON_OBJECT))
        return fail_bad_request(r, "error decoding patch: the patch must be a JSON object");
    else if (kind == PATCH_MERGE)
        rc = patch_merge(a, object, patch, ret);
    else
        rc = schema_strategic_merge(a, schema_resource_type(res), object, patch, ret, &err);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    if (rc == -E_INVALID)
        return fail_status(r, 422, "Invalid", NULL,
                           "the server rejected our request due to an error in our request: %s",
                           err.text);
    if (rc < 0)
        return fail_bad_request(r, "%s", err.text);
    return 0;
}

int patch_apply(struct api_request *r, struct arena *a, const struct schema_resource *res,
                const struct json *current, struct json **ret)
{
    struct schema_problems problems = {NULL, NULL, 0};
    enum schema_validation mode = body_validation(r);
    enum patch_kind kind;
    struct json *patch, *object;
    struct err err = {0};
    int rc = find_kind(r, &kind);
    if (rc == 0)
        rc = body_parse(r, a, r->body, &problems, &patch);
    if (rc != 0)
        return rc;
    struct json *copy = json_clone(a, current);
    if (!copy || a->failed)
        return fail_memory(r);
    rc = apply(r, a, res, kind, copy, patch, &object);
    if (rc != 0)
        return rc;
    if (!json_is(object, JSON_OBJECT))
        return fail_bad_request(r, "the patch leaves no object behind");
    body_keep_reset(a, object);
    const struct schema_type *type = schema_resource_type(res);
    rc = type ? schema_check(a, type, object, mode, &problems, &err) : 0;
    if (rc == -E_NOMEM)
        return fail_memory(r);
    if (rc < 0)
        return fail_status(r, 422, "Invalid", NULL,
                           " \"\" is invalid: patch: Invalid value: \"%.*s\": %s",
                           (int)(r->body.n < 1000 ? r->body.n : 1000), r->body.p, err.text);
    for (const struct schema_problem *p = problems.first; p && mode == SCHEMA_WARN; p = p->next)
        request_warn(r, "%s", p->text);
    *ret = object;
    return 0;
}
