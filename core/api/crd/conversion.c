#include "api/crd/conversion.h"

struct conversions { /* api->conversions */
    struct api *api;
    struct map converted; /* struct converted by where the stored bytes are and the version */
    struct list jobs, hooks, dead;
    struct loop_timer bury;
};

/* One value as another version. Lives as long as a set holds it; keeps its value, so that where the
 * bytes lie names them. */
struct converted {
    uint32_t refs;
    struct store_value *value;
    struct str bytes; /* stored form, behind the struct */
    struct conversion_key {
        const char *at;
        const struct crd_version *to;
    } key;
};

struct conversion_set { /* what one job made, for all who waited for it */
    uint32_t refs;
    struct conversions *owner;
    struct crd *crd; /* keeps the version */
    size_t count;
    struct converted *all[];
};

struct conversion_wait { /* api_request->conversion */
    struct list link;    /* of the job's waiters while it is under way */
    struct api_request *r;
    struct conversion_job *job;
    struct conversion_set *set; /* what the request may decode now */
    void (*again)(struct api_request *r);
    void (*failed)(struct api_request *r, const char *message);
    void (*go_on)(struct write *w); /* of an object for the store */
};

struct conversion_job {
    struct list link;
    struct conversions *owner;
    struct list waiters;
    struct conversion_review *review;
    struct crd *crd;
    const struct crd_version *to;
    size_t count; /* 0: an object for the store */
    struct store_value *values[CONVERSION_BATCH];
};

/* ---- what was converted ---- */

static struct str key_of(const struct conversion_key *k)
{
    return str_make((const char *)k, sizeof *k);
}

static struct converted *lookup(const struct conversions *c, const char *at,
                                const struct crd_version *to)
{
    struct conversion_key k = {at, to};
    return map_get(&c->converted, key_of(&k));
}

static void converted_unref(struct conversions *c, struct converted *v)
{
    if (!v || --v->refs)
        return;
    map_remove(&c->converted, key_of(&v->key));
    store_value_unref(v->value);
    mem_free(v);
}

static void set_unref(struct conversion_set *s)
{
    if (!s || --s->refs)
        return;
    for (size_t i = 0; i < s->count; i++)
        converted_unref(s->owner, s->all[i]);
    crd_unref(s->crd);
    mem_free(s);
}

/* Stored form of a converted object; changes the tree. */
static struct converted *converted_new(struct conversions *c, struct arena *a,
                                       struct store_value *value, const struct crd_version *to,
                                       struct json *object)
{
    struct converted *v = lookup(c, store_value_bytes(value).p, to);
    struct buf bytes CLEANUP_BUF;
    buf_init(&bytes, 2 * (size_t)LIMIT_OBJECT_BYTES);
    if (v) {
        v->refs++;
        return v;
    }
    if (object_encode(a, to->main, object, &bytes) < 0)
        return NULL;
    v = mem_alloc(sizeof *v + buf_len(&bytes));
    if (!v)
        return NULL;
    memcpy(v + 1, buf_str(&bytes).p, buf_len(&bytes));
    *v = (struct converted){.refs = 1,
                            .value = store_value_ref(value),
                            .bytes = str_make((char *)(v + 1), buf_len(&bytes)),
                            .key = {store_value_bytes(value).p, to}};
    if (map_set(&c->converted, key_of(&v->key), v, NULL) == 0)
        return v;
    store_value_unref(value);
    mem_free(v);
    return NULL;
}

static struct conversion_set *set_new(struct conversion_job *j, const struct json *objects)
{
    struct conversion_set *s = mem_zalloc(sizeof *s + j->count * sizeof s->all[0]);
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (!s)
        return NULL;
    s->refs = 1;
    s->owner = j->owner;
    s->crd = crd_ref(j->crd);
    for (const struct json *o = json_first(objects); o; o = o->next) {
        struct json *copy = json_clone(&a, o);
        struct converted *v =
            copy ? converted_new(j->owner, &a, j->values[s->count], j->to, copy) : NULL;
        if (!v) {
            set_unref(s);
            return NULL;
        }
        s->all[s->count++] = v;
        arena_clear(&a);
    }
    return s;
}

/* ---- which version is it ---- */

