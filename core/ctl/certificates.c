/*
 * CertificateSigningRequests: those of nodes for their client certificates are approved when an
 * access review says so, approved ones of Kubernetes' own signers are signed by the role keys, and
 * old ones are deleted. A question to the API or to keys is remembered until its answer comes,
 * which brings the request's key back.
 *
 *   undecided --review allows--> approved --keys grants--> certificate
 *                                        \--keys refuses-> Failed
 */
#include "ctl/ctl_int.h"
#include "ctl/question.h"
#include "port/crypto.h"

static const char group[] = "certificates.k8s.io";

enum {
    PENDING_S = 24 * 3600, /* how long upstream keeps them */
    DECIDED_S = 3600,
    LIFE_S = 365 * 24 * 3600,
    REQUEST_MOST = 64 * 1024,
    PEM_MOST = 32 * 1024,
};

struct certificates {
    struct ctl_unit unit;
    struct cache *requests;
    struct questions questions;
};

/* ---- what a request is ---- */

static bool is_true(const struct json *request, const char *type)
{
    return str_is(json_path_str(ctl_condition(request, type), "status"), "True");
}

static const struct {
    const char *name;
    enum ctl_signer signer;
} signers[] = {
    {"kubernetes.io/kube-apiserver-client", CTL_SIGNER_CLIENT},
    {"kubernetes.io/kube-apiserver-client-kubelet", CTL_SIGNER_CLIENT_KUBELET},
    {"kubernetes.io/kubelet-serving", CTL_SIGNER_KUBELET_SERVING},
};

static enum ctl_signer signer_of(const struct json *request)
{
    struct str name = json_path_str(request, "spec.signerName");
    for (size_t i = 0; i < sizeof signers / sizeof signers[0]; i++)
        if (str_is(name, signers[i].name))
            return signers[i].signer;
    return CTL_SIGNER_NONE;
}

static unsigned usages_of(const struct json *request)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"digital signature", CTL_USAGE_SIGNATURE},
                 {"key encipherment", CTL_USAGE_ENCIPHERMENT},
                 {"client auth", CTL_USAGE_CLIENT},
                 {"server auth", CTL_USAGE_SERVER}};
    unsigned bits = 0;
    for (const struct json *u = json_first(json_path(request, "spec.usages")); u; u = u->next) {
        unsigned bit = CTL_USAGE_OTHER;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (str_is(json_str(u), known[i].name))
                bit = known[i].bit;
        bits |= bit;
    }
    return bits;
}

static struct str request_pem(struct arena *a, const struct json *request)
{
    struct str text = json_path_str(request, "spec.request");
    char *to = text.n <= REQUEST_MOST ? arena_alloc(a, text.n / 4 * 3 + 4) : NULL;
    size_t n;
    return to && base64_decode(to, &n, text) == 0 ? str_make(to, n) : STR("");
}

/* A node's request for its client certificate; *ret_self: the node itself asks. */
static bool is_node_client(struct arena *a, const struct json *request, bool *ret_self)
{
    struct csr_info *info = arena_zalloc(a, sizeof *info);
    unsigned usage = usages_of(request);
    if (!info || signer_of(request) != CTL_SIGNER_CLIENT_KUBELET ||
        csr_parse(request_pem(a, request), info, NULL) < 0)
        return false;
    *ret_self = str_is(json_path_str(request, "spec.username"), info->common_name);
    return info->org_count == 1 && cstr_eq(info->orgs[0], "system:nodes") &&
           str_starts(str_of(info->common_name), STR("system:node:")) && !info->dns_count &&
           !info->ip_count && !info->other_names && (usage & CTL_USAGE_CLIENT) &&
           !(usage & (CTL_USAGE_SERVER | CTL_USAGE_OTHER));
}

/* ---- approval ---- */

static void reviewed(void *ctx, const struct client_reply *reply)
{
    struct question *q = ctx;
    struct arena a CLEANUP_ARENA;
    struct json *answer = NULL;
    arena_init(&a, REQUEST_MOST);
    if (!question_take(q, reply->rc))
        return;
    if (reply->rc == 0 && json_parse(&a, reply->body, NULL, &answer, NULL) == 0)
        q->allowed = json_path_bool(answer, "status.allowed", false);
    question_answered(q);
}

