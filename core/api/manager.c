/* Field managers: who a write is by, what its resource leaves alone, and managedFields around it.
 */
#include "api/crd/crd.h"
#include "api/write.h"
#include "codec/utf8.h"
#include "schema/managed.h"

enum { MANAGER_MOST = 128 };

/* ---- options ---- */

static int fail_write_option(struct api_request *r, const char *field, const char *reason,
                             const char *message)
{
    struct arena *a = &r->arena;
    const char *kind = cstr_eq(r->url.verb, "create")   ? "CreateOptions"
                       : cstr_eq(r->url.verb, "update") ? "UpdateOptions"
                                                        : "PatchOptions";
    struct json *details = json_new(a, JSON_OBJECT), *cause = json_new(a, JSON_OBJECT);
    json_set_cstr(a, cause, "reason", reason);
    json_set_cstr(a, cause, "message", message);
    json_set_cstr(a, cause, "field", field);
    json_set_cstr(a, details, "group", "meta.k8s.io");
    json_set_cstr(a, details, "kind", kind);
    json_append(a, json_array_at(a, details, "causes"), cause);
    return fail_status(r, 422, "Invalid", details, "%s.meta.k8s.io \"\" is invalid: %s: %s", kind,
                       field, message);
}

static bool printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static int check_manager(struct api_request *r, struct str manager)
{
    CLEANUP_BUF struct buf quoted;
    buf_init(&quoted, 2000);
    if (manager.n > MANAGER_MOST)
        return fail_write_option(r, "fieldManager", "FieldValueTooLong",
                                 "Too long: may not be more than 128 bytes");
    if (printable(manager))
        return 0;
    json_write_string(&quoted, manager);
    const char *text =
        arena_printf(&r->arena, "Invalid value: %s: should only contain printable characters",
                     buf_cstr(&quoted));
    return text ? fail_write_option(r, "fieldManager", "FieldValueInvalid", text) : fail_memory(r);
}

int manager_check_options(struct api_request *r, bool applying)
{
    struct str manager = url_param(&r->url, "fieldManager"), force = url_param(&r->url, "force");
    if (applying && !manager.n)
        return fail_write_option(r, "fieldManager", "FieldValueRequired",
                                 "Required value: is required for apply patch");
    if (!applying && cstr_eq(r->url.verb, "patch") && force.p)
        return fail_write_option(r, "force", "FieldValueForbidden",
                                 "Forbidden: may not be specified for non-apply patch");
    return check_manager(r, manager);
}

/* ---- who ---- */

/* Clients in this process send no user agent: the controllers have an account each, and upstream's
 * run in one program. */
static struct str name_of_user(struct write *w)
{
    struct str user = str_of(w->r->user.name ? w->r->user.name : ""), prefix = STR("system:");
    if (str_starts(user, STR("system:serviceaccount:kube-system:")))
        return STR("kube-controller-manager");
    if (str_is(user, "system:apiserver"))
        return STR("kube-apiserver");
    return str_starts(user, prefix) ? str_make(user.p + prefix.n, user.n - prefix.n) : STR("");
}

/* The program's name from its user agent. */
static struct str name_of_agent(struct write *w)
{
    struct str agent = w->r->user_agent, rest = agent, part;
    if (!agent.n)
        return name_of_user(w);
    if (!str_split(&rest, '/', &part))
        return STR("");
    char *name = arena_alloc(w->a, MANAGER_MOST);
    size_t n = 0;
    if (!name)
        return STR("");
    for (size_t i = 0; i < part.n && n < MANAGER_MOST; i++)
        if ((unsigned char)part.p[i] >= 0x20 && part.p[i] != 0x7f)
            name[n++] = part.p[i];
    struct str cut = str_make(name, n);
    while (cut.n && !utf8_valid(cut))
        cut.n--;
    return cut;
}

static struct str version_of(struct arena *a, const struct schema_resource *res)
{
    const char *group = schema_resource_group(res), *version = schema_resource_version(res);
    const char *text = group[0] ? arena_printf(a, "%s/%s", group, version) : version;
    return str_of(text ? text : "");
}

/* What a write of this resource or subresource does not touch, whatever it says (upstream: the
 * reset fields of its strategy). */
static int ignored_fields(struct write *w, const char *subresource, struct fieldset *ret)
{
    static const char *const of_main[] = {"f:status", NULL};
    static const char *const of_status[] = {"f:spec", "f:metadata", NULL};
    static const char *const of_status_and_labels[] = {"f:spec", "f:metadata/f:deletionTimestamp",
                                                       "f:metadata/f:ownerReferences", NULL};
    static const char *const of_part[] = {"f:metadata", "f:status", NULL};
    static const char *const none[] = {NULL};
    const char *const *paths = none;
    if (cstr_eq(subresource, "status"))
        paths = w->kind->flags & KIND_STATUS_ONLY ? of_status : of_status_and_labels;
    else if (cstr_eq(subresource, "ephemeralcontainers") || cstr_eq(subresource, "resize"))
        paths = of_part;
    else if (!subresource[0] && (w->kind->flags & KIND_STATUS))
        paths = of_main;
    return fieldset_of_paths(w->a, paths, ret);
}

/* ---- other versions of the same kind ---- */

