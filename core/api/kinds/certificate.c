/*
 * CertificateSigningRequest (pkg/registry/certificates): who asks is noted by us, what is asked is
 * fixed; who may approve or sign for a signer says so by the verbs "approve" and "sign" on it.
 */
#include "api/auth/auth.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

enum { REQUEST_MOST = 64 * 1024, SHORTEST_S = 600 };

static const char *const usages[] = {
    "any",           "cert sign",        "client auth",     "code signing",
    "content commitment", "crl sign",    "data encipherment", "decipher only",
    "digital signature", "email protection", "encipher only", "ipsec end system",
    "ipsec tunnel",  "ipsec user",       "key agreement",   "key encipherment",
    "microsoft sgc", "netscape sgc",     "ocsp signing",    "s/mime",
    "server auth",   "signing",          "timestamping",    NULL};

/* ---- who asks ---- */

static void prepare_create(struct write *w)
{
    const struct user *u = &w->r->user;
    struct json *spec = json_object_at(w->a, w->object, "spec"), *groups;
    static const char *const own[] = {"username", "uid", "groups", "extra"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        json_remove(spec, own[i]);
    json_set_cstr(w->a, spec, "username", u->name);
    if (u->uid && u->uid[0])
        json_set_cstr(w->a, spec, "uid", u->uid);
    groups = json_array_at(w->a, spec, "groups");
    for (size_t i = 0; i < u->group_count; i++)
        json_append(w->a, groups, json_new_cstr(w->a, u->groups[i]));
    if (json_count(u->extra))
        json_set(w->a, spec, "extra", json_clone(w->a, u->extra));
}

static bool is_decision(const struct json *condition)
{
    struct str type = json_path_str(condition, "type");
    return str_is(type, "Approved") || str_is(type, "Denied");
}

/* Through status the decision stays as it is. */
static void keep_decisions(struct write *w)
{
    struct json *now = json_array_at(w->a, json_object_at(w->a, w->object, "status"), "conditions");
    for (uint32_t i = json_count(now); i-- > 0;)
        if (is_decision(json_at(now, i)))
            json_remove_at(now, i);
    uint32_t at = 0;
    for (const struct json *c = json_first(json_path(w->old, "status.conditions")); c; c = c->next)
        if (is_decision(c))
            json_insert_at(now, at++, json_clone(w->a, c));
}

static void prepare_update(struct write *w)
{
    if (!w->subresource[0])
        json_set(w->a, w->object, "spec", json_clone(w->a, json_get(w->old, "spec")));
    if (cstr_eq(w->subresource, "status"))
        keep_decisions(w);
    for (struct json *c = json_first(json_path(w->object, "status.conditions")); c; c = c->next) {
        set_missing(w->a, c, "lastUpdateTime", w->now);
        set_missing(w->a, c, "lastTransitionTime", w->now);
    }
}

/* ---- what is asked ---- */

/* The PEM text of spec.request; "" when it is no base64. */
static struct str request_text(struct write *w)
{
    struct str text = json_path_str(w->object, "spec.request");
    char *to = text.n && text.n <= REQUEST_MOST ? arena_alloc(w->a, text.n / 4 * 3 + 4) : NULL;
    size_t n;
    return to && base64_decode(to, &n, text) == 0 ? str_make(to, n) : STR("");
}

static bool known_usage(struct str u)
{
    for (size_t i = 0; usages[i]; i++)
        if (str_is(u, usages[i]))
            return true;
    return false;
}

static void validate_usages(struct write *w, const struct field *f)
{
    const struct json *list = json_path(w->object, "spec.usages");
    uint32_t i = 0;
    if (!json_count(list))
        field_required(&w->errors, f, "");
    for (const struct json *u = json_first(list); u; u = u->next, i++) {
        if (!known_usage(json_str(u)))
            field_unsupported(&w->errors, FIELD_AT(f, i), json_str(u), usages);
        for (const struct json *v = json_first(list); v != u; v = v->next)
            if (str_eq(json_str(u), json_str(v)))
                field_duplicate(&w->errors, FIELD_AT(f, i), json_str(u));
    }
}

static void validate_signer(struct write *w, const struct field *f)
{
    struct str signer = json_path_str(w->object, "spec.signerName");
    ptrdiff_t slash = str_find_byte(signer, '/');
    if (!signer.n) {
        field_required(&w->errors, f, "");
    } else if (slash < 0 || (size_t)slash + 1 == signer.n) {
        field_invalid_str(&w->errors, f, signer,
                          "must be a fully qualified domain and path of the form "
                          "'example.com/signer-name'");
    } else {
        field_check_name(&w->errors, f, str_make(signer.p, (size_t)slash), names_dns1123_subdomain);
        if (str_is(signer, "kubernetes.io/legacy-unknown"))
            field_invalid_str(&w->errors, f, signer,
                              "the legacy signerName is not allowed via this API version");
    }
}

static void validate_conditions(struct write *w)
{
    const struct field *f = FIELD(FIELD(NULL, "status"), "conditions");
    const struct json *list = json_path(w->object, "status.conditions");
    bool approved = false, denied = false;
    uint32_t i = 0;
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        struct str type = json_path_str(c, "type"), status = json_path_str(c, "status");
        static const char *const only[] = {"True", NULL};
        static const char *const any[] = {"False", "True", "Unknown", NULL};
        bool final = is_decision(c) || str_is(type, "Failed");
        if (!type.n)
            field_required(&w->errors, FIELD(FIELD_AT(f, i), "type"), "");
        if (final && !str_is(status, "True"))
            field_unsupported(&w->errors, FIELD(FIELD_AT(f, i), "status"), status, only);
        else if (!str_is(status, "True") && !str_is(status, "False") && !str_is(status, "Unknown"))
            field_unsupported(&w->errors, FIELD(FIELD_AT(f, i), "status"), status, any);
        approved = approved || str_is(type, "Approved");
        denied = denied || str_is(type, "Denied");
        if (approved && denied && is_decision(c))
            field_invalid_str(&w->errors, FIELD(FIELD_AT(f, i), "type"), type,
                              "Approved and Denied conditions are mutually exclusive");
    }
}

