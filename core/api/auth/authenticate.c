/*
 * Who asks: a client certificate, a bearer token, or nobody; and whom they ask to act as. Without
 * credentials only health and version may be asked for; what is left of that is decided by roles
 * (system:public-info-viewer), as for everybody.
 */
#include "api/auth/auth.h"
#include "api/auth/tokens.h"

static const char *const open_paths[] = {"/healthz", "/livez", "/readyz", "/version"};

bool user_in(const struct user *u, const char *group)
{
    for (size_t i = 0; i < u->group_count; i++)
        if (cstr_eq(u->groups[i], group))
            return true;
    return false;
}

bool user_add_group(struct user *u, const char *group)
{
    if (!group)
        return false;
    if (user_in(u, group))
        return true;
    if (u->group_count == USER_GROUPS)
        return false;
    u->groups[u->group_count++] = group;
    return true;
}

bool auth_path_open(const struct api_request *r)
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
    bool fits = true;
    for (size_t i = 0; groups && groups[i]; i++)
        fits = user_add_group(u, arena_strdup(&r->arena, groups[i])) && fits;
    fits = user_add_group(u, "system:authenticated") && fits;
    if (r->arena.failed)
        return fail_memory(r);
    return fits ? 0 : fail_unauthorized(r);
}

static int authenticate_token(struct api_request *r, struct str header)
{
    struct err err = {0};
    struct str token = str_trim(str_make(header.p + 7, header.n - 7));
    int rc = tokens_verify(r->api, &r->arena, token, NULL, &r->user, &err);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    return rc < 0 ? fail_unauthorized(r) : 0;
}

int auth_authenticate(struct api_request *r, const struct api_peer *peer)
{
    struct user *u = &r->user;
    struct str header = str_of(peer->authorization ? peer->authorization : "");
    bool bearer = header.n > 7 && str_eq_nocase(str_make(header.p, 7), STR("Bearer "));
    if (peer->local_user)
        return take_peer(r, peer->local_user, peer->cert_groups);
    if (peer->cert_problem)
        return fail_unauthorized(r);
    if (peer->has_cert && peer->cert_user && peer->cert_user[0])
        return take_peer(r, peer->cert_user, peer->cert_groups);
    if (bearer)
        return authenticate_token(r, header);
    if (header.n || !auth_path_open(r))
        return fail_unauthorized(r);
    u->name = "system:anonymous";
    u->uid = "";
    user_add_group(u, "system:unauthenticated");
    return 0;
}

/* ---- impersonation ---- */

static int may_act_as(struct api_request *r, const char *group, const char *resource,
                      const char *subresource, const char *ns, const char *name)
{
    struct auth_ask ask = {.user = &r->user,
                           .verb = "impersonate",
                           .is_resource = true,
                           .group = group,
                           .version = "v1",
                           .resource = resource,
                           .subresource = subresource,
                           .ns = ns,
                           .name = name,
                           .path = ""};
    return auth_require(r, &ask);
}

/* "system:serviceaccount:NS:NAME" */
static bool split_account(struct arena *a, const char *user, const char **ret_ns,
                          const char **ret_name)
{
    static const char start[] = "system:serviceaccount:";
    struct str rest = str_of(user), ns;
    if (!str_starts(rest, str_of(start)))
        return false;
    rest = str_make(user + sizeof start - 1, rest.n - (sizeof start - 1));
    if (!str_split(&rest, ':', &ns) || !rest.n || !ns.n || str_find_byte(rest, ':') >= 0)
        return false;
    *ret_ns = arena_strndup(a, ns.p, ns.n);
    *ret_name = arena_strndup(a, rest.p, rest.n);
    return *ret_ns && *ret_name;
}

static int check_extra(struct api_request *r)
{
    int rc = 0;
    for (const struct json *m = json_first(r->as_extra); m && rc == 0; m = m->next)
        for (const struct json *v = json_first(m); v && rc == 0; v = v->next)
            rc = may_act_as(r, "authentication.k8s.io", "userextras", m->key.p, "", json_cstr(v));
    return rc;
}

