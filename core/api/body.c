/* Bodies: JSON or YAML, read strictly and brought into the form of their kind. */
#include "api/crd/crd.h"
#include "api/write.h"
#include "codec/yaml.h"
#include "schema/protobuf.h"

enum { PROBLEMS_RANKED = 128 };

static struct str media_type(const struct api_request *r)
{
    struct str rest = r->content_type, part;
    if (!str_split(&rest, ';', &part))
        return STR("");
    return str_trim(part);
}

enum schema_validation body_validation(const struct api_request *r)
{
    struct str v = url_param(&r->url, "fieldValidation");
    return str_is(v, "Strict") ? SCHEMA_STRICT : str_is(v, "Ignore") ? SCHEMA_IGNORE : SCHEMA_WARN;
}

struct duplicates {
    struct arena *arena;
    struct schema_problems *problems;
};

static void on_duplicate(void *ctx, const char *path)
{
    struct duplicates *d = ctx;
    schema_problem_add(d->arena, d->problems, "duplicate field \"%s\"", path);
}

int body_parse(struct api_request *r, struct arena *a, struct str body,
               struct schema_problems *problems, struct json **ret)
{
    struct str type = media_type(r);
    struct duplicates d = {a, problems};
    struct json_options options = {.duplicate = problems ? on_duplicate : NULL, .ctx = &d};
    struct err err = {0};
    int rc;
    if (str_eq_nocase(type, STR("application/vnd.kubernetes.protobuf")))
        rc = protobuf_decode(a, body, ret, &err);
    else if (str_eq_nocase(type, STR("application/yaml")) || str_ends(type, STR("+yaml")))
        rc = yaml_parse(a, body, &options, ret, NULL, &err);
    else if (!type.n || str_eq_nocase(type, STR("application/json")) ||
             str_ends(type, STR("+json")) || str_is(type, "*/*"))
        rc = json_parse(a, body, &options, ret, &err);
    else
        return fail_status(
            r, 415, "UnsupportedMediaType", NULL,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf");
    if (rc == -E_NOMEM)
        return fail_status(r, 413, "RequestEntityTooLarge", NULL,
                           "the body of the request needs more memory than one request may have");
    if (rc < 0 && cstr_eq(r->url.verb, "patch"))
        return fail_bad_request(r, "error decoding patch: %s", err.text);
    if (rc < 0)
        return fail_bad_request(r, "the object provided is unrecognized (must be of type %s): %s",
                                r->resource ? schema_resource_kind(r->resource) : "JSON", err.text);
    return 0;
}

static const char *group_version(struct arena *a, const char *group, const char *version)
{
    const char *text = group[0] ? arena_printf(a, "%s/%s", group, version) : version;
    return text ? text : "";
}

/* apiVersion and kind may be left out; what is there must fit the path. */
int body_check_kind(struct api_request *r, struct arena *a, const struct schema_resource *res,
                    struct json *object)
{
    const char *kind = schema_resource_kind(res);
    const char *version =
        group_version(a, schema_resource_kind_group(res), schema_resource_kind_version(res));
    struct str has_kind = json_str(json_get(object, "kind"));
    struct str has_version = json_str(json_get(object, "apiVersion"));
    if (has_version.n && !str_is(has_version, version))
        return fail_bad_request(r,
                                "the API version in the data (" STR_FMT
                                ") does not match the expected API version (%s)",
                                STR_ARG(has_version), version);
    if (has_kind.n && !str_is(has_kind, kind))
        return fail_bad_request(
            r, "the kind in the data (" STR_FMT ") does not match the expected kind (%s)",
            STR_ARG(has_kind), kind);
    return 0;
}

void body_keep_reset(struct arena *a, struct json *object)
{
    struct json *list = json_path(object, "metadata.managedFields");
    if (json_is(list, JSON_ARRAY) && json_count(list) == 0)
        json_append(a, list, json_new(a, JSON_OBJECT));
}

/* ---- problems in the order of the document ---- */

struct ranking {
    struct str names[PROBLEMS_RANKED]; /* paths of the problems */
    uint32_t ranks[PROBLEMS_RANKED];
    size_t count;
    uint32_t next;
    struct buf path;
};

static void rank_below(struct ranking *k, const struct json *j)
{
    unsigned at = 0;
    for (const struct json *m = json_first(j); m; m = m->next, at++) {
        size_t was = buf_len(&k->path);
        if (j->type == JSON_ARRAY)
            buf_printf(&k->path, "[%u]", at);
        else
            buf_printf(&k->path, "%s" STR_FMT, was ? "." : "", STR_ARG(m->key));
        for (size_t i = 0; i < k->count; i++)
            if (!k->ranks[i] && str_eq(k->names[i], buf_str(&k->path)))
                k->ranks[i] = ++k->next;
        if (m->type == JSON_OBJECT || m->type == JSON_ARRAY)
            rank_below(k, m);
        buf_truncate(&k->path, was);
    }
}

/* A field that is there thrice is told once, and what is unknown is not a duplicate. */
static bool said_elsewhere(struct schema_problem *const *list, size_t count, size_t at)
{
    struct str text = str_of(list[at]->text), kind = STR("duplicate field ");
    for (size_t i = 0; i < count; i++) {
        struct str other = str_of(list[i]->text);
        if (i < at && str_eq(other, text))
            return true;
        if (i != at && str_starts(text, kind) && str_starts(other, STR("unknown field ")) &&
            str_ends(other, str_make(text.p + kind.n, text.n - kind.n)))
            return true;
    }
    return false;
}

/* Fields that are there twice are found while reading, unknown ones while checking; upstream finds
 * both in one pass. */
static void put_in_order(struct arena *a, struct schema_problems *problems,
                         const struct json *document)
{
    struct ranking *k = arena_zalloc(a, sizeof *k);
    struct schema_problem *sorted[PROBLEMS_RANKED];
    if (!k)
        return;
    for (struct schema_problem *p = problems->first; p && k->count < PROBLEMS_RANKED; p = p->next) {
        struct str text = str_of(p->text);
        ptrdiff_t quote = str_find_byte(text, '"');
        size_t from = quote < 0 ? text.n : (size_t)quote + 1;
        size_t to = k->count++;
        k->names[to] = str_make(text.p + from, text.n > from ? text.n - from - 1 : 0);
        sorted[to] = p;
    }
    if (k->count < problems->count)
        return;
    buf_init(&k->path, LIMIT_BODY_BYTES);
    rank_below(k, document);
    buf_done(&k->path);
    for (size_t i = 1; i < k->count; i++)
        for (size_t at = i; at > 0 && k->ranks[at] < k->ranks[at - 1]; at--) {
            struct schema_problem *p = sorted[at];
            uint32_t rank = k->ranks[at];
            sorted[at] = sorted[at - 1];
            k->ranks[at] = k->ranks[at - 1];
            sorted[at - 1] = p;
            k->ranks[at - 1] = rank;
        }
    *problems = (struct schema_problems){NULL, NULL, 0};
    for (size_t i = 0; i < k->count; i++) {
        if (said_elsewhere(sorted, k->count, i))
            continue;
        sorted[i]->next = NULL;
        *(problems->first ? &problems->last->next : &problems->first) = sorted[i];
        problems->last = sorted[i];
        problems->count++;
    }
}

static int check(struct arena *a, const struct schema_type *type, struct json *object,
                 enum schema_validation mode, struct schema_problems *problems, struct err *err)
{
    bool twice = mode != SCHEMA_IGNORE && problems->count;
    struct json *document = twice ? json_clone(a, object) : NULL;
    if (!document)
        return schema_check(a, type, object, mode, problems, err);
    int rc = schema_check(a, type, object, SCHEMA_WARN, problems, err);
    if (rc)
        return rc;
    put_in_order(a, problems, document);
    if (mode != SCHEMA_STRICT)
        return 0;
    const char *text = schema_problems_text(a, problems);
    return text ? err_set(err, E_BAD_REQUEST, "%s", text) : -E_NOMEM;
}

int body_read(struct api_request *r, struct arena *a, const struct schema_resource *res,
              struct json **ret)
{
    struct schema_problems problems = {NULL, NULL, 0};
    enum schema_validation mode = body_validation(r);
    struct json *object;
    struct err err = {0};
    if (!r->body.n)
        return fail_bad_request(r, "the request needs a body: an object of kind %s",
                                schema_resource_kind(res));
    int rc = body_parse(r, a, r->body, &problems, &object);
    if (rc != 0)
        return rc;
    const char *kind = schema_resource_kind(res);
    const char *version =
        group_version(a, schema_resource_kind_group(res), schema_resource_kind_version(res));
    if (!json_is(object, JSON_OBJECT))
        return fail_bad_request(
            r, "%s in version \"%s\" cannot be handled as a %s: the body must be a JSON object",
            kind, schema_resource_kind_version(res), kind);
    rc = body_check_kind(r, a, res, object);
    if (rc != 0)
        return rc;
    body_keep_reset(a, object);
    const struct schema_type *type = schema_resource_type(res);
    rc = type ? check(a, type, object, mode, &problems, &err)
              : crd_check(a, res, object, mode, &problems, &err);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    if (rc < 0)
        return fail_bad_request(r, "%s in version \"%s\" cannot be handled as a %s: %s", kind,
                                schema_resource_kind_version(res), kind, err.text);
    for (const struct schema_problem *p = problems.first; p && mode == SCHEMA_WARN; p = p->next)
        request_warn(r, "%s", p->text);
    json_set_cstr(a, object, "kind", kind);
    json_set_cstr(a, object, "apiVersion", version);
    *ret = object;
    return a->failed ? fail_memory(r) : 0;
}
