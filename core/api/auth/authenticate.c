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

bool user_add_group(struct arena *a, struct user *u, const char *group)
{
    if (group && user_in(u, group))
        return true;
    if (u->group_count == u->group_room) {
        size_t room = u->group_room ? u->group_room * 2 : 4;
        const char **groups = room <= USER_GROUPS ? arena_alloc(a, room * sizeof *groups) : NULL;
        if (!groups)
            return false;
        if (u->group_count)
            memcpy(groups, u->groups, u->group_count * sizeof *groups);
        u->groups = groups;
        u->group_room = room;
    }
    if (!group)
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
        fits = user_add_group(&r->arena, u, arena_strdup(&r->arena, groups[i])) && fits;
    fits = user_add_group(&r->arena, u, "system:authenticated") && fits;
    if (r->arena.failed)
        return fail_memory(r);
    return fits ? 0 : fail_unauthorized(r);
}

static int take_certificate(struct api_request *r, const struct api_peer *peer)
{
    struct arena *a = &r->arena;
    if (peer->cert_fingerprint) {
        r->user.extra = json_new(a, JSON_OBJECT);
        json_append(a,
                    json_array_at(a, r->user.extra, "authentication.kubernetes.io/credential-id"),
                    json_new_cstr(a, arena_printf(a, "X509SHA256=%s", peer->cert_fingerprint)));
    }
    return take_peer(r, peer->cert_user, peer->cert_groups);
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
        return take_certificate(r, peer);
    if (bearer)
        return authenticate_token(r, header);
    if (header.n || !auth_path_open(r))
        return fail_unauthorized(r);
    u->name = "system:anonymous";
    u->uid = "";
    user_add_group(&r->arena, u, "system:unauthenticated");
    return r->arena.failed ? fail_memory(r) : 0;
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
    for (const struct json *m = json_first(r->as->extra); m && rc == 0; m = m->next)
        for (const struct json *v = json_first(m); v && rc == 0; v = v->next)
            rc = may_act_as(r, "authentication.k8s.io", "userextras", m->key.p, "", json_cstr(v));
    return rc;
}

static bool complete_groups(struct arena *a, struct user *u, const char *account_ns)
{
    bool fits = true;
    if (!u->group_count && account_ns) {
        fits = user_add_group(a, u, "system:serviceaccounts");
        fits = user_add_group(a, u, arena_printf(a, "system:serviceaccounts:%s", account_ns)) && fits;
    }
    if (cstr_eq(u->name, "system:anonymous"))
        return user_add_group(a, u, "system:unauthenticated") && fits;
    return user_in(u, "system:unauthenticated") ||
           (user_add_group(a, u, "system:authenticated") && fits);
}

int auth_impersonate(struct api_request *r)
{
    const char *ns = NULL, *name = NULL;
    const struct user *as = r->as;
    int rc;
    if (!as) /* never as oneself for want of memory */
        return r->arena.failed ? fail_memory(r) : 0;
    if (!as->name[0])
        return fail_bad_request(r, "requested groups, uid or extra without impersonating a user");
    if (r->as_too_many)
        return fail_bad_request(r, "more groups than can be impersonated at once");
    if (split_account(&r->arena, as->name, &ns, &name))
        rc = may_act_as(r, "", "serviceaccounts", "", ns, name);
    else
        rc = may_act_as(r, "", "users", "", "", as->name);
    for (size_t i = 0; i < as->group_count && rc == 0; i++)
        rc = may_act_as(r, "", "groups", "", "", as->groups[i]);
    if (rc == 0 && as->uid[0])
        rc = may_act_as(r, "authentication.k8s.io", "uids", "", "", as->uid);
    if (rc == 0)
        rc = check_extra(r);
    if (rc != 0)
        return rc;
    if (!complete_groups(&r->arena, r->as, ns) || r->arena.failed)
        return fail_memory(r);
    r->user = *r->as;
    return 0;
}

/* The key of an extra is percent-encoded. */
static void read_extra(struct arena *a, struct user *as, struct str encoded, const char *value)
{
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
    if (!as->extra)
        as->extra = json_new(a, JSON_OBJECT);
    json_append(a, json_array_at(a, as->extra, key), json_new_cstr(a, value));
}

/* Names are in lower case. Without memory the request ends when it is authorized. */
void auth_read_impersonation(struct api_request *r, const struct api_header *h)
{
    struct arena *a = &r->arena;
    const char *value = arena_strndup(a, h->value.p, h->value.n);
    static const char extra[] = "impersonate-extra-";
    if (!r->as && (r->as = arena_zalloc(a, sizeof *r->as)))
        r->as->name = r->as->uid = "";
    struct user *as = r->as;
    if (!value || !as)
        return;
    if (str_is(h->name, "impersonate-user"))
        as->name = value;
    else if (str_is(h->name, "impersonate-uid"))
        as->uid = value;
    else if (str_is(h->name, "impersonate-group"))
        r->as_too_many = !user_add_group(a, as, value) || r->as_too_many;
    else if (str_starts(h->name, str_of(extra)))
        read_extra(a, as, str_make(h->name.p + sizeof extra - 1, h->name.n - (sizeof extra - 1)),
                   value);
}
