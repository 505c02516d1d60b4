/* PATCH: JSON patch, merge patch and strategic merge patch over the current object, and what an
 * apply patch holds (manager.c applies it). */
#include "codec/patch.h"
#include "api/crd/crd.h"
#include "api/write.h"
#include "codec/yaml.h"

enum { OPERATIONS_MOST = 10000 };

enum patch_kind { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY };

static struct str media_type(const struct api_request *r)
{
    struct str rest = r->content_type, type;
    return str_split(&rest, ';', &type) ? str_trim(type) : STR("");
}

static int find_kind(struct api_request *r, enum patch_kind *ret)
{
    struct str type = media_type(r);
    bool strategic = !r->resource || !crd_of(r->resource);
    if (str_is(type, "application/json-patch+json"))
        *ret = PATCH_JSON;
    else if (str_is(type, "application/merge-patch+json"))
        *ret = PATCH_MERGE;
    else if (strategic && str_is(type, "application/strategic-merge-patch+json"))
        *ret = PATCH_STRATEGIC;
    else if (str_is(type, "application/apply-patch+yaml"))
        *ret = PATCH_APPLY;
    else
        return fail_status(
            r, 415, "UnsupportedMediaType", NULL,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, %sapplication/"
            "apply-patch+yaml",
            strategic ? "application/strategic-merge-patch+json, " : "");
    return 0;
}

bool patch_is_apply(const struct api_request *r)
{
    return str_is(media_type(r), "application/apply-patch+yaml");
}

/* ---- apply ---- */

/* The first key that is there twice, in the words of the YAML library that upstream reads with. */
static const char *duplicate_text(struct arena *a, struct str body)
{
    struct err err = {0};
    struct json *j;
    if (yaml_parse(a, body, NULL, &j, NULL, &err) == 0)
        return NULL;
    struct str text = str_of(err.text);
    ptrdiff_t comma = str_find_byte(text, ','), colon = str_find(text, STR(": key "));
    if (comma < 0 || colon < comma)
        return arena_strdup(a, err.text);
    return arena_printf(a, "error converting YAML to JSON: yaml: unmarshal errors:\n  %.*s" STR_FMT,
                        (int)comma, text.p, (int)(text.n - (size_t)colon), text.p + colon);
}

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
        return fail_bad_request(r, "error decoding patch: the configuration must be an object");
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
    const char *twice = problems.count && mode != SCHEMA_IGNORE ? duplicate_text(a, r->body) : NULL;
    if (twice && mode == SCHEMA_STRICT)
        return fail_bad_request(r, "error strict decoding patch: %s", twice);
    if (twice)
        request_warn(r, "%s", twice);
    *ret = config;
    return 0;
}

int patch_settle(struct api_request *r, struct arena *a, const struct schema_resource *res,
                 struct json *object)
{
    const struct schema_type *type = schema_resource_type(res);
    struct err err = {0};
    int rc = type ? schema_check(a, type, object, SCHEMA_IGNORE, NULL, &err)
                  : crd_check(a, res, object, SCHEMA_IGNORE, NULL, &err);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    return rc ? fail_bad_request(r, "%s", err.text) : 0;
}

/* ---- the other patches ---- */

/* What upstream answers when a patch cannot be carried out: a failed test, a path that is not
 * there. */
static int fail_unprocessable(struct api_request *r)
{
    return fail_status(r, 422, "Invalid", json_new(&r->arena, JSON_OBJECT),
                       "the server rejected our request due to an error in our request");
}

static int apply(struct api_request *r, struct arena *a, const struct schema_resource *res,
                 enum patch_kind kind, struct json *object, struct json *patch, struct json **ret)
{
    struct err err = {0};
    int rc;
    if (kind == PATCH_JSON && json_count(patch) > OPERATIONS_MOST)
        return fail_status(r, 413, "RequestEntityTooLarge", NULL,
                           "Request entity too large: The allowed maximum operations in a JSON "
                           "patch is %d, got %u",
                           OPERATIONS_MOST, (unsigned)json_count(patch));
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
    if (rc == -E_INVALID || rc == -E_NOT_FOUND)
        return fail_unprocessable(r);
    if (rc < 0)
        return fail_bad_request(r, "%s", err.text);
    return 0;
}

/* Members of an operation that JSON Patch does not know. */
static bool find_unknown(struct arena *a, const struct json *patch,
                         struct schema_problems *problems)
{
    unsigned at = 0;
    for (const struct json *op = json_first(patch); op; op = op->next, at++)
        for (const struct json *m = json_is(op, JSON_OBJECT) ? json_first(op) : NULL; m;
             m = m->next)
            if (!str_is(m->key, "op") && !str_is(m->key, "path") && !str_is(m->key, "from") &&
                !str_is(m->key, "value") &&
                !schema_problem_add(a, problems, "json patch unknown field \"[%u].%.*s\"", at,
                                    (int)(m->key.n < 200 ? m->key.n : 200), m->key.p))
                return false;
    return true;
}

