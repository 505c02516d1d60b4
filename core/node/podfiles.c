/* /etc/hosts and /etc/resolv.conf of a pod (upstream's kubelet_pods.go and network/dns). */
#include "node/sandbox.h"

#include "base/limits.h"

enum { MOST_NAMESERVERS = 3, MOST_SEARCHES = 32, MOST_OPTIONS = 32 };

void podfiles_hosts(struct step *s, const char *hostname, struct buf *out)
{
    const struct pod *p = s->pod;
    const struct node_options *o = &p->node->o;
    const struct net_addr *addrs = p->host_network ? o->addrs : p->addrs;
    size_t count = p->host_network ? o->addr_count : p->addr_count;
    const char *subdomain = json_path_cstr(s->spec, "subdomain");
    char ip[NET_ADDR_TEXT];
    buf_puts(out, "# Kubernetes-managed hosts file.\n"
                  "127.0.0.1\tlocalhost\n"
                  "::1\tlocalhost ip6-localhost ip6-loopback\n"
                  "fe00::0\tip6-localnet\n"
                  "fe00::0\tip6-mcastprefix\n"
                  "fe00::1\tip6-allnodes\n"
                  "fe00::2\tip6-allrouters\n");
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, net_addr_format(&addrs[i], false, ip));
        if (subdomain[0] && !p->host_network && !strchr(hostname, '.'))
            buf_printf(out, "\t%s.%s.%s.svc.%s", hostname, subdomain, p->namespace, o->cluster_domain);
        buf_printf(out, "\t%s\n", hostname);
    }
    const struct json *aliases = json_get(s->spec, "hostAliases");
    if (json_count(aliases) == 0)
        return;
    buf_puts(out, "\n# Entries added by HostAliases.\n");
    for (struct json *alias = json_first(aliases); alias; alias = alias->next) {
        buf_puts(out, json_path_cstr(alias, "ip"));
        for (struct json *name = json_first(json_get(alias, "hostnames")); name; name = name->next)
            buf_printf(out, "\t" STR_FMT, STR_ARG(json_str(name)));
        buf_putc(out, '\n');
    }
}

/* ---- resolv.conf ---- */

struct resolv {
    struct str servers[MOST_NAMESERVERS], searches[MOST_SEARCHES], options[MOST_OPTIONS];
    size_t server_count, search_count, option_count;
};

static void add(struct str *list, size_t *count, size_t most, struct str s)
{
    for (size_t i = 0; i < *count; i++)
        if (str_eq(list[i], s))
            return;
    if (*count < most && s.n)
        list[(*count)++] = s;
}

static void add_server(struct resolv *r, struct arena *a, const struct net_addr *at)
{
    char ip[NET_ADDR_TEXT];
    add(r->servers, &r->server_count, MOST_NAMESERVERS,
        arena_str(a, str_of(net_addr_format(at, false, ip))));
}

static void add_machine(struct resolv *r, struct step *s, bool servers)
{
    const struct node_options *o = &s->pod->node->o;
    struct str rest = str_of(o->search), part;
    for (size_t i = 0; servers && i < o->resolver_count; i++)
        add_server(r, s->a, &o->resolvers[i]);
    while (str_split(&rest, ' ', &part))
        add(r->searches, &r->search_count, MOST_SEARCHES, part);
}

static void add_cluster(struct resolv *r, struct step *s)
{
    const struct node_options *o = &s->pod->node->o;
    const char *domain = o->cluster_domain;
    add_server(r, s->a, &o->cluster_dns);
    add(r->searches, &r->search_count, MOST_SEARCHES,
        str_of(arena_printf(s->a, "%s.svc.%s", s->pod->namespace, domain)));
    add(r->searches, &r->search_count, MOST_SEARCHES, str_of(arena_printf(s->a, "svc.%s", domain)));
    add(r->searches, &r->search_count, MOST_SEARCHES, str_of(domain));
    add_machine(r, s, false);
    add(r->options, &r->option_count, MOST_OPTIONS, STR("ndots:5"));
}

static void set_option(struct resolv *r, struct str name, struct str text)
{
    for (size_t i = 0; i < r->option_count; i++) {
        struct str rest = r->options[i], own;
        if (str_split(&rest, ':', &own) && str_eq(own, name)) {
            r->options[i] = text;
            return;
        }
    }
    add(r->options, &r->option_count, MOST_OPTIONS, text);
}

static void add_config(struct resolv *r, struct step *s, const struct json *config)
{
    for (struct json *j = json_first(json_get(config, "nameservers")); j; j = j->next)
        add(r->servers, &r->server_count, MOST_NAMESERVERS, json_str(j));
    for (struct json *j = json_first(json_get(config, "searches")); j; j = j->next)
        add(r->searches, &r->search_count, MOST_SEARCHES, json_str(j));
    for (struct json *j = json_first(json_get(config, "options")); j; j = j->next) {
        struct str name = json_path_str(j, "name");
        const char *value = json_path_cstr(j, "value");
        set_option(r, name, value[0] ? str_of(arena_printf(s->a, STR_FMT ":%s", STR_ARG(name), value)) : name);
    }
}

static void put_line(struct buf *out, const char *word, const struct str *list, size_t count)
{
    if (count == 0)
        return;
    buf_puts(out, word);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, " " STR_FMT, STR_ARG(list[i]));
    buf_putc(out, '\n');
}

void podfiles_resolv_conf(struct step *s, struct buf *out)
{
    struct resolv r = {0};
    const char *policy = json_path_cstr(s->spec, "dnsPolicy");
    bool cluster = s->pod->node->o.cluster_dns.family != 0 &&
                   (cstr_eq(policy, "ClusterFirstWithHostNet") ||
                    (!s->pod->host_network && (!policy[0] || cstr_eq(policy, "ClusterFirst"))));
    if (cluster)
        add_cluster(&r, s);
    else if (!cstr_eq(policy, "None"))
        add_machine(&r, s, true);
    add_config(&r, s, json_get(s->spec, "dnsConfig"));
    put_line(out, "search", r.searches, r.search_count);
    for (size_t i = 0; i < r.server_count; i++)
        put_line(out, "nameserver", &r.servers[i], 1);
    put_line(out, "options", r.options, r.option_count);
}
