/*
 * May they. In upstream's order: the administrators (system:masters) may do anything; nodes what
 * the node authorizer says; then roles and bindings decide.
 */
#include "api/audit/audit.h"
#include "api/auth/auth.h"

enum { REASON_BYTES = 8192 };

/* Quoted, and without what a browser would take for markup. */
static const char *quoted(struct arena *a, const char *text)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, REASON_BYTES);
    buf_putc(&b, '"');
    for (; *text; text++)
        if (*text == '&')
            buf_puts(&b, "&amp;");
        else if (*text == '<')
            buf_puts(&b, "&lt;");
        else if (*text == '>')
            buf_puts(&b, "&gt;");
        else if (*text == '"' || *text == '\\')
            buf_printf(&b, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            buf_printf(&b, "\\x%02x", (unsigned)*text);
        else
            buf_putc(&b, *text);
    buf_putc(&b, '"');
    const char *kept = b.failed ? NULL : arena_strdup(a, buf_cstr(&b));
    return kept ? kept : "\"\"";
}

bool auth_allows(struct api *api, const struct auth_ask *ask, struct buf *reason)
{
    if (user_in(ask->user, "system:masters"))
        return true;
    if (node_authorizer_allows(api, ask, reason))
        return true;
    return api->rbac && rbac_allows(api->rbac, ask, reason);
}

static void forbid(struct api_request *r, const struct auth_ask *ask, const char *reason)
{
    struct arena *a = &r->arena;
    struct json *d = json_new(a, JSON_OBJECT);
    const char *user = quoted(a, ask->user->name), *colon = reason[0] ? ": " : "";
    if (!ask->is_resource) {
        fail_status(r, 403, "Forbidden", d, "forbidden: User %s cannot %s path %s%s%s", user,
                    ask->verb, quoted(a, ask->path), colon, reason);
        return;
    }
    const char *scope = ask->ns[0] ? arena_printf(a, " in the namespace \"%s\"", ask->ns)
                                   : " at the cluster scope";
    const char *name = ask->name[0] ? arena_printf(a, " \"%s\"", ask->name) : "";
    if (ask->name[0])
        json_set_cstr(a, d, "name", ask->name);
    if (ask->group[0])
        json_set_cstr(a, d, "group", ask->group);
    json_set_cstr(a, d, "kind", ask->resource);
    if (!scope || !name || a->failed) {
        fail_memory(r);
        return;
    }
    fail_status(r, 403, "Forbidden", d,
                "%s%s%s%s is forbidden: User %s cannot %s resource \"%s%s%s\" in API group "
                "\"%s\"%s%s%s",
                ask->resource, ask->group[0] ? "." : "", ask->group, name, user, ask->verb,
                ask->resource, ask->subresource[0] ? "/" : "", ask->subresource, ask->group, scope,
                colon, reason);
}

static const char *text_of(struct arena *a, struct str s)
{
    const char *t = s.n ? arena_strndup(a, s.p, s.n) : "";
    return t ? t : "";
}

/* Read by the parser that the list itself uses: an escaped comma begins no term. */
struct str auth_selected(struct arena *a, struct str selector, const char *field)
{
    struct selector_fields f;
    if (!selector.n || selector_fields_parse(a, selector, &f, NULL) < 0)
        return STR("");
    for (uint32_t i = 0; i < f.count; i++)
        if (f.terms[i].equal && str_is(f.terms[i].field, field))
            return f.terms[i].value;
    return STR("");
}

int auth_ask_of(struct api_request *r, struct auth_ask *ret)
{
    const struct url *u = &r->url;
    struct arena *a = &r->arena;
    struct str selector = url_param(u, "fieldSelector");
    bool namespace = str_is(u->resource, "namespaces") && !u->group.n;
    *ret = (struct auth_ask){
        .user = &r->user,
        .verb = u->verb,
        .is_resource = u->is_resource,
        .group = text_of(a, u->group),
        .version = text_of(a, u->version),
        .resource = text_of(a, u->resource),
        .subresource = text_of(a, u->subresource),
        /* A namespace lies in itself: who may read in it may read it. */
        .ns = text_of(a, namespace ? u->name : u->ns),
        /* A list of one name is a question about that object. */
        .name = text_of(a, u->name.n ? u->name : auth_selected(a, selector, "metadata.name")),
        .path = text_of(a, u->path),
        .field_selector = selector,
    };
    return r->arena.failed ? fail_memory(r) : 0;
}

int auth_require(struct api_request *r, const struct auth_ask *ask)
{
    struct buf reason CLEANUP_BUF;
    buf_init(&reason, REASON_BYTES);
    bool allowed = auth_allows(r->api, ask, &reason);
    audit_annotate(r, "authorization.k8s.io/decision", allowed ? "allow" : "forbid");
    audit_annotate(r, "authorization.k8s.io/reason", buf_cstr(&reason));
    if (allowed)
        return 0;
    forbid(r, ask, buf_len(&reason) ? buf_cstr(&reason) : "");
    return -E_FORBIDDEN;
}

int auth_require_verb(struct api_request *r, const char *verb)
{
    struct auth_ask ask;
    int rc = auth_ask_of(r, &ask);
    ask.verb = verb;
    return rc ? rc : auth_require(r, &ask);
}

int auth_authorize(struct api_request *r)
{
    struct auth_ask ask;
    if (user_in(&r->user, "system:masters") || (!r->api->ready && auth_path_open(r))) {
        audit_annotate(r, "authorization.k8s.io/decision", "allow");
        audit_annotate(r, "authorization.k8s.io/reason", "");
        return 0;
    }
    int rc = auth_ask_of(r, &ask);
    return rc ? rc : auth_require(r, &ask);
}
