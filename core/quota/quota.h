/*
 * What objects cost against a ResourceQuota: which names a resource is counted under, how much one
 * object uses of each, and whether it is in a quota's scopes. Admission charges by it, the
 * controller recalculates by it; neither stores nor asks anything here.
 *
 *   amounts.c   lists of quantities by name
 *   names.c     which names there are
 *   usage.c     what one object uses; pod_usage.c: a pod
 *   scope.c     scopes and scope selectors
 *
 * Source: kubernetes.io, "Resource Quotas"; the behaviour of pkg/quota/v1.
 */
#ifndef QUOTA_QUOTA_H
#define QUOTA_QUOTA_H

#include "codec/json.h"
#include "codec/quantity.h"

/* ---- amounts: a list of quantities, sorted by name, in an arena ---- */
struct amount {
    struct str name;
    struct quantity quantity;
};
struct amounts {
    struct arena *arena; /* its `failed` tells of what could not be added */
    struct amount *at;
    size_t count, room;
};

void amounts_init(struct amounts *s, struct arena *a);
struct amount *amounts_get(const struct amounts *s, struct str name); /* or NULL */
/* Of a Kubernetes ResourceList; what is no quantity is left out. */
void amounts_read(struct amounts *s, const struct json *list);
struct json *amounts_write(const struct amounts *s, struct arena *a);
void amounts_set(struct amounts *s, struct str name, const struct quantity *q);
void amounts_set_i64(struct amounts *s, const char *name, int64_t value);
void amounts_add(struct amounts *s, const struct amounts *more);
void amounts_max(struct amounts *s, const struct amounts *other); /* the larger of each */
/* What `s` has more than `less`, never below 0; names stay. */
void amounts_less(struct amounts *s, const struct amounts *less);
/* "cpu=1,pods=2"; or only the names: "cpu,pods". In the arena, "" when out of memory. */
const char *amounts_text(const struct amounts *s);
const char *amounts_names(const struct amounts *s);

/* ---- names ---- */
bool quota_name_standard(struct str name); /* for a quota's spec.hard, without a slash */
bool quota_name_resource(struct str name); /* a standard resource of any kind */
bool quota_name_whole(struct str name);    /* counted in whole numbers */
bool quota_name_extended(struct str name); /* "example.com/dongle" */
/* "count/deployments.apps" */
const char *quota_count_name(struct arena *a, const char *group, const char *plural);

/* ---- one object ---- */
struct quota_item {
    const char *group, *plural;
    const struct json *object; /* in the resource's own form */
    int64_t now_s;
};
/* Resources that no quota counts. */
bool quota_ignores(const char *group, const char *plural);
/* Is an object of this resource counted under this name? */
bool quota_counts(const char *group, const char *plural, struct str name);
/* Does counting need the whole object, not just that there is one? */
bool quota_needs_object(const char *group, const char *plural);
void quota_usage(const struct quota_item *item, struct amounts *ret);
/* "must specify cpu for: a,b; memory for: b" when a pod's containers do not say what the quota
 * bounds; NULL: nothing is missing. */
const char *quota_missing(const struct quota_item *item, const struct amounts *bounded);

/* ---- scopes ---- */
bool quota_scope_standard(struct str scope);
/* May a quota with this scope bound this (standard) name? */
bool quota_scope_fits(struct str scope, struct str name);
/* Is the object in all scopes of the quota's spec? */
bool quota_in_scope(const struct json *spec, const struct quota_item *item);

/* ---- within the folder ---- */
void pod_usage(const struct quota_item *pod, struct amounts *ret);
/* What a container's (or a whole pod's) requests and limits count as. */
void pod_compute(const struct amounts *requests, const struct amounts *limits, struct amounts *ret);
bool pod_is_best_effort(const struct json *pod);

#endif
