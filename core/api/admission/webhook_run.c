/*
 * A write through its webhooks. Mutating ones are called one after the other, each seeing what
 * those before it made, and those that ask for it once more when something changed after them;
 * validating ones all at once. As upstream's plugin/webhook/{mutating,validating}/dispatcher.go.
 */
#include "api/admission/webhook.h"
#include "api/metrics.h"
#include "api/crd/crd.h"
#include "codec/patch.h"

struct hook_call {
    struct hook_run *run;
    struct webhook *hook;
    struct webhook_call *call;        /* under way, or NULL */
    const struct schema_resource *as; /* what it was told that the object is */
    struct json *shown;               /* the object as it was sent */
    char uid[37];
    int64_t began_us;
    bool previous, again; /* called before, to be called again when something changes; is to be */
};

struct failure {
    int http;
    const char *reason, *message;
    struct json *details;
};

struct hook_run {
    struct hook_request q;
    const struct hook_ops *ops;
    struct hook_index *index;
    struct hook_call *calls;
    size_t count, at, waiting;
    bool mutating, second, changed;
    struct json *last_output; /* of the first round */
    struct failure failure;   /* the first one of those called together */
};

void hooks_release(struct write *w)
{
    struct hook_run *run = w->hooks;
    if (!run)
        return;
    w->hooks = NULL;
    for (size_t i = 0; i < run->count; i++)
        webhook_call_free(run->calls[i].call);
    hook_index_unref(run->index);
}

/* ---- how it can end ---- */

static struct json *causes(struct arena *a, const char *message)
{
    struct json *details = json_new(a, JSON_OBJECT), *cause = json_new(a, JSON_OBJECT);
    json_set_cstr(a, cause, "message", message);
    json_append(a, json_array_at(a, details, "causes"), cause);
    return details;
}

static struct failure internal(struct hook_run *run, const char *message)
{
    struct arena *a = &run->q.w->r->arena;
    message = message ? message : "out of memory";
    return (struct failure){500, "InternalError",
                            arena_printf(a, "Internal error occurred: %s", message),
                            causes(a, message)};
}

static int answer(struct hook_run *run, const struct failure *f)
{
    struct api_request *r = run->q.w->r;
    struct json *details = f->details ? json_clone(&r->arena, f->details) : NULL;
    return fail_status(r, f->http, f->reason, details, "%s",
                       f->message ? f->message : "out of memory");
}

/* What a call that failed means; false: nothing. */
static bool call_failed(struct hook_call *c, const char *what, const char *why, struct failure *ret)
{
    struct hook_run *run = c->run;
    if (c->hook->ignores_failure)
        return false;
    *ret = internal(run, arena_printf(&run->q.w->r->arena, "failed calling webhook \"%s\": %s: %s",
                                      c->hook->name, what, why));
    return true;
}

/* ---- is it called? ---- */

static struct failure refused(int http, const char *reason, const char *message)
{
    return (struct failure){http, reason, message ? message : "out of memory", NULL};
}

static bool conditions_fail(struct hook_call *c, struct json *object, struct json *old, int *ret,
                            struct failure *f)
{
    struct hook_run *run = c->run;
    struct arena *a = &run->q.w->r->arena;
    struct match_scope scope;
    struct err err = {0};
    *ret = 1;
    if (!c->hook->conditions.count)
        return false;
    int rc = match_scope_init(&scope, &run->q, c->as, object, old, &err);
    rc = rc < 0 ? rc : match_conditions_hold(&c->hook->conditions, &scope, &err);
    *ret = rc > 0;
    if (rc >= 0 || (c->hook->ignores_failure && rc != -E_NOMEM))
        return false;
    const char *group = schema_resource_group(run->q.resource);
    *f = refused(403, "Forbidden",
                 arena_printf(a, "%s%s%s \"" STR_FMT "\" is forbidden: %s",
                              schema_resource_plural(run->q.resource), group[0] ? "." : "", group,
                              STR_ARG(run->q.name), err.text));
    return true;
}

