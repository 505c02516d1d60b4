/*
 * /healthz, /livez, /readyz: one line, or with ?verbose one a check; each check also by its name.
 *
 * Names are upstream's, so that what watches a cluster finds them; behind each is what does that job
 * here. Where upstream waits until a copy of the store's objects is complete (informers), this API
 * server reads the store itself: it is in step when the store is.
 */
#include "api/api_int.h"

struct check {
    const char *name;
    bool (*good)(const struct api *api);
    bool ready_only;
};

static bool always(const struct api *api)
{
    (void)api;
    return true;
}

/* A store that failed closes its role, so being asked at all says that it has not; a full disk
 * shows. */
static bool store_good(const struct api *api)
{
    return store_revision(api->store) > 0;
}

static bool bootstrapped(const struct api *api)
{
    return api->ready;
}

static const struct check checks[] = {
    {"ping", always, false},
    {"log", always, false},
    {"etcd", store_good, false},
    {"etcd-readiness", store_good, true},
    {"informer-sync", store_good, true},
    {"poststarthook/start-kube-apiserver-admission-initializer", store_good, false},
    {"poststarthook/generic-apiserver-start-informers", store_good, false},
    {"poststarthook/priority-and-fairness-config-producer", bootstrapped, false},
    {"poststarthook/start-apiextensions-informers", store_good, false},
    {"poststarthook/start-apiextensions-controllers", store_good, false},
    {"poststarthook/crd-informer-synced", store_good, false},
    {"poststarthook/bootstrap-controller", bootstrapped, false},
    {"poststarthook/start-system-namespaces-controller", bootstrapped, false},
    {"poststarthook/rbac/bootstrap-roles", bootstrapped, false},
    {"poststarthook/scheduling/bootstrap-system-priority-classes", bootstrapped, false},
    {"poststarthook/start-cluster-authentication-info-controller", bootstrapped, false},
    {"poststarthook/start-service-ip-repair-controllers", store_good, false},
    {"poststarthook/start-kube-aggregator-informers", store_good, false},
    {"poststarthook/apiservice-registration-controller", store_good, false},
    {"poststarthook/apiservice-status-available-controller", store_good, false},
    {"poststarthook/kube-apiserver-autoregistration", store_good, false},
    {"autoregister-completion", store_good, false},
    {"poststarthook/apiservice-openapi-controller", store_good, false},
    {"shutdown", always, true},
};

/* Is the check among those that the request does not ask for? */
static bool excluded(const struct api_request *r, const char *name)
{
    for (size_t i = 0; i < r->url.param_count; i++)
        if (str_is(r->url.params[i].name, "exclude") && str_is(r->url.params[i].value, name))
            return true;
    return false;
}

static bool known(struct str name)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (str_is(name, checks[i].name))
            return true;
    return false;
}

static bool run_checks(struct api_request *r, bool ready, struct buf *out)
{
    bool good = true;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const struct check *c = &checks[i];
        if (c->ready_only && !ready)
            continue;
        if (excluded(r, c->name)) {
            buf_printf(out, "[+]%s excluded: ok\n", c->name);
            continue;
        }
        bool ok = c->good(r->api);
        good = good && ok;
        buf_printf(out, "[%c]%s %s\n", ok ? '+' : '-', c->name,
                   ok ? "ok" : "failed: reason withheld");
    }
    for (size_t i = 0; i < r->url.param_count; i++)
        if (str_is(r->url.params[i].name, "exclude") && !known(r->url.params[i].value))
            buf_printf(out,
                       "warn: some health checks cannot be excluded: no matches for \"%.*s\"\n",
                       (int)(r->url.params[i].value.n < 200 ? r->url.params[i].value.n : 200),
                       r->url.params[i].value.p);
    return good;
}

static void answer_one(struct api_request *r, struct str name)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (str_is(name, checks[i].name)) {
            bool ok = checks[i].good(r->api);
            reply_bytes(r, ok ? 200 : 500, "text/plain; charset=utf-8",
                        ok ? STR("ok") : STR("internal server error: reason withheld"));
            return;
        }
    fail_no_route(r);
}

void health_handle(struct api_request *r)
{
    struct str path = str_make(r->url.path.p + 1, r->url.path.n - 1), what;
    struct buf out CLEANUP_BUF;
    buf_init(&out, 16384);
    if (!cstr_eq(r->url.verb, "get")) {
        fail_method(r);
        return;
    }
    if (!str_split(&path, '/', &what))
        what = STR("healthz");
    if (path.n) {
        answer_one(r, path);
        return;
    }
    bool good = run_checks(r, str_is(what, "readyz"), &out);
    buf_printf(&out, STR_FMT " check %s\n", STR_ARG(what), good ? "passed" : "failed");
    bool verbose = url_param(&r->url, "verbose").p != NULL;
    reply_bytes(r, good ? 200 : 500, "text/plain; charset=utf-8",
                good && !verbose ? STR("ok") : buf_str(&out));
}