/* "group/version" behind the last member, where object_encode put it; empty: stored before there
 * was one. */
static struct str version_in(struct str stored)
{
    static const char member[] = ",\"apiVersion\":\"";
    struct str end = STR("\"}");
    size_t m = sizeof member - 1;
    if (!str_ends(stored, end))
        return STR("");
    size_t at = stored.n - end.n;
    while (at > 0 && stored.p[at - 1] != '"')
        at--;
    if (at < m || memcmp(stored.p + at - m, member, m) != 0)
        return STR("");
    struct str version = str_make(stored.p + at, stored.n - end.n - at);
    for (size_t i = 0; i < version.n; i++)
        if (version.p[i] == '/')
            return str_make(version.p + i + 1, version.n - i - 1);
    return STR("");
}

static struct str stored_version(const struct crd *c, struct str stored)
{
    struct str version = version_in(stored);
    return version.n ? version : str_of(c->versions[c->storage].name);
}

int conversion_find(const struct crd_version *to, struct str stored, struct str *ret)
{
    const struct crd *c = to->crd;
    *ret = stored;
    if (!c->webhook || str_is(stored_version(c, stored), to->name))
        return 0;
    const struct conversions *all = c->hook ? c->hook->owner : NULL;
    const struct converted *v = all ? lookup(all, stored.p, to) : NULL;
    if (!v)
        return -E_UNAVAILABLE;
    *ret = v->bytes;
    return 0;
}

bool conversion_ready(const struct schema_resource *res, struct str stored)
{
    struct str bytes;
    const struct crd_version *to = crd_of(res);
    return !to || conversion_find(to, stored, &bytes) == 0;
}

bool conversion_asks(const struct api_request *r, const struct schema_resource *res)
{
    const struct crd_version *to = crd_of(res);
    bool reads = cstr_eq(r->url.verb, "get") || cstr_eq(r->url.verb, "list") ||
                 cstr_eq(r->url.verb, "watch");
    return to && to->crd->webhook && !(reads && r->accept.form == FORM_PARTIAL);
}

const struct schema_resource *conversion_storage(const struct schema_resource *res)
{
    const struct crd_version *v = crd_of(res);
    return v ? v->crd->versions[v->crd->storage].main : res;
}

/* ---- the webhook ---- */

static void bury(void *ctx)
{
    struct conversions *c = ctx;
    struct conversion_hook *h, *next;
    LIST_EACH_SAFE(h, next, &c->dead, link) {
        webhook_close(&h->hook);
        list_remove(&h->link);
        mem_free(h);
    }
}

/* Maybe within a callback of one of its own connections: those are closed by the loop. */
void conversion_hook_drop(struct conversion_hook *h)
{
    if (!h)
        return;
    list_remove(&h->link);
    if (!h->owner) {
        mem_free(h);
        return;
    }
    list_push_back(&h->owner->dead, &h->link);
    loop_timer_set(h->owner->api->loop, &h->owner->bury, 0);
}

static struct conversion_hook *hook_of(struct conversions *c, struct crd *crd)
{
    if (crd->hook)
        return crd->hook;
    struct conversion_hook *h = mem_zalloc(sizeof *h);
    if (!h)
        return NULL;
    h->owner = c;
    h->hook = (struct webhook){.name = crd->name, .spec = crd->webhook, .timeout_s = CONVERSION_TIMEOUT_S};
    list_push_back(&c->hooks, &h->link);
    crd->hook = h;
    return h;
}

int conversions_new(struct api *api)
{
    struct conversions *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    c->api = api;
    list_init(&c->jobs);
    list_init(&c->hooks);
    list_init(&c->dead);
    loop_timer_init(&c->bury, bury, c);
    api->conversions = c;
    return 0;
}

/* The requests are gone, and with them the jobs. */
void conversions_free(struct api *api)
{
    struct conversions *c = api->conversions;
    struct conversion_hook *h, *next;
    if (!c)
        return;
    LIST_EACH_SAFE(h, next, &c->hooks, link) {
        webhook_close(&h->hook);
        list_remove(&h->link);
        h->owner = NULL;
    }
    loop_timer_cancel(api->loop, &c->bury);
    bury(c);
    map_done(&c->converted, NULL);
    mem_free(c);
    api->conversions = NULL;
}

