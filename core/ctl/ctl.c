/* The table of controllers and what each of them is made of. See ctl.h. */
#include "ctl/ctl_int.h"

/* account: of kube-system, as which it acts; its default role allows what it does. NULL: the
 * controller manager itself. */
static const struct {
    const char *name, *account;
    ctl_start_fn *start;
} table[] = {
    {"replicaset", "replicaset-controller", replicaset_start},
    {"replicationcontroller", "replication-controller", replication_controller_start},
    {"deployment", "deployment-controller", deployment_start},
    {"endpointslice", "endpointslice-controller", endpointslice_start},
    {"endpoints", "endpoint-controller", endpoints_start},
    {"serviceaccount", "service-account-controller", serviceaccount_start},
    {"root-ca", "root-ca-cert-publisher", root_ca_start},
    {"namespace", "namespace-controller", namespace_start},
    {"garbage-collector", "generic-garbage-collector", garbage_start},
    {"node-lifecycle", "node-controller", node_lifecycle_start},
    {"clusterrole-aggregation", "clusterrole-aggregation-controller", aggregation_start},
    {"certificates", "certificate-controller", certificates_start},
    {"resource-quota", "resourcequota-controller", resource_quota_start},
    {"pvc-protection", "pvc-protection-controller", pvc_protection_start},
    {"pv-protection", "pv-protection-controller", pv_protection_start},
    {"service-cidrs", "service-cidrs-controller", service_cidr_start},
    {"vac-protection", "volumeattributesclass-protection-controller", vac_protection_start},
    {"token-cleaner", "token-cleaner", token_cleaner_start},
    {"token-signer", "bootstrap-signer", token_signer_start},
    {"account-secrets", NULL, account_secrets_start},
};

static void unit_free(struct ctl_unit *u)
{
    list_remove(&u->link);
    for (size_t i = 0; i < u->listener_count; i++)
        cache_unlisten(u->listeners[i]);
    controller_free(u->controller);
    if (u->done)
        u->done(u);
    if (u->owns_client)
        u->client.ops->close(u->client.self);
    mem_free(u);
}

/* A client of its own, or the shared one when there is nobody to ask for others. */
static int identify(struct ctl_unit *u, const char *account)
{
    struct ctl *c = u->ctl;
    u->client = *c->client;
    u->owns_client = false;
    if (!c->client_as || !account)
        return 0;
    int rc = c->client_as(c->client_ctx, account, &u->client);
    u->owns_client = rc == 0;
    return rc;
}

int ctl_unit_new(struct ctl *c, size_t size, const char *name, controller_reconcile_fn *reconcile,
                 struct ctl_unit **ret_unit)
{
    struct ctl_unit *u = mem_zalloc(size);
    if (!u)
        return -E_NOMEM;
    struct controller_options o = {
        .client = &u->client, .name = name, .reconcile = reconcile, .ctx = u};
    u->ctl = c;
    list_init(&u->link);
    int rc = identify(u, c->account);
    if (rc == 0)
        rc = controller_new(&o, &u->controller);
    if (rc < 0) {
        unit_free(u);
        return rc;
    }
    list_push_back(&c->units, &u->link);
    *ret_unit = u;
    return 0;
}

int ctl_unit_cache(struct ctl_unit *u, const char *path, struct cache **ret_cache)
{
    int rc = cache_set_get(u->ctl->caches, path, ret_cache);
    return rc < 0 ? rc : controller_await(u->controller, *ret_cache);
}

int ctl_unit_listen(struct ctl_unit *u, const char *path,
                    void (*changed)(void *unit, struct object *old, struct object *new),
                    struct cache **ret_cache)
{
    struct cache_handlers h = {.changed = changed};
    struct cache *cache;
    int rc = ctl_unit_cache(u, path, &cache);
    if (rc < 0)
        return rc;
    if (u->listener_count == CTL_CACHES)
        return -E_LIMIT;
    rc = cache_listen(cache, &h, u, &u->listeners[u->listener_count]);
    if (rc < 0)
        return rc;
    u->listener_count++;
    if (ret_cache)
        *ret_cache = cache;
    return 0;
}

void ctl_enqueue_self(void *unit, struct object *old, struct object *new)
{
    struct ctl_unit *u = unit;
    controller_enqueue_object(u->controller, new ? new : old);
}

void ctl_index_uid(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    emit(arg, json_path_cstr(tree, "metadata.uid"));
}

int ctl_new(const struct ctl_options *o, struct ctl **ret_ctl, struct err *err)
{
    struct ctl *c = mem_zalloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "controllers: out of memory");
    c->client = o->client;
    c->caches = o->caches;
    c->ca_pem = o->ca_pem;
    c->client_as = o->client_as;
    c->grant = o->grant;
    c->sign = o->sign;
    c->client_ctx = o->ctx;
    prng_init(&c->prng, o->seed);
    list_init(&c->units);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        c->account = table[i].account;
        int rc = table[i].start(c);
        if (rc < 0) {
            err_set(err, -rc, "controller %s: %s", table[i].name, err_text(rc));
            ctl_free(c);
            return rc;
        }
    }
    *ret_ctl = c;
    return 0;
}

void ctl_free(struct ctl *c)
{
    if (!c)
        return;
    while (!list_empty(&c->units))
        unit_free(LIST_FIRST(&c->units, struct ctl_unit, link));
    mem_free(c);
}