static void validate(struct write *w)
{
    const struct field *spec = FIELD(NULL, "spec");
    CLEANUP_FREE struct csr_info *info = mem_zalloc(sizeof *info);
    struct err err = {0};
    const struct json *seconds = json_path(w->object, "spec.expirationSeconds");
    if (!w->is_create) {
        validate_conditions(w);
        return;
    }
    if (!info || csr_parse(request_text(w), info, &err) < 0)
        field_invalid(&w->errors, FIELD(spec, "request"), json_path(w->object, "spec.request"),
                      err.text);
    validate_usages(w, FIELD(spec, "usages"));
    validate_signer(w, FIELD(spec, "signerName"));
    if (!json_absent(seconds) && json_i64(seconds, 0) < SHORTEST_S)
        field_invalid_int(&w->errors, FIELD(spec, "expirationSeconds"), json_i64(seconds, 0),
                          "may not specify a duration less than 600 seconds (10 minutes)");
}

static bool has_condition(const struct json *object, struct str type)
{
    for (const struct json *c = json_first(json_path(object, "status.conditions")); c; c = c->next)
        if (str_eq(json_path_str(c, "type"), type))
            return true;
    return false;
}

static void validate_update(struct write *w)
{
    const struct field *status = FIELD(NULL, "status");
    const struct json *now = json_path(w->object, "status.certificate"),
                      *was = json_path(w->old, "status.certificate");
    for (const struct json *c = json_first(json_path(w->old, "status.conditions")); c; c = c->next) {
        struct str type = json_path_str(c, "type");
        bool final = is_decision(c) || str_is(type, "Failed");
        const char *why = arena_printf(w->a, "updates may not remove a condition of type \"" STR_FMT
                                             "\"", STR_ARG(type));
        if (final && !has_condition(w->object, type) && why)
            field_forbidden(&w->errors, FIELD(status, "conditions"), why);
    }
    if (json_str(was).n && !json_equal(now, was))
        field_forbidden(&w->errors, FIELD(status, "certificate"),
                        json_str(now).n ? "updates may not modify existing certificate content"
                                        : "updates may not clear existing certificate content");
}

/* ---- admission: who may say so ---- */

static bool may(struct write *w, const char *verb, const char *name)
{
    struct auth_ask ask = {.user = &w->r->user,
                           .verb = verb,
                           .is_resource = true,
                           .group = "certificates.k8s.io",
                           .version = "v1",
                           .resource = "signers",
                           .subresource = "",
                           .ns = "",
                           .name = name,
                           .path = ""};
    return auth_allows(w->api, &ask, NULL);
}

/* On the signer itself, or on all of its domain. */
static int require(struct write *w, const char *verb)
{
    const char *signer = json_path_cstr(w->old, "spec.signerName");
    struct str domain = str_of(signer);
    ptrdiff_t slash = str_find_byte(domain, '/');
    domain.n = slash < 0 ? domain.n : (size_t)slash;
    const char *all = arena_printf(w->a, STR_FMT "/*", STR_ARG(domain));
    const char *why = arena_printf(w->a, "user not permitted to %s requests with signerName \"%s\"",
                                   verb, signer);
    if (!all || !why)
        return fail_memory(w->r);
    if (may(w, verb, signer) || may(w, verb, all))
        return 0;
    return fail_forbidden(w->r, w->resource, w->name, why);
}

static int restrict_subject(struct write *w)
{
    CLEANUP_FREE struct csr_info *info = mem_zalloc(sizeof *info);
    if (!str_is(json_path_str(w->object, "spec.signerName"), "kubernetes.io/kube-apiserver-client"))
        return 0;
    if (!info || csr_parse(request_text(w), info, NULL) < 0)
        return fail_memory(w->r);
    for (size_t i = 0; i < info->org_count; i++)
        if (cstr_eq(info->orgs[i], "system:masters"))
            return fail_forbidden(w->r, w->resource, w->name,
                                  "use of kubernetes.io/kube-apiserver-client signer with "
                                  "system:masters group is not allowed");
    return 0;
}

static bool changed(const struct write *w, const char *path)
{
    const struct json *now = json_path(w->object, path), *was = json_path(w->old, path);
    return (json_is(now, JSON_STRING) ? json_str(now).n : json_count(now)) !=
               (json_is(was, JSON_STRING) ? json_str(was).n : json_count(was)) ||
           (now && was && !json_equal(now, was));
}

static int commit(struct write *w)
{
    if (w->is_create)
        return restrict_subject(w);
    if (cstr_eq(w->subresource, "approval"))
        return require(w, "approve");
    if (cstr_eq(w->subresource, "status") &&
        (changed(w, "status.certificate") || changed(w, "status.conditions")))
        return require(w, "sign");
    return 0;
}

static const struct kind_field fields[] = {{SELECTABLE("spec.signerName")}, {.selector = NULL}};

const struct kind kind_certificate_request = {.group = "certificates.k8s.io",
                                              .resource = "certificatesigningrequests",
                                              .flags = KIND_STATUS,
                                              .fields = fields,
                                              .prepare_create = prepare_create,
                                              .prepare_update = prepare_update,
                                              .validate = validate,
                                              .validate_update = validate_update,
                                              .commit = commit};