static const struct schema_resource *resource_at(const struct write *w, struct str version)
{
    ptrdiff_t slash = str_find_byte(version, '/');
    struct str group = slash < 0 ? STR("") : str_make(version.p, (size_t)slash);
    struct str rest =
        slash < 0 ? version : str_make(version.p + slash + 1, version.n - (size_t)slash - 1);
    const char *plural = schema_resource_plural(w->resource);
    const struct crd_version *custom = crd_of(w->resource);
    if (custom) {
        custom = str_is(group, custom->crd->group) ? crd_version_find(custom->crd, rest) : NULL;
        return custom ? custom->main : NULL;
    }
    const struct schema_resource *other = schema_resource_find(group, rest, str_of(plural));
    if (!other || !cstr_eq(storage_group(schema_resource_group(other), plural),
                           storage_group(schema_resource_group(w->resource), plural)))
        return NULL;
    return other;
}

static int convert(void *ctx, struct str from, struct str to, const struct json *object,
                   struct apply_node *ret_type, struct json **ret_object)
{
    struct write *w = ctx;
    const struct schema_resource *source = resource_at(w, from), *target = resource_at(w, to);
    if (!source || !target)
        return -E_NOT_FOUND;
    struct json *copy = json_clone(w->a, object);
    int rc = copy ? convert_to_stored(w->a, source, copy) : -E_NOMEM;
    rc = rc ? rc : convert_from_stored(w->a, target, copy);
    if (rc)
        return rc;
    json_set_str(w->a, copy, "apiVersion", to);
    *ret_type = crd_apply_node(target);
    *ret_object = copy;
    return w->a->failed ? -E_NOMEM : 0;
}

static int context(struct write *w, struct managed_context *ret)
{
    const char *subresource = schema_resource_subresource(w->r->resource);
    struct str asked = url_param(&w->r->url, "fieldManager");
    *ret = (struct managed_context){.arena = w->a,
                                    .type = crd_apply_node(w->resource),
                                    .version = version_of(w->a, w->resource),
                                    .subresource = str_of(subresource),
                                    .manager = asked.n ? asked : name_of_agent(w),
                                    .now = w->now,
                                    .convert = convert,
                                    .ctx = w};
    return ignored_fields(w, subresource, &ret->ignored);
}

/* ---- around a write ---- */

int manager_track(struct write *w, const struct json *sent)
{
    struct managed_context c;
    int rc = context(w, &c);
    rc = rc ? rc : managed_update(&c, w->old, w->object, sent);
    /* What could not be read back is not kept: such an object goes on untracked. */
    if (rc == 0 && json_check_limits(w->object, NULL) != 0)
        managed_attach(w->object, NULL);
    return rc ? fail_code(w->r, rc, NULL) : 0;
}

static int fail_conflicts(struct write *w, const struct managed_result *result)
{
    struct arena *a = &w->r->arena;
    struct json *details = json_new(a, JSON_OBJECT), *causes = json_new(a, JSON_ARRAY);
    const char *message = managed_conflict_message(w->a, result);
    for (const struct managed_conflict *c = result->conflicts; c; c = c->next) {
        struct json *cause = json_new(a, JSON_OBJECT);
        const char *text = arena_printf(a, "conflict with %s", c->manager);
        json_set_cstr(a, cause, "reason", "FieldManagerConflict");
        json_set_cstr(a, cause, "message", text ? text : "");
        json_set_cstr(a, cause, "field", c->path);
        json_append(a, causes, cause);
    }
    json_set(a, details, "causes", causes);
    return message ? fail_status(w->r, 409, "Conflict", details, "%s", message) : fail_memory(w->r);
}

/* "default/web; apps/v1, Kind=Deployment" */
static const char *described(struct write *w, const struct json *config)
{
    struct str name = json_path_str(config, "metadata.name"),
               ns = json_path_str(config, "metadata.namespace");
    const char *group = schema_resource_group(w->resource);
    const char *text =
        arena_printf(w->a, STR_FMT "/" STR_FMT "; %s%s%s, Kind=%s", STR_ARG(ns), STR_ARG(name),
                     group[0] ? group : "", "/", schema_resource_version(w->resource),
                     schema_resource_kind(w->resource));
    return text ? text : "";
}

int manager_apply(struct write *w, const struct json *config)
{
    struct managed_context c;
    struct managed_result result;
    struct err err = {0};
    int rc = context(w, &c);
    if (rc)
        return fail_code(w->r, rc, NULL);
    rc = managed_apply(&c, w->old, config, url_flag(&w->r->url, "force"), &result, &err);
    if (rc == 0 && (rc = json_check_limits(result.object, &err)) == 0) {
        w->object = result.object;
        w->applied = true;
        return 0;
    }
    if (rc == -E_LIMIT)
        return fail_bad_request(w->r, "the object with its managed fields has %s", err.text);
    if (rc == -E_NOMEM)
        return fail_memory(w->r);
    if (rc == -E_CONFLICT)
        return fail_conflicts(w, &result);
    if (rc == -E_INVALID && result.problems)
        return fail_status(w->r, 500, NULL, NULL, "failed to create typed patch object (%s): %s",
                           described(w, config), result.problems);
    return fail_status(w->r, 500, NULL, NULL, "%s", err.text);
}

/* Members in another order and other times in managedFields are no change. */
bool manager_unchanged(struct write *w)
{
    struct json *meta = json_get(w->object, "metadata"), *before, *now;
    const char *revision = json_path_cstr(w->old, "metadata.resourceVersion");
    bool same;
    if (w->is_create || !w->old || w->op_count || w->removes)
        return false;
    json_set_cstr(w->a, meta, "resourceVersion", revision);
    before = managed_detach(w->old);
    now = managed_detach(w->object);
    same = managed_same_but_times(before, now) && json_equal(w->object, w->old);
    managed_attach(w->old, before);
    managed_attach(w->object, now);
    return same;
}
