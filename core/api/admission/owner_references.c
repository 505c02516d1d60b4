/*
 * OwnerReferencesPermissionEnforcement (plugin/pkg/admission/gc): who changes the owners of an
 * object has to be allowed to delete it, for the garbage collector may; and who lets it hold back
 * the deletion of an owner has to be allowed to set that owner's finalizers.
 */
#include "api/auth/auth.h"
#include "api/crd/crd.h"
#include "api/write.h"

static struct auth_ask ask_of(struct write *w, const char *verb, const struct schema_resource *res,
                              const char *subresource, const char *ns, const char *name)
{
    return (struct auth_ask){.user = &w->r->user,
                             .verb = verb,
                             .is_resource = true,
                             .group = schema_resource_group(res),
                             .version = schema_resource_version(res),
                             .resource = schema_resource_plural(res),
                             .subresource = subresource,
                             .ns = ns,
                             .name = name,
                             .path = ""};
}

static int refuse(struct write *w, const char *what, struct buf *reason)
{
    const char *why =
        arena_printf(w->a, "%s: %s, <nil>", what, buf_len(reason) ? buf_cstr(reason) : "");
    return why ? fail_forbidden(w->r, w->resource, w->name, why) : fail_memory(w->r);
}

static int check_delete(struct write *w)
{
    struct buf reason CLEANUP_BUF;
    buf_init(&reason, 1000);
    const char *ns = arena_strndup(w->a, w->ns.p, w->ns.n),
               *name = arena_strndup(w->a, w->name.p, w->name.n);
    if (!ns || !name)
        return fail_memory(w->r);
    struct auth_ask ask = ask_of(w, "delete", w->resource, w->subresource, ns, name);
    return auth_allows(w->api, &ask, &reason)
               ? 0
               : refuse(w, "cannot set an ownerRef on a resource you can't delete", &reason);
}

/* ---- what holds back its owner ---- */

static bool is_kind(const struct schema_resource *res, const struct json *ref)
{
    struct str version = json_path_str(ref, "apiVersion"), group = STR("");
    ptrdiff_t slash = str_find_byte(version, '/');
    if (slash >= 0) {
        group = str_make(version.p, (size_t)slash);
        version = str_make(version.p + slash + 1, version.n - (size_t)slash - 1);
    }
    return !schema_resource_subresource(res)[0] && str_is(group, schema_resource_group(res)) &&
           str_is(version, schema_resource_version(res)) &&
           str_is(json_path_str(ref, "kind"), schema_resource_kind(res));
}

/* Most owners are of the tables. */
static int find_owner(struct write *w, const struct json *ref, const struct schema_resource **ret)
{
    struct catalog all;
    *ret = NULL;
    for (size_t i = 0; i < schema_resource_count() && !*ret; i++)
        if (is_kind(schema_resource_at(i), ref))
            *ret = schema_resource_at(i);
    if (*ret)
        return 0;
    if (catalog_make(w->api, w->a, &all) < 0)
        return fail_memory(w->r);
    for (size_t i = 0; i < all.resource_count && !*ret; i++)
        if (is_kind(all.resources[i], ref))
            *ret = all.resources[i];
    return 0;
}

static int check_owner(struct write *w, const struct json *ref)
{
    const struct schema_resource *res;
    struct buf reason CLEANUP_BUF;
    buf_init(&reason, 1000);
    const char *version = json_path_cstr(ref, "apiVersion"), *kind = json_path_cstr(ref, "kind");
    int rc = find_owner(w, ref, &res);
    if (rc != 0)
        return rc;
    if (!res) {
        const char *why = arena_printf(w->a,
                                       "cannot set blockOwnerDeletion in this case because cannot "
                                       "find RESTMapping for APIVersion %s Kind %s: no matches for "
                                       "kind \"%s\" in version \"%s\"",
                                       version, kind, kind, version);
        return why ? fail_forbidden(w->r, w->resource, w->name, why) : fail_memory(w->r);
    }
    char *ns = arena_strndup(w->a, w->ns.p, schema_resource_namespaced(res) ? w->ns.n : 0);
    if (!ns)
        return fail_memory(w->r);
    struct auth_ask ask = ask_of(w, "update", res, "finalizers", ns, json_path_cstr(ref, "name"));
    return auth_allows(w->api, &ask, &reason)
               ? 0
               : refuse(w,
                        "cannot set blockOwnerDeletion if an ownerReference refers to a resource "
                        "you can't set finalizers on",
                        &reason);
}

static bool blocked_before(const struct json *old, const struct json *ref)
{
    for (const struct json *r = json_first(old); r; r = r->next)
        if (str_eq(json_path_str(r, "uid"), json_path_str(ref, "uid")))
            return json_path_bool(r, "blockOwnerDeletion", false);
    return false;
}

int admit_owner_references(struct write *w)
{
    const struct json *now = json_path(w->object, "metadata.ownerReferences"),
                      *old = json_path(w->old, "metadata.ownerReferences");
    if (w->is_delete || w->view || cstr_eq(w->subresource, "binding") ||
        (!json_count(now) && !json_count(old)) || (now && old && json_equal(now, old)))
        return 0;
    int rc = check_delete(w);
    for (const struct json *r = rc ? NULL : json_first(now); r; r = r->next)
        if (json_path_bool(r, "blockOwnerDeletion", false) && !blocked_before(old, r) &&
            (rc = check_owner(w, r)) != 0)
            return rc;
    return rc;
}