static int ask_review(struct certificates *c, struct arena *a, const char *key,
                      const struct json *request, bool self)
{
    struct question *q = question_new(&c->questions, key, json_path_cstr(request, "metadata.uid"), 0);
    struct json *review = json_new(a, JSON_OBJECT), *spec = json_object_at(a, review, "spec"),
                *what = json_object_at(a, spec, "resourceAttributes");
    static const char *const same[] = {"uid", "groups", "extra"};
    struct buf body CLEANUP_BUF;
    buf_init(&body, REQUEST_MOST);
    json_set_cstr(a, spec, "user", json_path_cstr(request, "spec.username"));
    for (size_t i = 0; i < 3; i++) {
        const struct json *from = json_get(json_get(request, "spec"), same[i]);
        if (from)
            json_set(a, spec, same[i], json_clone(a, from));
    }
    json_set_cstr(a, what, "verb", "create");
    json_set_cstr(a, what, "group", group);
    json_set_cstr(a, what, "version", "*");
    json_set_cstr(a, what, "resource", "certificatesigningrequests");
    json_set_cstr(a, what, "subresource", self ? "selfnodeclient" : "nodeclient");
    json_write(&body, review);
    struct client_request r = {.method = "POST",
                               .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                               .body = buf_str(&body)};
    int rc = !q || body.failed || a->failed ? -E_NOMEM
                                            : client_do(&c->unit.client, &r, reviewed, q, &q->call);
    if (rc < 0 && q)
        question_free(q);
    return rc;
}

static void set_condition(struct arena *a, struct json *request, const char *type,
                          const char *reason, const char *message, const char *now)
{
    struct json *list = json_array_at(a, json_object_at(a, request, "status"), "conditions");
    struct json *c = json_append(a, list, json_new(a, JSON_OBJECT));
    json_set_cstr(a, c, "type", type);
    json_set_cstr(a, c, "status", "True");
    json_set_cstr(a, c, "reason", reason);
    json_set_cstr(a, c, "message", message);
    json_set_cstr(a, c, "lastUpdateTime", now);
    json_set_cstr(a, c, "lastTransitionTime", now);
}

static void write_part(struct certificates *c, struct plan *p, struct arena *a,
                       const struct json *request, const char *subresource)
{
    char *path = client_path(a, group, "v1", NULL, "certificatesigningrequests",
                             json_path_cstr(request, "metadata.name"), subresource);
    if (path)
        plan_update(p, path, request, c->requests);
}

static int approve(struct certificates *c, struct arena *a, struct plan *p, const char *key,
                   struct json *request, struct question *q)
{
    bool self = false;
    if (!is_node_client(a, request, &self))
        return 0;
    if (!q)
        return ask_review(c, a, key, request, self);
    int rc = q->rc;
    if (rc == 0 && q->allowed) {
        set_condition(a, request, "Approved", "AutoApproved",
                      self ? "Auto approving self kubelet client certificate after "
                             "SubjectAccessReview."
                           : "Auto approving kubelet client certificate after "
                             "SubjectAccessReview.",
                      plan_now_text(p));
        write_part(c, p, a, request, "approval");
    }
    question_free(q);
    return rc;
}

/* ---- signing ---- */

static void granted(void *arg, int rc, struct str pem, struct str why)
{
    struct question *q = arg;
    if (!question_take(q, rc))
        return;
    buf_append_str(&q->text, pem);
    str_copy(q->why, sizeof q->why, why);
    question_answered(q);
}

