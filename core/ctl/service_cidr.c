/*
 * A ServiceCIDR is ready once it is seen, and one that is deleted stays until no IPAddress lies in
 * it that no other one covers (upstream's pkg/controller/servicecidrs).
 */
#include "ctl/ctl_int.h"
#include "port/net_prefix.h"

#define FINALIZER "networking.k8s.io/service-cidr-finalizer"


struct service_cidrs {
    struct ctl_unit unit;
    struct cache *cidrs, *addresses;
};

static bool covers(const struct json *cidr, const struct net_addr *addr)
{
    struct net_prefix p;
    for (const struct json *m = json_first(json_path(cidr, "spec.cidrs")); m; m = m->next)
        if (net_prefix_parse(json_str(m), &p) == 0 && net_prefix_contains(&p, addr))
            return true;
    return false;
}

struct search {
    struct service_cidrs *unit;
    struct arena *a;
    const struct json *cidr;
    struct net_addr addr;
    bool covered, used;
};

static bool look_other(void *ctx, struct object *o)
{
    struct search *s = ctx;
    struct json *other = o->deleting ? NULL : object_json(o, s->a);
    if (other && !str_eq(json_path_str(other, "metadata.name"),
                         json_path_str(s->cidr, "metadata.name")))
        s->covered = s->covered || covers(other, &s->addr);
    return !s->covered;
}

static bool look_address(void *ctx, struct object *o)
{
    struct search *s = ctx;
    if (net_addr_parse(str_of(o->name), false, &s->addr) < 0 || !covers(s->cidr, &s->addr))
        return true;
    s->covered = false;
    cache_each(s->unit->cidrs, look_other, s);
    s->used = !s->covered;
    return !s->used;
}

/* 1: there is something to write. */
static int set_ready(struct arena *a, struct json *cidr, bool ready, const char *now)
{
    static const char terminating[] = "There are still IPAddresses referencing the ServiceCIDR, "
                                      "please remove them or create a new ServiceCIDR";
    const char *status = ready ? "True" : "False";
    const struct json *is = ctl_condition(cidr, "Ready");
    if (cstr_eq(json_path_cstr(is, "status"), status))
        return 0;
    struct json *list = json_new(a, JSON_ARRAY);
    struct json *c = json_append(a, list, json_new(a, JSON_OBJECT));
    json_set_cstr(a, c, "type", "Ready");
    json_set_cstr(a, c, "status", status);
    json_set_cstr(a, c, "lastTransitionTime", now);
    json_set_cstr(a, c, "reason", ready ? "" : "Terminating");
    json_set_cstr(a, c, "message", ready ? "Kubernetes Service CIDR is ready" : terminating);
    json_set(a, json_object_at(a, cidr, "status"), "conditions", list);
    return 1;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct service_cidrs *u = ctx;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(u->cidrs, "", name);
    struct json *cidr = object_json(o, a);
    struct search s = {.unit = u, .a = a, .cidr = cidr};
    if (!cidr)
        return 0;
    if (o->deleting)
        cache_each(u->addresses, look_address, &s);
    char *path = client_path(a, "networking.k8s.io", "v1", NULL, "servicecidrs", name, NULL);
    char *status = client_path(a, "networking.k8s.io", "v1", NULL, "servicecidrs", name, "status");
    if (!path || !status)
        return err_set(err, E_NOMEM, "out of memory");
    if (ctl_protection_settle(p, cidr, FINALIZER, s.used))
        plan_update(p, path, cidr, u->cidrs); /* its change brings us here again */
    else if ((!o->deleting || s.used) && set_ready(a, cidr, !o->deleting, plan_now_text(p)))
        plan_update(p, status, cidr, u->cidrs);
    return 0;
}

static bool enqueue_deleting(void *unit, struct object *o)
{
    if (o->deleting)
        controller_enqueue_object(((struct service_cidrs *)unit)->unit.controller, o);
    return true;
}

static void address_changed(void *unit, struct object *old, struct object *new)
{
    if (old && !new)
        cache_each(((struct service_cidrs *)unit)->cidrs, enqueue_deleting, unit);
}

/* A new one may cover what held others. */
static void cidr_changed(void *unit, struct object *old, struct object *new)
{
    ctl_enqueue_self(unit, old, new);
    if (new && !old)
        cache_each(((struct service_cidrs *)unit)->cidrs, enqueue_deleting, unit);
}

int service_cidr_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct service_cidrs), "service-cidrs", reconcile, &u);
    if (rc < 0)
        return rc;
    struct service_cidrs *s = (struct service_cidrs *)u;
    rc = ctl_unit_listen(u, "/apis/networking.k8s.io/v1/servicecidrs", cidr_changed, &s->cidrs);
    return rc < 0 ? rc
                  : ctl_unit_listen(u, "/apis/networking.k8s.io/v1/ipaddresses", address_changed,
                                    &s->addresses);
}
