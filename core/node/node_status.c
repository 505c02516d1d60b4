/* What the Node object says: labels, addresses, capacity, conditions, versions, images. */
#include <stdio.h>

#include "codec/quantity.h"
#include "codec/time.h"
#include "node/register.h"

static const char kubelet_version[] = "v1.35.0";

struct json *node_object(struct node *n, struct arena *a)
{
    struct json *o = json_new(a, JSON_OBJECT);
    json_set_cstr(a, o, "apiVersion", "v1");
    json_set_cstr(a, o, "kind", "Node");
    struct json *meta = json_object_at(a, o, "metadata");
    json_set_cstr(a, meta, "name", n->o.node_name);
    struct json *labels = json_object_at(a, meta, "labels");
    json_set_cstr(a, labels, "kubernetes.io/hostname", n->o.node_name);
    json_set_cstr(a, labels, "kubernetes.io/os", "linux");
    json_set_cstr(a, labels, "kubernetes.io/arch", "amd64");
    json_set_cstr(a, labels, "beta.kubernetes.io/os", "linux");
    json_set_cstr(a, labels, "beta.kubernetes.io/arch", "amd64");
    for (size_t i = 0; n->o.labels[i]; i++) {
        struct str rest = str_of(n->o.labels[i]), key;
        if (str_split(&rest, '=', &key))
            json_set_key(a, labels, key, json_new_str(a, rest.p ? rest : STR("")));
    }
    if (n->o.pod_cidr.family) {
        char ip[NET_ADDR_TEXT];
        const char *cidr = arena_printf(a, "%s/%u", net_addr_format(&n->o.pod_cidr, false, ip), n->o.pod_prefix_len);
        struct json *spec = json_object_at(a, o, "spec");
        json_set_cstr(a, spec, "podCIDR", cidr);
        json_append(a, json_array_at(a, spec, "podCIDRs"), json_new_cstr(a, cidr));
    }
    return o;
}

static void put_amount(struct arena *a, struct json *o, const char *key, int64_t bytes)
{
    char text[QUANTITY_TEXT];
    if (bytes % 1024 == 0) { /* as upstream spells memory: "16374624Ki" */
        snprintf(text, sizeof text, "%lldKi", (long long)bytes / 1024);
    } else {
        struct quantity q = quantity_from_i64(bytes, QUANTITY_BINARY_SI);
        quantity_format(&q, text);
    }
    json_set_cstr(a, o, key, text);
}

static void put_cpu(struct arena *a, struct json *o, int64_t milli)
{
    char text[QUANTITY_TEXT];
    struct quantity q = quantity_from_milli(milli);
    quantity_format(&q, text);
    json_set_cstr(a, o, "cpu", text);
}

static void put_capacity(struct node *n, struct arena *a, struct json *status)
{
    struct json *all = json_object_at(a, status, "capacity"), *ours;
    const char *pods = arena_printf(a, "%u", n->o.max_pods);
    put_cpu(a, all, n->o.cpu_milli);
    put_amount(a, all, "ephemeral-storage", n->o.storage_bytes);
    put_amount(a, all, "memory", n->o.memory_bytes);
    json_set_cstr(a, all, "pods", pods);
    ours = json_object_at(a, status, "allocatable");
    put_cpu(a, ours, n->o.cpu_milli - n->o.reserved_cpu_milli);
    put_amount(a, ours, "ephemeral-storage", n->o.storage_bytes);
    put_amount(a, ours, "memory", n->o.memory_bytes - n->o.reserved_memory_bytes);
    json_set_cstr(a, ours, "pods", pods);
}

static void put_addresses(struct node *n, struct arena *a, struct json *status)
{
    struct json *list = json_array_at(a, status, "addresses"), *one;
    char text[NET_ADDR_TEXT];
    for (size_t i = 0; i < n->o.addr_count; i++) {
        one = json_append(a, list, json_new(a, JSON_OBJECT));
        json_set_cstr(a, one, "address", net_addr_format(&n->o.addrs[i], false, text));
        json_set_cstr(a, one, "type", "InternalIP");
    }
    one = json_append(a, list, json_new(a, JSON_OBJECT));
    json_set_cstr(a, one, "address", n->o.node_name);
    json_set_cstr(a, one, "type", "Hostname");
}

static const struct json *condition_of(const struct json *current, const char *type)
{
    for (struct json *c = json_first(json_path(current, "status.conditions")); c; c = c->next)
        if (cstr_eq(json_path_cstr(c, "type"), type))
            return c;
    return NULL;
}

static void put_condition(struct node *n, struct arena *a, struct json *list, const struct json *current,
                          const char *type, bool status, const char *reason, const char *message)
{
    char now[TIME_TEXT];
    const struct json *before = condition_of(current, type);
    const char *value = status ? "True" : "False";
    struct json *c = json_append(a, list, json_new(a, JSON_OBJECT));
    time_format(loop_realtime_ns(n->loop) / 1000, now);
    bool same = before && cstr_eq(json_path_cstr(before, "status"), value);
    json_set_cstr(a, c, "type", type);
    json_set_cstr(a, c, "status", value);
    json_set_cstr(a, c, "lastHeartbeatTime", now);
    json_set_cstr(a, c, "lastTransitionTime", same ? json_path_cstr(before, "lastTransitionTime") : now);
    json_set_cstr(a, c, "reason", reason);
    json_set_cstr(a, c, "message", message);
}

static void put_info(struct node *n, struct arena *a, struct json *status)
{
    struct json *info = json_object_at(a, status, "nodeInfo");
    json_set_cstr(a, info, "architecture", "amd64");
    json_set_cstr(a, info, "bootID", n->o.boot_id);
    json_set_cstr(a, info, "containerRuntimeVersion", arena_printf(a, "keelson://%s", n->o.version));
    json_set_cstr(a, info, "kernelVersion", n->o.kernel_version);
    json_set_cstr(a, info, "kubeProxyVersion", "");
    json_set_cstr(a, info, "kubeletVersion", kubelet_version);
    json_set_cstr(a, info, "machineID", n->o.machine_id);
    json_set_cstr(a, info, "operatingSystem", "linux");
    json_set_cstr(a, info, "osImage", n->o.os_image);
    json_set_cstr(a, info, "systemUUID", n->o.system_uuid);
}

struct json *node_status(struct node *n, struct arena *a, const struct json *current)
{
    struct json *status = json_new(a, JSON_OBJECT);
    put_addresses(n, a, status);
    put_capacity(n, a, status);
    struct json *conditions = json_array_at(a, status, "conditions");
    put_condition(n, a, conditions, current, "MemoryPressure", false, "KubeletHasSufficientMemory",
                  "kubelet has sufficient memory available");
    put_condition(n, a, conditions, current, "DiskPressure", false, "KubeletHasNoDiskPressure",
                  "kubelet has no disk pressure");
    put_condition(n, a, conditions, current, "PIDPressure", false, "KubeletHasSufficientPID",
                  "kubelet has sufficient PID available");
    put_condition(n, a, conditions, current, "Ready", n->recovered,
                  n->recovered ? "KubeletReady" : "KubeletNotReady",
                  n->recovered ? "kubelet is posting ready status"
                               : "the container runtime is not ready");
    json_set_path(a, status, "daemonEndpoints.kubeletEndpoint.Port", json_new_i64(a, n->o.kubelet_port));
    put_info(n, a, status);
    struct json *images = NULL;
    if (json_parse(a, str_of(node_images_text(n->images)), NULL, &images, NULL) == 0)
        json_set(a, status, "images", images);
    return status;
}
