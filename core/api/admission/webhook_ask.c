/* What goes through admission without being stored: evictions, tokens, connections. */
#include "api/admission/webhook.h"

static struct hook_request request(struct write *w)
{
    return (struct hook_request){.w = w,
                                 .operation = w->operation,
                                 .resource = w->r->resource,
                                 .ns = w->ns,
                                 .name = w->name,
                                 .object = w->view};
}

static void validated(struct write *w, struct json *object)
{
    (void)object;
    w->asked(w);
}

static const struct hook_ops validate_ops = {NULL, validated};

static void mutated(struct write *w, struct json *object)
{
    w->view = object;
    struct hook_request q = request(w);
    if (hooks_validate(&q, &validate_ops) == 0)
        w->asked(w);
}

int hooks_ask(struct write *w, const char *operation, void (*go_on)(struct write *w))
{
    static const struct hook_ops ops = {NULL, mutated};
    w->operation = operation;
    w->asked = go_on;
    struct hook_request q = request(w);
    int rc = hooks_mutate(&q, &ops);
    return rc ? rc : hooks_validate(&q, &validate_ops);
}

/* ---- CONNECT ---- */

static void put_param(struct arena *a, struct json *o, const struct url_param *p)
{
    static const char *const flags[] = {"stdin", "stdout", "stderr", "tty"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (str_is(p->name, flags[i])) {
            json_set_bool(a, o, flags[i], str_is(p->value, "1") || str_is(p->value, "true"));
            return;
        }
    if (str_is(p->name, "command")) {
        json_append(a, json_array_at(a, o, "command"), json_new_str(a, p->value));
    } else if (str_is(p->name, "ports")) {
        int64_t port;
        if (str_to_i64(p->value, &port) == 0)
            json_append(a, json_array_at(a, o, "ports"), json_new_i64(a, port));
    } else {
        json_set_key(a, o, p->name, json_new_str(a, p->value));
    }
}

int hooks_ask_connect(struct api_request *r, void (*go_on)(struct write *w))
{
    struct write *w = write_new(r, schema_resource_main(r->resource), r->url.ns, r->url.name);
    if (!w)
        return -E_NOMEM;
    struct json *o = json_new(w->a, JSON_OBJECT);
    json_set_cstr(w->a, o, "kind", schema_resource_kind(r->resource));
    json_set_cstr(w->a, o, "apiVersion", "v1");
    for (size_t i = 0; i < r->url.param_count; i++)
        put_param(w->a, o, &r->url.params[i]);
    if (r->url.rest.n)
        json_set_str(w->a, o, "path", r->url.rest);
    w->view = o;
    if (w->a->failed)
        return fail_memory(r);
    return hooks_ask(w, "CONNECT", go_on);
}