static int ask_grant(struct certificates *c, struct arena *a, const char *key,
                     const struct json *request)
{
    struct ctl *ctl = c->unit.ctl;
    int64_t seconds = json_path_i64(request, "spec.expirationSeconds", LIFE_S);
    struct ctl_grant g = {.signer = signer_of(request),
                          .usage = usages_of(request),
                          .csr_pem = request_pem(a, request),
                          .seconds = (uint32_t)(seconds < LIFE_S ? seconds : LIFE_S)};
    struct question *q = question_new(&c->questions, key, json_path_cstr(request, "metadata.uid"), PEM_MOST);
    if (!q)
        return -E_NOMEM;
    q->is_grant = true;
    int rc = ctl->grant(ctl->client_ctx, &g, granted, q);
    if (rc < 0)
        question_free(q);
    return rc;
}

static int sign(struct certificates *c, struct arena *a, struct plan *p, const char *key,
                struct json *request, struct question *q)
{
    if (!c->unit.ctl->grant || signer_of(request) == CTL_SIGNER_NONE)
        return 0;
    if (!q)
        return ask_grant(c, a, key, request);
    int rc = q->rc;
    bool refused = rc == -E_FORBIDDEN || rc == -E_INVALID || rc == -E_BAD_REQUEST;
    if (rc == 0 && !q->text.failed) {
        struct str pem = buf_str(&q->text);
        char *text = arena_alloc(a, base64_encoded_size(pem.n));
        if (text) {
            size_t n = base64_encode(text, pem.p, pem.n);
            json_set_str(a, json_object_at(a, request, "status"), "certificate", str_make(text, n));
            write_part(c, p, a, request, "status");
        }
    } else if (refused) {
        set_condition(a, request, "Failed", "SignerValidationFailure", q->why, plan_now_text(p));
        write_part(c, p, a, request, "status");
        rc = 0;
    }
    question_free(q);
    return rc;
}

/* ---- the whole ---- */

/* Upstream's cleaner: what nobody needs any more goes. True: the request goes now. */
static bool expire(struct certificates *c, struct arena *a, struct plan *p, struct object *o,
                   const struct json *request)
{
    bool decided = is_true(request, "Approved") || is_true(request, "Denied") ||
                   is_true(request, "Failed");
    int64_t age = plan_now_s(p) - ctl_time(json_path(request, "metadata.creationTimestamp"));
    int64_t most = decided ? DECIDED_S : PENDING_S;
    char *path = client_path(a, group, "v1", NULL, "certificatesigningrequests", o->name, NULL);
    if (age >= most && path)
        plan_delete(p, path, o, NULL, c->requests);
    else
        plan_requeue(p, (most - age) * 1000 + 1000);
    return age >= most;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct certificates *c = ctx;
    const char *none, *name;
    int rc = controller_key(a, key, &none, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct question *q = question_find(&c->questions, key);
    struct object *o = cache_get(c->requests, "", name);
    if (q && !q->answered)
        return 0;
    if (q && (!o || !cstr_eq(o->uid, q->uid))) {
        question_free(q);
        q = NULL;
    }
    if (!o || o->deleting)
        return 0;
    struct json *request = object_json(o, a);
    if (!request)
        return err_set(err, E_NOMEM, "out of memory");
    bool approved = is_true(request, "Approved");
    bool over = is_true(request, "Denied") || is_true(request, "Failed") ||
                json_path_str(request, "status.certificate").n;
    if (q && (over || q->is_grant != approved)) { /* the answer to another question */
        question_free(q);
        q = NULL;
    }
    if (expire(c, a, p, o, request) || over)
        return 0;
    rc = approved ? sign(c, a, p, key, request, q) : approve(c, a, p, key, request, q);
    return rc < 0 ? err_set(err, -rc, "certificate request: %s", err_text(rc)) : 0;
}

static void done(struct ctl_unit *u)
{
    questions_done(&((struct certificates *)u)->questions, &u->client);
}

int certificates_start(struct ctl *ctl)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(ctl, sizeof(struct certificates), "certificates", reconcile, &u);
    if (rc < 0)
        return rc;
    struct certificates *c = (struct certificates *)u;
    questions_init(&c->questions, u->controller);
    u->done = done;
    return ctl_unit_listen(u, "/apis/certificates.k8s.io/v1/certificatesigningrequests",
                           ctl_enqueue_self, &c->requests);
}