/* ---- jobs ---- */

static void job_free(struct conversion_job *j)
{
    list_remove(&j->link);
    conversion_review_free(j->review);
    for (size_t i = 0; i < j->count; i++)
        store_value_unref(j->values[i]);
    crd_unref(j->crd);
    mem_free(j);
}

static struct conversion_wait *wait_of(struct api_request *r)
{
    if (!r->conversion) {
        r->conversion = mem_zalloc(sizeof *r->conversion);
        if (r->conversion) {
            r->conversion->r = r;
            list_init(&r->conversion->link);
        }
    }
    return r->conversion;
}

static void stop_waiting(struct conversion_wait *w)
{
    struct conversion_job *j = w->job;
    w->job = NULL;
    list_remove(&w->link);
    if (j && list_empty(&j->waiters))
        job_free(j);
}

void conversion_release(struct api_request *r)
{
    struct conversion_wait *w = r->conversion;
    r->conversion = NULL;
    if (!w)
        return;
    stop_waiting(w);
    set_unref(w->set);
    mem_free(w);
}

/* As upstream answers errors that have no status of their own. */
static int fail_conversion(struct api_request *r, const char *message)
{
    return fail_status(r, 500, "", NULL, "%s", message);
}

static void take_failure(struct conversion_wait *w, const char *message)
{
    if (w->failed)
        w->failed(w->r, message);
    else
        fail_conversion(w->r, message);
}

static void take_stored_form(struct conversion_wait *wait, const struct json *objects)
{
    struct write *w = wait->r->write;
    w->stored_form = json_clone(w->a, json_first(objects));
    if (w->stored_form)
        wait->go_on(w);
    else
        fail_memory(wait->r);
}

static void done(void *ctx, const struct json *objects, const char *message)
{
    struct conversion_job *j = ctx;
    struct conversion_set *s = objects && j->count ? set_new(j, objects) : NULL;
    struct list waiters;
    list_init(&waiters);
    while (!list_empty(&j->waiters)) {
        struct conversion_wait *w = LIST_FIRST(&j->waiters, struct conversion_wait, link);
        w->job = NULL;
        list_remove(&w->link);
        list_push_back(&waiters, &w->link);
    }
    while (!list_empty(&waiters)) {
        struct conversion_wait *w = LIST_FIRST(&waiters, struct conversion_wait, link);
        struct api_request *r = w->r;
        list_remove(&w->link);
        request_enter(r);
        if (s) {
            s->refs++;
            set_unref(w->set);
            w->set = s;
        }
        if (!objects)
            take_failure(w, message);
        else if (!j->count)
            take_stored_form(w, objects);
        else if (s)
            w->again(r);
        else
            fail_memory(r);
        request_leave(r);
    }
    set_unref(s);
    job_free(j);
}

static int begin(struct conversion_job *j, struct conversion_wait *w, const struct json *objects,
                 struct err *err)
{
    struct conversion_hook *h = hook_of(j->owner, j->crd);
    int rc = h ? conversion_review_new(j->owner->api, j->crd, h, j->to, objects, done, j, &j->review, err)
               : err_set(err, E_NOMEM, "out of memory");
    if (rc < 0) {
        job_free(j);
        return rc;
    }
    w->job = j;
    list_push_back(&j->waiters, &w->link);
    return 0;
}

static struct conversion_job *job_new(struct conversions *c, const struct crd_version *to)
{
    struct conversion_job *j = mem_zalloc(sizeof *j);
    if (!j)
        return NULL;
    j->owner = c;
    j->to = to;
    j->crd = crd_ref((struct crd *)to->crd);
    list_init(&j->waiters);
    list_push_back(&c->jobs, &j->link);
    return j;
}

/* ---- values for readers ---- */

/* A call under way that brings just this value. */
static struct conversion_job *job_for(const struct conversions *c, const struct crd_version *to,
                                      const struct store_value *v)
{
    struct conversion_job *j;
    LIST_EACH(j, &c->jobs, link)
        if (j->to == to && j->count == 1 && j->values[0] == v)
            return j;
    return NULL;
}

