/* What the controllers share: their table row, their caches, and small decisions about pods. */
#ifndef CTL_CTL_INT_H
#define CTL_CTL_INT_H

#include "base/prng.h"
#include "client/controller.h"
#include "ctl/ctl.h"

enum { CTL_CACHES = 8 };

struct ctl {
    struct client *client;
    int (*client_as)(void *ctx, const char *account, struct client *ret_client);
    int (*grant)(void *ctx, const struct ctl_grant *grant,
                 void (*done)(void *arg, int rc, struct str pem, struct str why), void *arg);
    int (*sign)(void *ctx, struct str message,
                void (*done)(void *arg, int rc, const uint8_t sig[64]), void *arg);
    void *client_ctx; /* of all three */
    const char *account; /* of the controller being started */
    struct cache_set *caches;
    struct str ca_pem;
    struct prng prng;
    struct list units;
};

/* One controller at work. Its file embeds this as the first member. */
struct ctl_unit {
    struct list link;
    struct ctl *ctl;
    struct client client; /* as whom it acts */
    bool owns_client;
    struct controller *controller;
    struct cache_listener *listeners[CTL_CACHES];
    size_t listener_count;
    void (*done)(struct ctl_unit *u); /* frees what the unit added; may be NULL */
};

/* A unit with its controller. size: of the embedding struct. */
int ctl_unit_new(struct ctl *c, size_t size, const char *name, controller_reconcile_fn *reconcile,
                 struct ctl_unit **ret_unit) MUST_CHECK;
/* The shared cache of a path; the controller waits for it to sync. */
int ctl_unit_cache(struct ctl_unit *u, const char *path, struct cache **ret_cache) MUST_CHECK;
/* As ctl_unit_cache, and changes are told to fn. */
int ctl_unit_listen(struct ctl_unit *u, const char *path,
                    void (*changed)(void *unit, struct object *old, struct object *new),
                    struct cache **ret_cache) MUST_CHECK;
/* A `changed` that enqueues the object itself. */
void ctl_enqueue_self(void *unit, struct object *old, struct object *new);

/* Index function: metadata.uid. */
void ctl_index_uid(const struct json *tree, void (*emit)(void *, const char *), void *arg);

/* One start function a controller. */
typedef int ctl_start_fn(struct ctl *c);
ctl_start_fn replicaset_start, replication_controller_start, deployment_start, endpoints_start,
    endpointslice_start, serviceaccount_start, namespace_start, garbage_start, node_lifecycle_start, root_ca_start,
    aggregation_start, certificates_start, token_cleaner_start, token_signer_start,
    account_secrets_start, resource_quota_start, pvc_protection_start, pv_protection_start,
    vac_protection_start, service_cidr_start;

/* ---- util.c ---- */
/* LabelSelector (matchLabels, matchExpressions) against labels; an absent selector matches nothing. */
bool ctl_selects(const struct json *selector, const struct json *labels);
/* A plain map selector (Service.spec.selector); empty matches nothing. */
bool ctl_selects_map(const struct json *selector, const struct json *labels);
bool ctl_pod_finished(const struct json *pod);
bool ctl_pod_active(const struct json *pod); /* neither finished nor being deleted */
bool ctl_pod_ready(const struct json *pod);
/* Ready for min_ready_s; otherwise *ret_wait_s (if not NULL) gets the seconds left, or 0. */
bool ctl_pod_available(const struct json *pod, int64_t min_ready_s, int64_t now_s, int64_t *ret_wait_s);
const struct json *ctl_condition(const struct json *object, const char *type); /* status.conditions */
int64_t ctl_time(const struct json *rfc3339); /* seconds; 0 when absent or malformed */
/* Sets a condition in a conditions array; lastTransitionTime moves only with status. True: changed. */
bool ctl_condition_set(struct arena *a, struct json *conditions, const char *type,
                       const char *status, const char *reason, const char *message, const char *now);
/* "name-x7k2p"-like suffix in upstream's alphabet. */
char *ctl_random_name(struct ctl *c, struct arena *a, const char *prefix);
/* An ownerReference with controller and blockOwnerDeletion. */
struct json *ctl_owner_reference(struct arena *a, const char *api_version, const char *kind,
                                 const char *name, const char *uid);
char *ctl_object_path(struct arena *a, const char *group, const char *version, const char *resource,
                      const struct json *object, const char *subresource);
/* int-or-percent of total, rounded up or down. */
int64_t ctl_int_or_percent(const struct json *v, int64_t total, bool round_up, int64_t otherwise);

/* Puts a protecting finalizer on an object, or takes it from one that is deleted and not used.
 * 1: the object changed. */
int ctl_protection_settle(struct plan *p, struct json *object, const char *finalizer, bool used);

struct ctl_list { /* objects of an owner with their trees */
    struct ctl_item {
        struct object *object;
        struct json *tree;
    } *at;
    size_t count, size;
};
int ctl_list_add(struct arena *a, struct ctl_list *list, struct object *o) MUST_CHECK;
/*
 * The objects of `cache` that belong to an owner: those that name it as controller and match,
 * plus matching orphans, which are adopted; those that no longer match are released (both through
 * the plan). Needs the indexes "controller" and "namespace" on the cache. Source: KEP of controller
 * references, "ControllerRef".
 */
int ctl_claim(struct arena *a, struct plan *p, struct cache *cache, const char *group,
              const char *resource, const struct json *owner, const char *owner_api_version,
              const char *owner_kind, const struct json *selector, struct ctl_list *ret_list) MUST_CHECK;

#endif
