/* PATCH: JSON patch, merge patch and strategic merge patch over the current object. */
#include "codec/patch.h"
#include "api/write.h"

enum patch_kind { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC };

static int find_kind(struct api_request *r, enum patch_kind *ret)
{
    struct str rest = r->content_type, type;
    if (!str_split(&rest, ';', &type))
        type = STR("");
    type = str_trim(type);
    if (str_is(type, "application/json-patch+json"))
        *ret = PATCH_JSON;
    else if (str_is(type, "application/merge-patch+json"))
        *ret = PATCH_MERGE;
    else if (str_is(type, "application/strategic-merge-patch+json"))
        *ret = PATCH_STRATEGIC;
    else if (str_starts(type, STR("application/apply-patch")))
        return fail_status(
            r, 415, "UnsupportedMediaType", NULL,
            "server-side apply is not served here: use client-side apply (kubectl apply without "
            "--server-side)");
    else
        return fail_status(
            r, 415, "UnsupportedMediaType", NULL,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/strategic-merge-patch+json");
    return 0;
}

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
