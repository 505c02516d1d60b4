/* /healthz, /livez, /readyz: one line, or with ?verbose one a check; each check also by its name.
 */
#include <stdio.h>

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
    {"store", store_good, false},
    {"poststarthook/bootstrap", bootstrapped, true},
};

void health_handle(struct api_request *r)
{
    struct str path = r->url.path, what, one;
    struct buf out CLEANUP_BUF;
    bool good = true, found = false;
    buf_init(&out, 4096);
    path = str_make(path.p + 1, path.n - 1);
    if (!str_split(&path, '/', &what))
        what = STR("healthz");
    one = path.p ? path : STR("");
    if (!cstr_eq(r->url.verb, "get")) {
        fail_method(r);
        return;
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const struct check *c = &checks[i];
        if ((one.n && !str_is(one, c->name)) || (c->ready_only && !one.n && str_is(what, "livez")))
            continue;
        bool ok = c->good(r->api);
        found = true;
        good = good && ok;
        buf_printf(&out, "[%c]%s %s\n", ok ? '+' : '-', c->name,
                   ok ? "ok" : "failed: reason withheld");
    }
    if (!found) {
        fail_no_route(r);
        return;
    }
    buf_printf(&out, STR_FMT " check %s\n", STR_ARG(what), good ? "passed" : "failed");
    bool verbose = url_param(&r->url, "verbose").p != NULL;
    reply_bytes(r, good ? 200 : 500, "text/plain; charset=utf-8",
                good && !verbose ? STR("ok") : buf_str(&out));
}
