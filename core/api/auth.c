/*
 * Who asks, and may they. Until RBAC is served: the administrators (system:masters), the nodes and
 * the parts of this program may do anything; service accounts are recognised and refused, except
 * what every authenticated user may do; everybody else is told to authenticate. Health and version
 * are open, as upstream's system:public-info-viewer makes them.
 */
#include <stdio.h>

#include "api/write.h"

static const char *const open_paths[] = {"/healthz", "/livez", "/readyz", "/version"};

bool user_in(const struct user *u, const char *group)
{
    for (size_t i = 0; i < u->group_count; i++)
        if (cstr_eq(u->groups[i], group))
            return true;
    return false;
}

static void add_group(struct user *u, const char *group)
{
    if (group && u->group_count < USER_GROUPS && !user_in(u, group))
        u->groups[u->group_count++] = group;
}

static bool is_open(const struct api_request *r)
{
    for (size_t i = 0; i < sizeof open_paths / sizeof open_paths[0] && !r->url.is_resource; i++) {
        struct str p = str_of(open_paths[i]);
        if (str_starts(r->url.path, p) && (r->url.path.n == p.n || r->url.path.p[p.n] == '/'))
            return true;
    }
    return false;
}

static int fail_unauthorized(struct api_request *r)
{
    fail_status(r, 401, "Unauthorized", NULL, "Unauthorized");
    return -E_UNAUTHORIZED;
}

/* Names and groups are copied: the peer's memory ends with api_handle. */
static int take_peer(struct api_request *r, const char *name, const char *const *groups)
{
    struct user *u = &r->user;
    u->name = arena_strdup(&r->arena, name ? name : "");
    u->uid = "";
    for (size_t i = 0; groups && groups[i]; i++)
        add_group(u, arena_strdup(&r->arena, groups[i]));
    add_group(u, "system:authenticated");
    return r->arena.failed ? fail_memory(r) : 0;
}

static int authenticate_token(struct api_request *r, struct str header)
{
    struct err err = {0};
    struct str token = str_trim(str_make(header.p + 7, header.n - 7));
    int rc = token_verify(r->api, &r->arena, token, NULL, &r->user, &err);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    return rc < 0 ? fail_unauthorized(r) : 0;
}

int auth_authenticate(struct api_request *r, const struct api_peer *peer)
{
    struct user *u = &r->user;
    struct str header = str_of(peer->authorization ? peer->authorization : "");
    bool bearer = header.n > 7 && str_eq_nocase(str_make(header.p, 7), STR("Bearer "));
    int rc = 0;
    if (peer->local_user) {
        rc = take_peer(r, peer->local_user, peer->cert_groups);
        u->trusted = true;
    } else if (peer->cert_problem) {
        return fail_unauthorized(r);
    } else if (peer->has_cert && peer->cert_user && peer->cert_user[0]) {
        rc = take_peer(r, peer->cert_user, peer->cert_groups);
        u->trusted = user_in(u, "system:masters") || user_in(u, "system:nodes");
        u->reader = user_in(u, "system:node-services") || cstr_eq(u->name, "system:coredns");
    } else if (bearer) {
        rc = authenticate_token(r, header);
    } else if (header.n || !is_open(r)) {
        return fail_unauthorized(r);
    } else {
        u->name = "system:anonymous";
        u->uid = "";
        add_group(u, "system:unauthenticated");
    }
    return rc;
}

int auth_impersonate(struct api_request *r)
{
    struct user *u = &r->user;
    if (!r->as_user && !r->as_group_count && !r->as_unserved)
        return 0;
    if (!r->as_user || !r->as_user[0])
        return fail_bad_request(r, "requested groups or uid without impersonating a user");
    if (r->as_unserved)
        return fail_bad_request(r, "only Impersonate-User and Impersonate-Group are served");
    if (!user_in(u, "system:masters"))
        return fail_status(r, 403, "Forbidden", NULL,
                           "users \"%s\" is forbidden: User \"%s\" cannot impersonate resource "
                           "\"users\" in API group \"\" at the cluster scope",
                           r->as_user, u->name);
    *u = (struct user){.name = r->as_user, .uid = ""};
    for (size_t i = 0; i < r->as_group_count; i++)
        add_group(u, r->as_groups[i]);
    add_group(u, cstr_eq(u->name, "system:anonymous") ? "system:unauthenticated"
                                                      : "system:authenticated");
    u->trusted = user_in(u, "system:masters") || user_in(u, "system:nodes");
    return 0;
}

