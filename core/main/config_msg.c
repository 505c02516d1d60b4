/* A configuration as a message between roles. See config.h. */
#include "main/config.h"
#include "main/role.h"

enum {
    TAG_NAME = TAG_STEP_FIRST,
    TAG_CONFIG_ENDPOINT,
    TAG_CONFIG_REGISTRIES,
    TAG_CONFIG_OIDC,
    TAG_CONFIG_AUDIT,
    TAG_CONFIG_FRONTS,
    TAG_INTERFACE,
    TAG_ADDRESS, /* start_msg's form, the prefix length in place of the port */
    TAG_GATEWAY,
    TAG_DNS,
    TAG_NTP,
    TAG_DOMAINS,
    TAG_NAMED,
};

void config_network_put(struct imsg_out *m, const struct config_network *n)
{
    imsg_put_cstr(m, TAG_INTERFACE, n->interface);
    for (size_t i = 0; i < n->addr_count; i++) {
        struct net_addr a = n->addrs[i];
        a.port = n->prefix_lens[i];
        start_msg_put_addr(m, TAG_ADDRESS, &a);
    }
    if (n->gateway.family)
        start_msg_put_addr(m, TAG_GATEWAY, &n->gateway);
    for (size_t i = 0; i < n->dns_count; i++)
        start_msg_put_addr(m, TAG_DNS, &n->dns[i]);
    for (size_t i = 0; i < n->ntp_count; i++)
        start_msg_put_addr(m, TAG_NTP, &n->ntp[i]);
    imsg_put_cstr(m, TAG_DOMAINS, n->search);
}

static bool take_address(struct config_network *n, struct str bytes)
{
    struct net_addr a;
    if (n->addr_count == CONFIG_ADDRS || !start_msg_get_addr(bytes, &a))
        return false;
    n->prefix_lens[n->addr_count] = (uint8_t)a.port;
    a.port = 0;
    n->addrs[n->addr_count++] = a;
    return true;
}

static bool take_server(struct net_addr *list, size_t *count, size_t room, struct str bytes)
{
    return *count < room && start_msg_get_addr(bytes, &list[(*count)++]);
}

int config_network_get(const struct imsg_in *m, struct config_network *ret_network)
{
    struct config_network n = {0};
    struct imsg_cursor at = {0};
    struct str bytes;
    uint8_t tag;
    while (imsg_next(m, &at, &tag, &bytes)) {
        bool ok = true;
        if (tag == TAG_INTERFACE)
            ok = str_copy(n.interface, sizeof n.interface, bytes);
        else if (tag == TAG_ADDRESS)
            ok = take_address(&n, bytes);
        else if (tag == TAG_GATEWAY)
            ok = start_msg_get_addr(bytes, &n.gateway);
        else if (tag == TAG_DNS)
            ok = take_server(n.dns, &n.dns_count, MACHINE_MAX_RESOLVERS, bytes);
        else if (tag == TAG_NTP)
            ok = take_server(n.ntp, &n.ntp_count, CONFIG_SERVERS, bytes);
        else if (tag == TAG_DOMAINS)
            ok = str_copy(n.search, sizeof n.search, bytes);
        if (!ok)
            return -E_SYNTAX;
    }
    *ret_network = n;
    return 0;
}

void config_put(struct imsg_out *m, const struct config *c, int ca_fd)
{
    imsg_put_cstr(m, TAG_NAME, c->name);
    imsg_put_u64(m, TAG_NAMED, c->named);
    imsg_put_cstr(m, TAG_CONFIG_ENDPOINT, c->endpoint);
    imsg_put_cstr(m, TAG_CONFIG_REGISTRIES, c->registries);
    imsg_put_cstr(m, TAG_CONFIG_OIDC, c->oidc);
    imsg_put_cstr(m, TAG_CONFIG_AUDIT, c->audit);
    imsg_put_u64(m, TAG_CONFIG_FRONTS, c->fronts);
    config_network_put(m, &c->network);
    if (ca_fd >= 0)
        imsg_put_fd(m, ca_fd);
}

int config_get(const struct imsg_in *m, struct config *c)
{
    struct str name, endpoint, registries, oidc, audit;
    uint64_t named, fronts;
    if (!imsg_get(m, TAG_NAME, &name) || !imsg_get_u64(m, TAG_NAMED, &named) || !imsg_get(m, TAG_CONFIG_ENDPOINT, &endpoint) ||
        !imsg_get(m, TAG_CONFIG_REGISTRIES, &registries) || !str_copy(c->name, sizeof c->name, name) ||
        !str_copy(c->endpoint, sizeof c->endpoint, endpoint) ||
        !str_copy(c->registries, sizeof c->registries, registries) ||
        !imsg_get(m, TAG_CONFIG_OIDC, &oidc) || !str_copy(c->oidc, sizeof c->oidc, oidc) ||
        !imsg_get(m, TAG_CONFIG_AUDIT, &audit) || !str_copy(c->audit, sizeof c->audit, audit) ||
        !imsg_get_u64(m, TAG_CONFIG_FRONTS, &fronts) || fronts > ROLE_FRONTS)
        return -E_SYNTAX;
    c->named = named;
    c->fronts = (unsigned)fronts;
    c->ca_pem[0] = 0;
    return config_network_get(m, &c->network);
}
