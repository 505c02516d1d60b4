/* NodePorts: a host port is taken once for each address and protocol; 0.0.0.0 clashes with all. */
#include <stdio.h>

#include "sched/plugin.h"

static bool any_address(const char *ip)
{
    return ip[0] == 0 || cstr_eq(ip, "0.0.0.0") || cstr_eq(ip, "::");
}

static bool clash(const struct sched_port *a, const struct sched_port *b)
{
    return a->port == b->port && cstr_eq(a->protocol, b->protocol) &&
           (any_address(a->ip) || any_address(b->ip) || cstr_eq(a->ip, b->ip));
}

bool sched_ports_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason)
{
    struct sched_placed *p;
    if (pod->port_count == 0)
        return true;
    LIST_EACH(p, &node->pods, link)
        for (size_t i = 0; i < p->port_count; i++)
            for (size_t k = 0; k < pod->port_count; k++)
                if (clash(&p->ports[i], &pod->ports[k])) {
                    snprintf(ret_reason, SCHED_REASON,
                             "node(s) didn't have free ports for the requested pod ports");
                    return false;
                }
    return true;
}

size_t sched_pod_ports(const struct json *pod, struct sched_port *ret_ports, size_t max)
{
    size_t n = 0;
    bool host_network = json_path_bool(pod, "spec.hostNetwork", false);
    for (struct json *c = json_first(json_path(pod, "spec.containers")); c; c = c->next)
        for (struct json *p = json_first(json_get(c, "ports")); p && n < max; p = p->next) {
            int64_t port = json_i64(json_get(p, "hostPort"), 0);
            if (port == 0 && host_network)
                port = json_i64(json_get(p, "containerPort"), 0);
            if (port <= 0 || port > 65535)
                continue;
            struct str protocol = json_str(json_get(p, "protocol"));
            ret_ports[n].port = (uint16_t)port;
            str_copy(ret_ports[n].protocol, sizeof ret_ports[n].protocol,
                     protocol.n ? protocol : STR("TCP"));
            str_copy(ret_ports[n].ip, sizeof ret_ports[n].ip, json_str(json_get(p, "hostIP")));
            n++;
        }
    return n;
}