/* What the DNS and proxy roles watch. */
static bool reader_may(const char *verb, const char *group, const char *resource)
{
    static const char *const plain[] = {"services", "endpoints", "namespaces", "nodes", "pods"};
    if (!cstr_eq(verb, "get") && !cstr_eq(verb, "list") && !cstr_eq(verb, "watch"))
        return false;
    if (cstr_eq(group, "discovery.k8s.io"))
        return cstr_eq(resource, "endpointslices");
    for (size_t i = 0; !group[0] && i < sizeof plain / sizeof plain[0]; i++)
        if (cstr_eq(resource, plain[i]))
            return true;
    return false;
}

/* What upstream grants every authenticated user: system:basic-user and system:discovery. */
static bool anyone_may(const char *verb, const char *group, const char *resource, const char *path)
{
    static const char *const reviews[] = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"};
    static const char *const paths[] = {"/api",   "/apis",   "/openapi", "/healthz",
                                        "/livez", "/readyz", "/version"};
    if (path) {
        for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
            if (str_starts(str_of(path), str_of(paths[i])))
                return cstr_eq(verb, "get");
        return false;
    }
    if (!cstr_eq(verb, "create"))
        return false;
    if (cstr_eq(group, "authentication.k8s.io"))
        return cstr_eq(resource, "selfsubjectreviews");
    return cstr_eq(group, "authorization.k8s.io") &&
           (cstr_eq(resource, reviews[0]) || cstr_eq(resource, reviews[1]));
}

bool auth_allows(const struct user *u, const char *verb, const char *group, const char *resource,
                 const char *path, const char **ret_reason)
{
    *ret_reason = "";
    if (u->trusted) {
        *ret_reason = "the user belongs to the administrators or to the cluster itself";
        return true;
    }
    if (u->reader && !path && reader_may(verb, group, resource))
        return true;
    return user_in(u, "system:authenticated") && anyone_may(verb, group, resource, path);
}

static void forbid_resource(struct api_request *r)
{
    struct arena *a = &r->arena;
    const struct url *u = &r->url;
    const char *scope = u->ns.n
                            ? arena_printf(a, " in the namespace \"" STR_FMT "\"", STR_ARG(u->ns))
                            : " at the cluster scope";
    const char *name = u->resource.n
                           ? arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(u->resource),
                                          u->subresource.n ? "/" : "", STR_ARG(u->subresource))
                           : "";
    const char *what =
        u->group.n ? arena_printf(a, STR_FMT "." STR_FMT, STR_ARG(u->resource), STR_ARG(u->group))
                   : arena_strndup(a, u->resource.p, u->resource.n);
    struct json *d = json_new(a, JSON_OBJECT);
    if (u->name.n)
        json_set_str(a, d, "name", u->name);
    if (u->group.n)
        json_set_str(a, d, "group", u->group);
    json_set_str(a, d, "kind", u->resource);
    if (!scope || !name || !what) {
        fail_memory(r);
        return;
    }
    const char *quoted = u->name.n ? arena_printf(a, " \"" STR_FMT "\"", STR_ARG(u->name)) : "";
    fail_status(r, 403, "Forbidden", d,
                "%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"" STR_FMT
                "\"%s",
                what, quoted ? quoted : "", r->user.name, u->verb, name, STR_ARG(u->group), scope);
}

int auth_authorize(struct api_request *r)
{
    const struct url *u = &r->url;
    const char *reason, *group = arena_strndup(&r->arena, u->group.p ? u->group.p : "", u->group.n);
    const char *path = u->is_resource ? NULL : arena_strndup(&r->arena, u->path.p, u->path.n);
    const char *resource =
        arena_strndup(&r->arena, u->resource.p ? u->resource.p : "", u->resource.n);
    if (r->arena.failed)
        return fail_memory(r);
    if (is_open(r) || auth_allows(&r->user, u->verb, group, resource, path, &reason))
        return 0;
    if (u->is_resource)
        forbid_resource(r);
    else
        fail_status(r, 403, "Forbidden", json_new(&r->arena, JSON_OBJECT),
                    "forbidden: User \"%s\" cannot %s path \"" STR_FMT "\"", r->user.name, u->verb,
                    STR_ARG(u->path));
    return -E_FORBIDDEN;
}