static int read_patch(struct api_request *r, struct arena *a, enum patch_kind kind,
                      struct schema_problems *problems, struct json **ret)
{
    struct schema_problems own = {NULL, NULL, 0};
    int rc = body_parse(r, a, r->body, &own, ret);
    if (rc != 0)
        return rc;
    for (const struct schema_problem *p = own.first; p; p = p->next)
        if (!schema_problem_add(a, problems, "%s%s", kind == PATCH_JSON ? "json patch " : "",
                                p->text))
            return fail_memory(r);
    if (kind == PATCH_JSON && !find_unknown(a, *ret, problems))
        return fail_memory(r);
    return 0;
}

/* A value as Go prints it: map[a:1 b:[x y]]. */
static void write_go(struct buf *out, const struct json *j)
{
    if (json_is(j, JSON_OBJECT) || json_is(j, JSON_ARRAY)) {
        buf_puts(out, json_is(j, JSON_OBJECT) ? "map[" : "[");
        for (const struct json *m = json_first(j); m; m = m->next) {
            buf_puts(out, m == json_first(j) ? "" : " ");
            if (m->key.p) {
                buf_append_str(out, m->key);
                buf_putc(out, ':');
            }
            write_go(out, m);
        }
        buf_putc(out, ']');
    } else if (json_is(j, JSON_STRING)) {
        buf_append_str(out, json_str(j));
    } else if (json_is(j, JSON_NULL)) {
        buf_puts(out, "<nil>");
    } else {
        json_write(out, j);
    }
}

/* What came out does not fit its kind: upstream shows the whole object, or a strategic patch. */
static int fail_result(struct api_request *r, const char *shown, const char *why)
{
    CLEANUP_BUF struct buf quoted;
    struct arena *a = &r->arena;
    buf_init(&quoted, LIMIT_BODY_BYTES);
    size_t n = strlen(shown);
    json_write_string(&quoted, str_make(shown, n < 6000 ? n : 6000));
    const char *message = arena_printf(a, "Invalid value: %s: %s", buf_cstr(&quoted), why);
    struct json *details = json_new(a, JSON_OBJECT), *cause = json_new(a, JSON_OBJECT);
    json_set_cstr(a, cause, "reason", "FieldValueInvalid");
    json_set_cstr(a, cause, "message", message ? message : "");
    json_set_cstr(a, cause, "field", "patch");
    json_append(a, json_array_at(a, details, "causes"), cause);
    return fail_status(r, 422, "Invalid", details, " \"\" is invalid: patch: %s",
                       message ? message : why);
}

static const char *shown_as(struct arena *a, enum patch_kind kind, const struct json *patch,
                            const struct json *object)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 4 * (size_t)LIMIT_BODY_BYTES);
    if (kind == PATCH_STRATEGIC)
        write_go(&b, patch);
    else
        json_write(&b, object);
    const char *text = b.failed ? NULL : arena_strdup(a, buf_cstr(&b));
    return text ? text : "";
}

int patch_apply(struct api_request *r, struct arena *a, const struct schema_resource *res,
                const struct json *current, struct json **ret)
{
    struct schema_problems problems = {NULL, NULL, 0};
    enum schema_validation mode = body_validation(r);
    enum patch_kind kind = PATCH_STRATEGIC;
    struct json *patch, *object;
    struct err err = {0};
    int rc = find_kind(r, &kind);
    if (rc == 0)
        rc = read_patch(r, a, kind, &problems, &patch);
    if (rc != 0)
        return rc;
    struct json *copy = json_clone(a, current), *asked = json_clone(a, patch);
    if (!copy || !asked || a->failed)
        return fail_memory(r);
    rc = apply(r, a, res, kind, copy, patch, &object);
    if (rc != 0)
        return rc;
    if (!json_is(object, JSON_OBJECT))
        return fail_bad_request(r, "the patch leaves no object behind");
    body_keep_reset(a, object);
    struct json *result = mode == SCHEMA_STRICT ? json_clone(a, object) : object;
    const struct schema_type *type = schema_resource_type(res);
    rc = type ? schema_check(a, type, object, mode, &problems, &err)
              : crd_check(a, res, object, mode, &problems, &err);
    if (rc == -E_NOMEM || !result)
        return fail_memory(r);
    if (rc < 0)
        return fail_result(r, shown_as(a, kind, asked, result), err.text);
    for (const struct schema_problem *p = problems.first; p && mode == SCHEMA_WARN; p = p->next)
        request_warn(r, "%s", p->text);
    *ret = object;
    return 0;
}
