/* Which webhooks there are. See webhook.h. */
#include "api/admission/webhook.h"

#define GROUP  "admissionregistration.k8s.io"
#define PREFIX "/" GROUP "/"

static void changed(void *ctx, const struct store_event *e)
{
    struct hooks *h = ctx;
    (void)e;
    hook_index_unref(h->index);
    h->index = NULL;
}

static void index_free(struct hook_index *x)
{
    for (size_t i = 0; i < x->mutating_count; i++)
        webhook_close(&x->mutating[i]);
    for (size_t i = 0; i < x->validating_count; i++)
        webhook_close(&x->validating[i]);
    arena_done(&x->arena);
    mem_free(x);
}

static void bury(void *ctx)
{
    struct hooks *h = ctx;
    while (h->dead) {
        struct hook_index *x = h->dead;
        h->dead = x->next;
        index_free(x);
    }
}

void hook_index_unref(struct hook_index *x)
{
    if (!x || --x->refs)
        return;
    x->next = x->owner->dead;
    x->owner->dead = x;
    loop_timer_set(x->owner->loop, &x->owner->bury, 0);
}

int hooks_new(struct api *api)
{
    struct hooks *h = mem_zalloc(sizeof *h);
    if (!h)
        return -E_NOMEM;
    api->hooks = h;
    h->loop = api->loop;
    loop_timer_init(&h->bury, bury, h);
    return store_watch_new(api->store, STR(PREFIX), store_revision(api->store), changed, h,
                           &h->watch);
}

void hooks_free(struct api *api)
{
    struct hooks *h = api->hooks;
    if (!h)
        return;
    if (h->watch)
        store_watch_free(h->watch);
    hook_index_unref(h->index);
    loop_timer_cancel(h->loop, &h->bury);
    bury(h);
    mem_free(h);
    api->hooks = NULL;
}

/* ---- reading ---- */

struct reading {
    struct hook_index *x;
    struct webhook *at; /* NULL: only counted */
    size_t count;
    int rc;
};

static int read_webhook(struct arena *a, const struct json *spec, struct webhook *h)
{
    const char *effects = json_path_cstr(spec, "sideEffects");
    *h = (struct webhook){
        .name = json_path_cstr(spec, "name"),
        .spec = spec,
        .ignores_failure = cstr_eq(json_path_cstr(spec, "failurePolicy"), "Ignore"),
        .reinvoked = cstr_eq(json_path_cstr(spec, "reinvocationPolicy"), "IfNeeded"),
        .dry_run = cstr_eq(effects, "None") || cstr_eq(effects, "NoneOnDryRun"),
        .timeout_s = (int)json_path_i64(spec, "timeoutSeconds", WEBHOOK_TIMEOUT_S)};
    if (h->timeout_s < 1 || h->timeout_s > 30)
        h->timeout_s = WEBHOOK_TIMEOUT_S;
    for (const struct json *v = json_first(json_get(spec, "admissionReviewVersions"));
         v && !h->review_version; v = v->next)
        h->review_version = str_is(json_str(v), "v1")        ? "v1"
                            : str_is(json_str(v), "v1beta1") ? "v1beta1"
                                                             : NULL;
    return match_conditions_read(a, json_get(spec, "matchConditions"), SCOPE_WEBHOOK,
                                 &h->conditions);
}

/* By the key, which is the order of the configurations' names. */
static bool read_configuration(void *ctx, struct store_value *v)
{
    struct reading *r = ctx;
    struct json *o;
    r->rc = json_parse(&r->x->arena, store_value_bytes(v), &json_options_trusted, &o, NULL);
    for (const struct json *m = json_first(json_get(o, "webhooks")); m && r->rc == 0; m = m->next) {
        if (r->at)
            r->rc = read_webhook(&r->x->arena, m, &r->at[r->count]);
        r->count++;
    }
    return r->rc == 0;
}

static int read_all(struct api *api, struct hook_index *x, const char *prefix, const char *end,
                    struct webhook **ret, size_t *ret_count)
{
    struct store_snapshot *snap;
    struct reading r = {.x = x};
    int rc = store_snapshot_take(api->store, &snap);
    if (rc < 0)
        return rc;
    store_snapshot_range(snap, str_of(prefix), str_of(end), read_configuration, &r);
    struct webhook *all = arena_zalloc(&x->arena, (r.count + 1) * sizeof *all);
    size_t count = r.count;
    if (all && r.rc == 0 && count) {
        r = (struct reading){.x = x, .at = all};
        store_snapshot_range(snap, str_of(prefix), str_of(end), read_configuration, &r);
    }
    store_snapshot_release(snap);
    *ret = all;
    *ret_count = r.rc == 0 ? count : 0;
    return all ? r.rc : -E_NOMEM;
}

static int index_read(struct api *api, struct hook_index *x)
{
    int rc = read_all(api, x, PREFIX "mutatingwebhookconfigurations/",
                      PREFIX "mutatingwebhookconfigurations0", &x->mutating, &x->mutating_count);
    if (rc == 0)
        rc = read_all(api, x, PREFIX "validatingwebhookconfigurations/",
                      PREFIX "validatingwebhookconfigurations0", &x->validating,
                      &x->validating_count);
    return rc ? rc : policies_read(api, x);
}

int hook_index_get(struct api *api, struct hook_index **ret)
{
    struct hooks *h = api->hooks;
    if (!h->index) {
        struct hook_index *x = mem_zalloc(sizeof *x);
        if (!x)
            return -E_NOMEM;
        x->refs = 1;
        x->owner = h;
        arena_init(&x->arena, LIMIT_REQUEST_ARENA);
        int rc = index_read(api, x);
        if (rc < 0) {
            hook_index_unref(x);
            return rc;
        }
        h->index = x;
    }
    h->index->refs++;
    *ret = h->index;
    return 0;
}