/* As it is stored: in its own version. */
static struct json *as_stored(struct arena *a, const struct crd_version *to, struct store_value *v)
{
    struct json *o, *whole = json_new(a, JSON_OBJECT);
    const struct crd *c = to->crd;
    struct str bytes = store_value_bytes(v), version = stored_version(c, bytes);
    if (json_parse(a, bytes, NULL, &o, NULL) < 0)
        return NULL;
    json_remove(o, "apiVersion");
    json_set_cstr(a, whole, "kind", to->names.kind);
    json_set_cstr(a, whole, "apiVersion", arena_printf(a, "%s/" STR_FMT, c->group, STR_ARG(version)));
    for (const struct json *m = json_first(o); m; m = m->next)
        json_set_key(a, whole, m->key, json_clone(a, m));
    json_set_cstr(a, json_get(whole, "metadata"), "resourceVersion",
                  arena_printf(a, "%lld", (long long)v->mod_revision));
    return a->failed ? NULL : whole;
}

/* Those that are not ready, up to a batch. */
static int fill(struct conversion_job *j, struct arena *a, const struct schema_resource *res,
                struct store_value *const *values, size_t count, struct json **ret_objects)
{
    size_t bytes = 0;
    *ret_objects = json_new(a, JSON_ARRAY);
    for (size_t i = 0; i < count && j->count < CONVERSION_BATCH; i++) {
        struct str stored = store_value_bytes(values[i]);
        if (conversion_ready(res, stored))
            continue;
        if (j->count && bytes + stored.n > CONVERSION_BATCH_BYTES)
            break;
        struct json *o = as_stored(a, j->to, values[i]);
        if (!o)
            return -E_NOMEM;
        json_append(a, *ret_objects, o);
        j->values[j->count++] = store_value_ref(values[i]);
        bytes += stored.n;
    }
    return a->failed ? -E_NOMEM : 0;
}

static bool all_ready(const struct schema_resource *res, struct store_value *const *values,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!conversion_ready(res, store_value_bytes(values[i])))
            return false;
    return true;
}

int conversion_prepare(struct api_request *r, const struct schema_resource *res,
                       struct store_value *const *values, size_t count,
                       void (*again)(struct api_request *r),
                       void (*failed)(struct api_request *r, const char *message))
{
    struct conversions *c = r->api->conversions;
    const struct crd_version *to = crd_of(res);
    struct err err = {0};
    if (!to || !to->crd->webhook || all_ready(res, values, count))
        return 0;
    struct conversion_wait *w = wait_of(r);
    if (!w)
        return fail_memory(r);
    if (w->job) /* what it waits for brings it back */
        return -E_AGAIN;
    w->again = again;
    w->failed = failed;
    struct conversion_job *j = count == 1 ? job_for(c, to, values[0]) : NULL;
    if (j) {
        w->job = j;
        list_push_back(&j->waiters, &w->link);
        return -E_AGAIN;
    }
    struct arena a CLEANUP_ARENA;
    struct json *objects;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    j = job_new(c, to);
    int rc = j ? fill(j, &a, res, values, count, &objects) : -E_NOMEM;
    if (rc < 0) {
        if (j)
            job_free(j);
        return fail_memory(r);
    }
    rc = begin(j, w, objects, &err);
    if (rc < 0)
        take_failure(w, err.text);
    return -E_AGAIN;
}

/* ---- objects for the store ---- */

int conversion_for_store(struct write *w, void (*go_on)(struct write *w))
{
    const struct schema_resource *storage = conversion_storage(w->resource);
    const struct crd_version *v = crd_of(w->resource);
    struct err err = {0};
    w->stored_form = NULL;
    if (!v || !v->crd->webhook || storage == w->resource)
        return 0;
    struct conversion_wait *wait = wait_of(w->r);
    struct conversion_job *j = wait ? job_new(w->api->conversions, crd_of(storage)) : NULL;
    struct json *objects = json_new(w->a, JSON_ARRAY);
    json_append(w->a, objects, json_clone(w->a, w->object));
    if (!j || w->a->failed) {
        if (j)
            job_free(j);
        return fail_memory(w->r);
    }
    wait->go_on = go_on;
    wait->failed = NULL;
    int rc = begin(j, wait, objects, &err);
    return rc < 0 ? fail_conversion(w->r, err.text) : -E_AGAIN;
}