/* 1: it is to be called, with *ret_body; 0: it does not concern it; -1: *f. */
static int consider(struct hook_call *c, struct str *ret_body, struct failure *f)
{
    struct hook_run *run = c->run;
    struct hook_request *q = &run->q;
    struct arena *a = &q->w->r->arena;
    struct json *old;
    int concerned, rc = match_resources(q, c->hook->spec, "rules", &c->as);
    if (rc == -E_NOT_FOUND) {
        *f = refused(404, "NotFound",
                     arena_printf(a, "namespaces \"" STR_FMT "\" not found", STR_ARG(q->ns)));
        return -1;
    }
    if (rc != 1)
        return 0;
    if (match_convert(q, q->resource, c->as, q->object, &c->shown) < 0 ||
        match_convert(q, q->resource, c->as, q->old, &old) < 0) {
        *f = internal(run, "the object could not be converted");
        return -1;
    }
    if (conditions_fail(c, c->shown, old, &concerned, f))
        return -1;
    if (!concerned)
        return 0;
    if (q->w->r->dry_run && !c->hook->dry_run) {
        *f = refused(400, "BadRequest",
                     arena_printf(a, "admission webhook \"%s\" does not support dry run",
                                  c->hook->name));
        return -1;
    }
    if (!c->hook->review_version) {
        bool fails = call_failed(c, "could not create admission objects",
                                 "webhook does not accept known AdmissionReview versions (v1, v1beta1)", f);
        return fails ? -1 : 0;
    }
    crypto_uuid(c->uid);
    *ret_body = review_write(c->hook, q, c->as, c->shown, old, c->uid);
    if (!ret_body->p) {
        *f = internal(run, NULL);
        return -1;
    }
    return 1;
}

/* ---- patches ---- */

static int check_object(struct hook_run *run, struct json *object, struct err *err)
{
    struct write *w = run->q.w;
    const struct schema_resource *res = run->q.resource;
    const struct schema_type *type = schema_resource_type(res);
    int rc = type ? schema_check(w->a, type, object, SCHEMA_IGNORE, NULL, err)
                  : crd_check(w->a, res, object, SCHEMA_IGNORE, NULL, err);
    if (rc == 0 && type)
        rc = schema_default(w->a, type, object);
    return rc;
}

/* Takes what a webhook made of the object; false: *f. */
static bool take_patch(struct hook_call *c, struct json *patch, struct failure *f)
{
    struct hook_run *run = c->run;
    struct arena *a = run->q.w->a;
    struct json *copy, *made;
    struct err err = {0};
    if (!patch || !json_count(patch))
        return true;
    if (!run->q.object) {
        *f = internal(run, arena_printf(a,
                                        "admission webhook \"%s\" attempted to modify the object, "
                                        "which is not supported for this operation",
                                        c->hook->name));
        return false;
    }
    copy = json_clone(a, c->shown);
    int rc = copy ? patch_json(a, copy, patch, &made, &err) : -E_NOMEM;
    if (rc == 0 && !json_is(made, JSON_OBJECT))
        rc = err_set(&err, E_INVALID, "the patch leaves no object behind");
    if (rc == 0 && (rc = match_convert(&run->q, c->as, run->q.resource, made, &made)) == 0)
        rc = check_object(run, made, &err);
    if (rc < 0) {
        *f = internal(run, err.text[0] ? err.text : err_text(rc));
        return false;
    }
    if (!json_equal(made, run->q.object)) {
        run->changed = true;
        for (size_t i = 0; i < run->count; i++) {
            run->calls[i].again = run->calls[i].again || run->calls[i].previous;
            run->calls[i].previous = false;
        }
    }
    run->q.object = made;
    return true;
}

/* ---- one after the other ---- */

static void on_answer(void *ctx, int rc, struct str body, const char *message);

/* 1: under way; 0: passed over; -1: *f. */
static int start(struct hook_call *c, struct failure *f)
{
    struct hook_run *run = c->run;
    struct err err = {0};
    struct str body;
    int rc = consider(c, &body, f);
    if (rc != 1)
        return rc;
    c->began_us = api_now_us(run->q.w->api);
    rc = webhook_call_new(run->q.w->api, c->hook, body, on_answer, c, &c->call, &err);
    if (rc == 0) {
        run->waiting++;
        return 1;
    }
    return call_failed(c, "failed to call webhook", err.text, f) ? -1 : 0;
}

/* The second round is for those before whose eyes the object changed. */
static int begin_second(struct hook_run *run)
{
    struct write *w = run->q.w;
    run->second = true;
    run->at = 0;
    run->last_output = json_clone(w->a, run->q.object);
    if (run->ops->settle && run->ops->settle(w, &run->q.object) != 0)
        return -1;
    if (!json_equal(run->q.object, run->last_output))
        for (size_t i = 0; i < run->count; i++)
            run->calls[i].again = run->calls[i].again || run->calls[i].previous;
    return 0;
}

/* 1: done; 0: a call is under way; -1: answered. */
static int go_through(struct hook_run *run)
{
    for (;;) {
        while (run->at < run->count) {
            struct hook_call *c = &run->calls[run->at++];
            struct failure f;
            if (run->second && !c->again)
                continue;
            c->again = false;
            int rc = start(c, &f);
            if (rc < 0)
                answer(run, &f);
            if (rc)
                return rc < 0 ? -1 : 0;
        }
        if (run->second || !run->changed)
            return 1;
        if (begin_second(run) != 0)
            return -1;
    }
}

