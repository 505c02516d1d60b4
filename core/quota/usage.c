/* What one object uses. See quota.h. */
#include "quota/quota.h"

#define BY_CLASS   ".storageclass.storage.k8s.io/"
#define BY_DEVICE  ".deviceclass.resource.k8s.io/devices"
#define DEVICE_ALL 32 /* what a request for all devices may get at most */

typedef void usage_fn(const struct quota_item *item, struct amounts *ret);

/* ---- services ---- */

static int64_t chosen_ports(const struct json *ports)
{
    int64_t n = 0;
    for (const struct json *p = json_first(ports); p; p = p->next)
        n += json_path_i64(p, "nodePort", 0) != 0;
    return n;
}

static void service_usage(const struct quota_item *item, struct amounts *ret)
{
    const struct json *spec = json_get(item->object, "spec"), *ports = json_get(spec, "ports");
    struct str type = json_path_str(spec, "type");
    bool balanced = str_is(type, "LoadBalancer");
    int64_t node_ports = 0;
    if (balanced && !json_path_bool(spec, "allocateLoadBalancerNodePorts", true))
        node_ports = chosen_ports(ports);
    else if (balanced || str_is(type, "NodePort"))
        node_ports = json_count(ports);
    amounts_set_i64(ret, "services", 1);
    amounts_set_i64(ret, "services.nodeports", node_ports);
    amounts_set_i64(ret, "services.loadbalancers", balanced);
}

/* ---- claims of volumes ---- */

static bool storage_at(const struct json *list, struct quantity *ret)
{
    const struct json *q = json_get(list, "storage");
    if (!q || quantity_parse(json_str(q), ret, NULL) < 0)
        return false;
    __int128 whole = 1000 * 1000 * 1000, rest = ret->nano % whole;
    if (rest > 0) /* whole bytes */
        ret->nano += whole - rest;
    return true;
}

static void set_by_class(struct amounts *ret, struct str class, const char *what,
                         const struct quantity *q)
{
    char *name = arena_printf(ret->arena, STR_FMT BY_CLASS "%s", STR_ARG(class), what);
    if (name)
        amounts_set(ret, str_of(name), q);
}

static void claim_usage(const struct quota_item *item, struct amounts *ret)
{
    const struct json *o = item->object;
    struct quantity one = quantity_from_i64(1, QUANTITY_DECIMAL_SI), size, allocated;
    struct str class = json_str(
        json_get(json_path(o, "metadata.annotations"), "volume.beta.kubernetes.io/storage-class"));
    if (!class.n)
        class = json_path_str(o, "spec.storageClassName");
    amounts_set(ret, STR("persistentvolumeclaims"), &one);
    if (class.n)
        set_by_class(ret, class, "persistentvolumeclaims", &one);
    if (!storage_at(json_path(o, "spec.resources.requests"), &size))
        return;
    if (storage_at(json_path(o, "status.allocatedResources"), &allocated) &&
        quantity_cmp(&allocated, &size) > 0)
        size = allocated;
    amounts_set(ret, STR("requests.storage"), &size);
    if (class.n)
        set_by_class(ret, class, "requests.storage", &size);
}

static bool claim_counts(struct str name)
{
    return str_is(name, "persistentvolumeclaims") || str_is(name, "requests.storage") ||
           str_ends(name, STR(BY_CLASS "persistentvolumeclaims")) ||
           str_ends(name, STR(BY_CLASS "requests.storage"));
}

/* ---- claims of devices ---- */

static void device_at(const struct json *request, struct amounts *ret)
{
    struct str class = json_path_str(request, "deviceClassName");
    struct quantity q = quantity_from_i64(str_is(json_path_str(request, "allocationMode"), "All")
                                              ? DEVICE_ALL
                                              : json_path_i64(request, "count", 1),
                                          QUANTITY_DECIMAL_SI);
    char *name = arena_printf(ret->arena, STR_FMT BY_DEVICE, STR_ARG(class));
    if (name && class.n)
        amounts_set(ret, str_of(name), &q);
}

