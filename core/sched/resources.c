/* Sums and maxima of resource amounts. See resources.h. */
#include "sched/resources.h"

#include "codec/quantity.h"

static int64_t *extended_slot(struct resources *r, struct str name)
{
    for (size_t i = 0; i < RESOURCES_EXTENDED; i++) {
        if (str_is(name, r->extended[i].name))
            return &r->extended[i].amount;
        if (!r->extended[i].name[0]) {
            if (!str_copy(r->extended[i].name, RESOURCES_NAME, name))
                r->extended[i].name[0] = 0;
            return r->extended[i].name[0] ? &r->extended[i].amount : NULL;
        }
    }
    return NULL;
}

static void set(struct resources *r, struct str name, struct str amount)
{
    int64_t *slot = NULL;
    bool milli = str_is(name, "cpu");
    if (milli)
        slot = &r->cpu_milli;
    else if (str_is(name, "memory"))
        slot = &r->memory_bytes;
    else if (str_is(name, "ephemeral-storage"))
        slot = &r->storage_bytes;
    else if (str_is(name, "pods"))
        slot = &r->pods;
    else
        slot = extended_slot(r, name);
    if (slot)
        *slot = milli ? quantity_text_milli(amount) : quantity_text_value(amount);
}

void resources_of_list(const struct json *list, struct resources *ret_r)
{
    *ret_r = (struct resources){0};
    for (struct json *m = json_first(list); m; m = m->next)
        set(ret_r, m->key, json_str(m));
}

void resources_add(struct resources *to, const struct resources *r)
{
    to->cpu_milli += r->cpu_milli;
    to->memory_bytes += r->memory_bytes;
    to->storage_bytes += r->storage_bytes;
    to->pods += r->pods;
    for (size_t i = 0; i < RESOURCES_EXTENDED && r->extended[i].name[0]; i++) {
        int64_t *slot = extended_slot(to, str_of(r->extended[i].name));
        if (slot)
            *slot += r->extended[i].amount;
    }
}

void resources_subtract(struct resources *from, const struct resources *r)
{
    struct resources minus = *r;
    minus.cpu_milli = -minus.cpu_milli;
    minus.memory_bytes = -minus.memory_bytes;
    minus.storage_bytes = -minus.storage_bytes;
    minus.pods = -minus.pods;
    for (size_t i = 0; i < RESOURCES_EXTENDED; i++)
        minus.extended[i].amount = -minus.extended[i].amount;
    resources_add(from, &minus);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void resources_max(struct resources *to, const struct resources *r)
{
    to->cpu_milli = larger(to->cpu_milli, r->cpu_milli);
    to->memory_bytes = larger(to->memory_bytes, r->memory_bytes);
    to->storage_bytes = larger(to->storage_bytes, r->storage_bytes);
    to->pods = larger(to->pods, r->pods);
    for (size_t i = 0; i < RESOURCES_EXTENDED && r->extended[i].name[0]; i++) {
        int64_t *slot = extended_slot(to, str_of(r->extended[i].name));
        if (slot)
            *slot = larger(*slot, r->extended[i].amount);
    }
}

int64_t resources_extended(const struct resources *r, const char *name)
{
    for (size_t i = 0; i < RESOURCES_EXTENDED && r->extended[i].name[0]; i++)
        if (cstr_eq(r->extended[i].name, name))
            return r->extended[i].amount;
    return 0;
}

static void requests_of(const struct json *container, struct resources *ret_r)
{
    resources_of_list(json_path(container, "resources.requests"), ret_r);
}

void resources_of_pod(const struct json *pod, struct resources *ret_r)
{
    struct resources sum = {0}, sidecars = {0}, peak = {0}, one;

    for (struct json *c = json_first(json_path(pod, "spec.containers")); c; c = c->next) {
        requests_of(c, &one);
        resources_add(&sum, &one);
    }
    for (struct json *c = json_first(json_path(pod, "spec.initContainers")); c; c = c->next) {
        requests_of(c, &one);
        if (cstr_eq(json_path_cstr(c, "restartPolicy"), "Always")) {
            resources_add(&sidecars, &one);
            resources_add(&sum, &one);
            one = sidecars;
        } else {
            resources_add(&one, &sidecars);
        }
        resources_max(&peak, &one);
    }
    resources_max(&sum, &peak);
    resources_of_list(json_path(pod, "spec.overhead"), &one);
    resources_add(&sum, &one);
    sum.pods = 1;
    *ret_r = sum;
}
