/* See start_msg.h. An address is family, port (2, little endian), scope (4), 4 or 16 bytes. */
#include "main/start_msg.h"

enum { FLAG_APPLIANCE = 1, FLAG_ROOT = 2, FLAG_NODE = 4, FLAG_CONTROL = 8 };

void start_msg_put_addr(struct imsg_out *m, uint8_t tag, const struct net_addr *a)
{
    unsigned char b[23] = {a->family, (unsigned char)a->port, (unsigned char)(a->port >> 8)};
    size_t n = a->family == 6 ? 16 : 4;
    for (int i = 0; i < 4; i++)
        b[3 + i] = (unsigned char)(a->scope >> (8 * i));
    memcpy(b + 7, a->ip, n);
    imsg_put(m, tag, str_make(b, 7 + n));
}

bool start_msg_get_addr(struct str s, struct net_addr *ret_addr)
{
    const unsigned char *b = (const unsigned char *)s.p;
    if (s.n < 7 || !((b[0] == 6 && s.n == 23) || ((b[0] == 4 || b[0] == 0) && s.n == 11)))
        return false;
    *ret_addr = (struct net_addr){.family = b[0], .port = (uint16_t)(b[1] | b[2] << 8)};
    for (int i = 0; i < 4; i++)
        ret_addr->scope |= (uint32_t)b[3 + i] << (8 * i);
    memcpy(ret_addr->ip, b + 7, s.n - 7);
    return true;
}

void machine_net_put(struct imsg_out *m, const struct machine_net *n)
{
    for (size_t i = 0; i < n->addr_count; i++)
        start_msg_put_addr(m, TAG_ADDR, &n->addrs[i]);
    for (size_t i = 0; i < n->resolver_count; i++)
        start_msg_put_addr(m, TAG_RESOLVER, &n->resolvers[i]);
    imsg_put_cstr(m, TAG_SEARCH, n->search);
}

int machine_net_get(const struct imsg_in *m, struct machine_net *ret_net)
{
    struct machine_net n = {0};
    struct imsg_cursor at = {0};
    uint8_t tag;
    struct str bytes;
    while (imsg_next(m, &at, &tag, &bytes)) {
        bool ok = true;
        if (tag == TAG_ADDR)
            ok = n.addr_count < MACHINE_MAX_ADDRS && start_msg_get_addr(bytes, &n.addrs[n.addr_count++]);
        else if (tag == TAG_RESOLVER)
            ok = n.resolver_count < MACHINE_MAX_RESOLVERS &&
                 start_msg_get_addr(bytes, &n.resolvers[n.resolver_count++]);
        else if (tag == TAG_SEARCH)
            ok = str_copy(n.search, sizeof n.search, bytes);
        if (!ok)
            return -E_SYNTAX;
    }
    *ret_net = n;
    return 0;
}

void start_msg_put(struct imsg_out *m, const struct role_start *s)
{
    imsg_put_cstr(m, TAG_NODE_NAME, s->node_name);
    imsg_put_cstr(m, TAG_DATA_DIR, s->data_dir);
    imsg_put_cstr(m, TAG_ENDPOINT, s->endpoint);
    start_msg_put_addr(m, TAG_LISTEN, &s->listen);
    start_msg_put_addr(m, TAG_API, &s->api);
    imsg_put_u64(m, TAG_FLAGS,
                 (s->appliance ? FLAG_APPLIANCE : 0u) | (s->root ? FLAG_ROOT : 0u) |
                     (s->with_node ? FLAG_NODE : 0u) | (s->with_control ? FLAG_CONTROL : 0u));
    imsg_put_u64(m, TAG_RESTARTS, s->restarts);
    imsg_put_cstr(m, TAG_REGISTRIES, s->registries);
    imsg_put_cstr(m, TAG_OIDC, s->oidc);
    imsg_put_cstr(m, TAG_AUDIT, s->audit);
    machine_net_put(m, &s->net);
    config_network_put(m, &s->network);
}

static bool get_text(const struct imsg_in *m, uint8_t tag, char *dst, size_t size)
{
    struct str s;
    return imsg_get(m, tag, &s) && memchr(s.p, 0, s.n) == NULL && str_copy(dst, size, s);
}

int start_msg_get(const struct imsg_in *m, struct role_start *s)
{
    struct str listen, api;
    uint64_t flags;
    if (!get_text(m, TAG_NODE_NAME, s->node_name, sizeof s->node_name) ||
        !get_text(m, TAG_DATA_DIR, s->data_dir, sizeof s->data_dir) ||
        !get_text(m, TAG_ENDPOINT, s->endpoint, sizeof s->endpoint) ||
        !get_text(m, TAG_REGISTRIES, s->registries, sizeof s->registries) ||
        !get_text(m, TAG_OIDC, s->oidc, sizeof s->oidc) ||
        !get_text(m, TAG_AUDIT, s->audit, sizeof s->audit) ||
        !imsg_get(m, TAG_LISTEN, &listen) || !start_msg_get_addr(listen, &s->listen) ||
        !imsg_get(m, TAG_API, &api) || !start_msg_get_addr(api, &s->api) ||
        !imsg_get_u64(m, TAG_FLAGS, &flags) || !imsg_get_u64(m, TAG_RESTARTS, &s->restarts))
        return -E_SYNTAX;
    s->appliance = flags & FLAG_APPLIANCE;
    s->root = flags & FLAG_ROOT;
    s->with_node = flags & FLAG_NODE;
    s->with_control = flags & FLAG_CONTROL;
    int rc = machine_net_get(m, &s->net);
    return rc < 0 ? rc : config_network_get(m, &s->network);
}