static void complete_groups(struct arena *a, struct user *u, const char *account_ns)
{
    if (!u->group_count && account_ns) {
        user_add_group(u, "system:serviceaccounts");
        user_add_group(u, arena_printf(a, "system:serviceaccounts:%s", account_ns));
    }
    if (cstr_eq(u->name, "system:anonymous"))
        user_add_group(u, "system:unauthenticated");
    else if (!user_in(u, "system:unauthenticated"))
        user_add_group(u, "system:authenticated");
}

int auth_impersonate(struct api_request *r)
{
    const char *ns = NULL, *name = NULL;
    int rc;
    if (!r->as_user && !r->as_group_count && !r->as_uid && !r->as_extra)
        return 0;
    if (!r->as_user || !r->as_user[0])
        return fail_bad_request(r, "requested groups, uid or extra without impersonating a user");
    if (r->as_too_many)
        return fail_bad_request(r, "more groups than can be impersonated at once");
    if (split_account(&r->arena, r->as_user, &ns, &name))
        rc = may_act_as(r, "", "serviceaccounts", "", ns, name);
    else
        rc = may_act_as(r, "", "users", "", "", r->as_user);
    for (size_t i = 0; i < r->as_group_count && rc == 0; i++)
        rc = may_act_as(r, "", "groups", "", "", r->as_groups[i]);
    if (rc == 0 && r->as_uid)
        rc = may_act_as(r, "authentication.k8s.io", "uids", "", "", r->as_uid);
    if (rc == 0)
        rc = check_extra(r);
    if (rc != 0)
        return rc;
    struct user as = {.name = r->as_user, .uid = r->as_uid ? r->as_uid : "", .extra = r->as_extra};
    for (size_t i = 0; i < r->as_group_count; i++)
        user_add_group(&as, r->as_groups[i]);
    complete_groups(&r->arena, &as, ns);
    if (r->arena.failed)
        return fail_memory(r);
    r->user = as;
    return 0;
}

/* Header names are in lower case; the key of an extra is percent-encoded. */
static void read_extra(struct api_request *r, struct str encoded, const char *value)
{
    struct arena *a = &r->arena;
    char *key = arena_alloc(a, encoded.n + 1);
    size_t n = 0;
    for (size_t i = 0; key && i < encoded.n; i++) {
        uint8_t byte;
        if (encoded.p[i] == '%' && i + 2 < encoded.n &&
            hex_decode(&byte, 1, str_make(encoded.p + i + 1, 2)) == 0) {
            key[n++] = (char)byte;
            i += 2;
        } else {
            key[n++] = encoded.p[i];
        }
    }
    if (!key || !n)
        return;
    key[n] = 0;
    if (!r->as_extra)
        r->as_extra = json_new(a, JSON_OBJECT);
    json_append(a, json_array_at(a, r->as_extra, key), json_new_cstr(a, value));
}

void auth_read_impersonation(struct api_request *r, const struct api_header *h)
{
    const char *value = arena_strndup(&r->arena, h->value.p, h->value.n);
    static const char extra[] = "impersonate-extra-";
    if (!value)
        return;
    if (str_is(h->name, "impersonate-user"))
        r->as_user = value;
    else if (str_is(h->name, "impersonate-uid"))
        r->as_uid = value;
    else if (str_is(h->name, "impersonate-group") && r->as_group_count < USER_GROUPS - 2)
        r->as_groups[r->as_group_count++] = value;
    else if (str_is(h->name, "impersonate-group"))
        r->as_too_many = true;
    else if (str_starts(h->name, str_of(extra)))
        read_extra(r, str_make(h->name.p + sizeof extra - 1, h->name.n - (sizeof extra - 1)),
                   value);
}
