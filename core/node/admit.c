/* See admit.h; upstream's pkg/kubelet/lifecycle/predicate.go. */
#include "node/admit.h"

static bool counts(const struct pod *p)
{
    return p->state > POD_ADMITTING && p->state < POD_ENDED;
}

static int check_amount(const char *resource, const char *reason, int64_t wanted, int64_t used,
                        int64_t capacity, const char **ret_reason, struct err *err)
{
    if (wanted == 0 || used + wanted <= capacity)
        return 0;
    *ret_reason = reason;
    return err_set(err, E_FORBIDDEN, "Pod was rejected: Node didn't have enough resource: %s, requested: %lld, "
                   "used: %lld, capacity: %lld", resource, (long long)wanted, (long long)used, (long long)capacity);
}

static int check_resources(struct step *s, const char **ret_reason, struct err *err)
{
    const struct node *n = s->pod->node;
    const struct node_options *o = &n->o;
    int64_t cpu = 0, memory = 0, pods = 0;
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value)) {
        const struct pod *p = value;
        if (p == s->pod || !counts(p))
            continue;
        cpu += p->request_cpu_milli;
        memory += p->request_memory_bytes;
        pods++;
    }
    int rc = check_amount("pods", "OutOfpods", 1, pods, o->max_pods, ret_reason, err);
    if (rc == 0)
        rc = check_amount("cpu", "OutOfcpu", s->pod->request_cpu_milli, cpu,
                          o->cpu_milli - o->reserved_cpu_milli, ret_reason, err);
    if (rc == 0)
        rc = check_amount("memory", "OutOfmemory", s->pod->request_memory_bytes, memory,
                          o->memory_bytes - o->reserved_memory_bytes, ret_reason, err);
    return rc;
}

static int check_selector(struct step *s, const char **ret_reason, struct err *err)
{
    const struct node *n = s->pod->node;
    const struct json *selector = json_get(s->spec, "nodeSelector");
    struct object *o = cache_get(n->self, "", n->o.node_name);
    if (!o || json_count(selector) == 0)
        return 0;
    const struct json *labels = json_path(object_json(o, s->a), "metadata.labels");
    for (struct json *m = json_first(selector); m; m = m->next) {
        const struct json *label = json_get_str(labels, m->key);
        if (label && str_eq(json_str(label), json_str(m)))
            continue;
        *ret_reason = "NodeAffinity";
        return err_set(err, E_FORBIDDEN, "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't "
                       "match Pod's node affinity/selector");
    }
    return 0;
}

int admit_check(struct step *s, const char **ret_reason, struct err *err)
{
    const char *os = json_path_cstr(s->spec, "os.name");
    if (os[0] && !cstr_eq(os, "linux")) {
        *ret_reason = "PodOSNotSupported";
        return err_set(err, E_FORBIDDEN, "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS");
    }
    int rc = check_selector(s, ret_reason, err);
    return rc < 0 ? rc : check_resources(s, ret_reason, err);
}
