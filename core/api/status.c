/* Error answers: metav1.Status, worded as upstream's apimachinery/pkg/api/errors. */
#include <stdio.h>

#include "api/api_int.h"

struct json *status_object(struct arena *a, int http, const char *reason, const char *message)
{
    struct json *s = json_new(a, JSON_OBJECT);
    json_set_cstr(a, s, "kind", "Status");
    json_set_cstr(a, s, "apiVersion", "v1");
    json_set(a, s, "metadata", json_new(a, JSON_OBJECT));
    json_set_cstr(a, s, "status", http < 400 ? "Success" : "Failure");
    if (message && message[0])
        json_set_cstr(a, s, "message", message);
    if (reason && reason[0])
        json_set_cstr(a, s, "reason", reason);
    json_set_i64(a, s, "code", http);
    return a->failed ? NULL : s;
}

/* What is answered when there is no memory to say more. */
static void fail_plain(struct api_request *r)
{
    static const char text[] =
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"out of memory\",\"reason\":\"InternalError\",\"code\":500}\n";
    if (r->head_sent)
        request_end(r);
    else
        reply_bytes(r, 500, "application/json", str_make(text, sizeof text - 1));
}

int fail_status(struct api_request *r, int http, const char *reason, struct json *details,
                const char *fmt, ...)
{
    char message[8192];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    struct json *s = status_object(&r->arena, http, reason, message);
    if (s && details)
        json_set(&r->arena, s, "details", details);
    r->accept.form = FORM_OBJECT;
    if (!s || r->arena.failed)
        fail_plain(r);
    else if (r->head_sent)
        request_end(r);
    else
        reply_tree(r, http, s);
    return -E_BAD_REQUEST;
}

int fail_part(struct api_request *r, const char *field, const char *reason, const char *fmt, ...)
{
    char message[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    struct json *d = json_new(&r->arena, JSON_OBJECT), *cause = json_new(&r->arena, JSON_OBJECT);
    json_set_cstr(&r->arena, cause, "reason", reason);
    json_set_cstr(&r->arena, cause, "message", message);
    json_set_cstr(&r->arena, cause, "field", field);
    json_append(&r->arena, json_array_at(&r->arena, d, "causes"), cause);
    return fail_status(r, 422, "Invalid", d, " \"\" is invalid: %s: %s", field, message);
}

int fail_memory(struct api_request *r)
{
    fail_plain(r);
    return -E_NOMEM;
}

int fail_code(struct api_request *r, int rc, const char *message)
{
    struct json *details = NULL;
    int http = err_http_status(rc);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    if (http == 503 || http == 429) {
        details = json_new(&r->arena, JSON_OBJECT);
        json_set_i64(&r->arena, details, "retryAfterSeconds", 1);
    }
    fail_status(r, http, err_reason(rc), details, "%s",
                message && message[0] ? message : err_text(rc));
    return rc;
}

const char *status_qualified(struct arena *a, const struct schema_resource *res)
{
    const char *group = schema_resource_group(res);
    const char *plural = schema_resource_plural(res);
    const char *text = group[0] ? arena_printf(a, "%s.%s", plural, group) : plural;
    return text ? text : plural;
}

static struct json *details_of(struct api_request *r, const struct schema_resource *res,
                               struct str name)
{
    struct json *d = json_new(&r->arena, JSON_OBJECT);
    if (name.n)
        json_set_str(&r->arena, d, "name", name);
    if (schema_resource_group(res)[0])
        json_set_cstr(&r->arena, d, "group", schema_resource_group(res));
    json_set_cstr(&r->arena, d, "kind", schema_resource_plural(res));
    return d;
}

int fail_not_found(struct api_request *r, const struct schema_resource *res, struct str name)
{
    fail_status(r, 404, "NotFound", details_of(r, res, name), "%s \"" STR_FMT "\" not found",
                status_qualified(&r->arena, res), STR_ARG(name));
    return -E_NOT_FOUND;
}

int fail_exists(struct api_request *r, const struct schema_resource *res, struct str name)
{
    fail_status(r, 409, "AlreadyExists", details_of(r, res, name),
                "%s \"" STR_FMT "\" already exists", status_qualified(&r->arena, res),
                STR_ARG(name));
    return -E_EXISTS;
}

int fail_conflict(struct api_request *r, const struct schema_resource *res, struct str name,
                  const char *why)
{
    fail_status(r, 409, "Conflict", details_of(r, res, name),
                "Operation cannot be fulfilled on %s \"" STR_FMT "\": %s",
                status_qualified(&r->arena, res), STR_ARG(name), why);
    return -E_CONFLICT;
}

int fail_modified(struct api_request *r, const struct schema_resource *res, struct str name)
{
    return fail_conflict(r, res, name,
                         "the object has been modified; please apply your changes to the latest "
                         "version and try again");
}

int fail_forbidden(struct api_request *r, const struct schema_resource *res, struct str name,
                   const char *why)
{
    const char *what = status_qualified(&r->arena, res);
    if (name.n)
        fail_status(r, 403, "Forbidden", details_of(r, res, name),
                    "%s \"" STR_FMT "\" is forbidden: %s", what, STR_ARG(name), why);
    else
        fail_status(r, 403, "Forbidden", details_of(r, res, name), "%s is forbidden: %s", what,
                    why);
    return -E_FORBIDDEN;
}

int fail_bad_request(struct api_request *r, const char *fmt, ...)
{
    char message[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    fail_status(r, 400, "BadRequest", NULL, "%s", message);
    return -E_BAD_REQUEST;
}

int fail_method(struct api_request *r)
{
    fail_status(r, 405, "MethodNotAllowed", json_new(&r->arena, JSON_OBJECT),
                "the server does not allow this method on the requested resource");
    return -E_METHOD;
}

int fail_no_route(struct api_request *r)
{
    fail_status(r, 404, "NotFound", json_new(&r->arena, JSON_OBJECT),
                "the server could not find the requested resource");
    return -E_NOT_FOUND;
}

void reply_success(struct api_request *r, const struct schema_resource *res, struct str name,
                   const char *uid)
{
    struct json *s = status_object(&r->arena, 200, NULL, NULL);
    struct json *d = details_of(r, res, name);
    if (uid && uid[0])
        json_set_cstr(&r->arena, d, "uid", uid);
    if (!s || r->arena.failed) {
        fail_memory(r);
        return;
    }
    json_remove(s, "code");
    json_set(&r->arena, s, "details", d);
    r->accept.form = FORM_OBJECT;
    reply_tree(r, 200, s);
}