static void finish(struct hook_run *run)
{
    struct write *w = run->q.w;
    const struct hook_ops *ops = run->ops;
    struct json *object = run->q.object;
    if (run->failure.http) {
        answer(run, &run->failure);
        return;
    }
    hooks_release(w);
    ops->go_on(w, object);
}

/* What a call says; false: *f refuses the write. */
static bool take(struct hook_call *c, int rc, struct str body, const char *message,
                 struct failure *f)
{
    struct hook_run *run = c->run;
    struct write *w = run->q.w;
    struct hook_verdict v;
    struct err err = {0};
    if (rc < 0)
        return !call_failed(c, "failed to call webhook", message, f);
    if (review_read(c->hook, w, body, run->mutating, c->uid, &v, &err) < 0)
        return !call_failed(c, "received invalid webhook response", err.text, f);
    if (v.http) {
        *f = (struct failure){v.http, v.reason, v.message, v.details};
        return false;
    }
    return !run->mutating || take_patch(c, v.patch, f);
}

static void on_answer(void *ctx, int rc, struct str body, const char *message)
{
    struct hook_call *c = ctx;
    struct hook_run *run = c->run;
    struct api_request *r = run->q.w->r;
    struct failure f;
    request_enter(r);
    bool fine = take(c, rc, body, message, &f);
    webhook_call_free(c->call);
    c->call = NULL;
    run->waiting--;
    struct api_metrics_hook seen = {.name = c->hook->name,
                                    .operation = run->q.operation,
                                    .error_type = rc < 0 ? "calling_webhook_error" : "no_error",
                                    .mutating = run->mutating,
                                    .rejected = !fine,
                                    .code = fine ? 0 : f.http,
                                    .began_us = c->began_us};
    api_metrics_webhook(r->api, &seen);
    if (run->mutating && !fine) {
        answer(run, &f);
    } else if (run->mutating) {
        if (c->hook->reinvoked)
            c->previous = true;
        if (go_through(run) == 1)
            finish(run);
    } else {
        if (!fine && !run->failure.http)
            run->failure = f;
        if (!run->waiting)
            finish(run);
    }
    request_leave(r);
}

/* ---- the two ---- */

static int run_new(const struct hook_request *q, const struct hook_ops *ops,
                   struct hook_index *index, bool mutating, struct hook_run **ret)
{
    struct webhook *all = mutating ? index->mutating : index->validating;
    size_t count = mutating ? index->mutating_count : index->validating_count;
    struct hook_run *run = arena_zalloc(q->w->a, sizeof *run);
    struct hook_call *calls = arena_zalloc(q->w->a, (count + 1) * sizeof *calls);
    if (!run || !calls) {
        hook_index_unref(index);
        return fail_memory(q->w->r);
    }
    *run = (struct hook_run){.q = *q, .ops = ops, .index = index, .calls = calls, .count = count,
                             .mutating = mutating};
    for (size_t i = 0; i < count; i++) {
        calls[i].run = run;
        calls[i].hook = &all[i];
    }
    q->w->hooks = run;
    *ret = run;
    return 0;
}

/* The index, or NULL when there is nothing to do; nonzero: answered. */
static int index_for(const struct hook_request *q, bool mutating, struct hook_index **ret)
{
    struct hooks *h = q->w->api->hooks;
    struct hook_index *x;
    *ret = NULL;
    if (match_exempt(q))
        return 0;
    if (!h->index || h->index->mutating_count || h->index->validating_count ||
        h->index->policy_count) {
        if (hook_index_get(q->w->api, &x) < 0)
            return fail_memory(q->w->r);
        if (mutating ? x->mutating_count : x->validating_count || x->policy_count)
            *ret = x;
        else
            hook_index_unref(x);
    }
    return 0;
}

int hooks_mutate(const struct hook_request *q, const struct hook_ops *ops)
{
    struct hook_index *index;
    struct hook_run *run;
    int rc = index_for(q, true, &index);
    if (rc != 0 || !index)
        return rc;
    if ((rc = run_new(q, ops, index, true, &run)) != 0)
        return rc;
    if (go_through(run) != 1)
        return -E_AGAIN;
    hooks_release(q->w);
    return 0;
}

int hooks_validate(const struct hook_request *q, const struct hook_ops *ops)
{
    struct hook_index *index;
    struct hook_run *run;
    int rc = index_for(q, false, &index);
    if (rc != 0 || !index)
        return rc;
    if ((rc = run_new(q, ops, index, false, &run)) != 0)
        return rc;
    if ((rc = policies_judge(index, q)) != 0)
        return rc;
    for (size_t i = 0; i < run->count; i++) {
        struct failure f;
        if (start(&run->calls[i], &f) < 0 && !run->failure.http)
            run->failure = f;
    }
    if (run->waiting)
        return -E_AGAIN;
    if (run->failure.http)
        return answer(run, &run->failure);
    hooks_release(q->w);
    return 0;
}