static void device_usage(const struct quota_item *item, struct amounts *ret)
{
    const struct json *r = json_first(json_path(item->object, "spec.devices.requests"));
    for (; r; r = r->next) {
        struct amounts most;
        amounts_init(&most, ret->arena);
        const struct json *choice = json_first(json_get(r, "firstAvailable"));
        if (!choice)
            device_at(json_get(r, "exactly") ? json_get(r, "exactly") : r, &most);
        for (; choice; choice = choice->next) { /* any of them may come: the most of each class */
            struct amounts one;
            amounts_init(&one, ret->arena);
            device_at(choice, &one);
            amounts_max(&most, &one);
        }
        amounts_add(ret, &most);
    }
}

static bool device_counts(struct str name)
{
    return str_ends(name, STR(BY_DEVICE));
}

/* ---- pods ---- */

static bool pod_counts(struct str name)
{
    static const char *const names[] = {
        "cpu",          "memory",          "ephemeral-storage",
        "requests.cpu", "requests.memory", "requests.ephemeral-storage",
        "limits.cpu",   "limits.memory",   "limits.ephemeral-storage",
        "pods"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_is(name, names[i]))
            return true;
    if (str_starts(name, STR("hugepages-")) || str_starts(name, STR("requests.hugepages-")))
        return true;
    struct str rest = name;
    if (!str_starts(name, STR("requests.")) || str_find_byte(name, '/') < 0)
        return false;
    rest.p += 9;
    rest.n -= 9;
    return quota_name_extended(rest);
}

static bool service_counts(struct str name)
{
    return str_is(name, "services") || str_is(name, "services.nodeports") ||
           str_is(name, "services.loadbalancers");
}

/* ---- the table ---- */

static const struct evaluator {
    const char *group, *plural;
    bool (*counts)(struct str name); /* beside count/… */
    usage_fn *usage;
} evaluators[] = {
    {"", "pods", pod_counts, pod_usage},
    {"", "services", service_counts, service_usage},
    {"", "persistentvolumeclaims", claim_counts, claim_usage},
    {"resource.k8s.io", "resourceclaims", device_counts, device_usage},
};

static const struct evaluator *find(const char *group, const char *plural)
{
    for (size_t i = 0; i < sizeof evaluators / sizeof evaluators[0]; i++)
        if (cstr_eq(evaluators[i].group, group) && cstr_eq(evaluators[i].plural, plural))
            return &evaluators[i];
    return NULL;
}

/* The name from before count/… */
static bool has_old_name(const char *group, const char *plural)
{
    static const char *const names[] = {"configmaps", "resourcequotas", "replicationcontrollers",
                                        "secrets"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!group[0] && cstr_eq(plural, names[i]))
            return true;
    return false;
}

bool quota_ignores(const char *group, const char *plural)
{
    return cstr_eq(plural, "events") && (!group[0] || cstr_eq(group, "events.k8s.io"));
}

bool quota_counts(const char *group, const char *plural, struct str name)
{
    const struct evaluator *e = find(group, plural);
    struct str rest = name, part;
    if (e && e->counts(name))
        return true;
    if (has_old_name(group, plural) && str_is(name, plural))
        return true;
    if (!str_split(&rest, '/', &part) || !str_is(part, "count") || !rest.p)
        return false;
    if (!group[0])
        return str_is(rest, plural);
    size_t n = strlen(plural);
    return str_starts(rest, str_of(plural)) && rest.n > n && rest.p[n] == '.' &&
           str_is(str_make(rest.p + n + 1, rest.n - n - 1), group);
}

bool quota_needs_object(const char *group, const char *plural)
{
    return find(group, plural) != NULL;
}

void quota_usage(const struct quota_item *item, struct amounts *ret)
{
    const struct evaluator *e = find(item->group, item->plural);
    const char *count = quota_count_name(ret->arena, item->group, item->plural);
    if (count)
        amounts_set_i64(ret, count, 1);
    if (has_old_name(item->group, item->plural))
        amounts_set_i64(ret, item->plural, 1);
    if (e)
        e->usage(item, ret);
}
