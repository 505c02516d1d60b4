/*
 * Names below the cluster's domain:
 *   SERVICE.NS.svc                  A, AAAA: cluster address, or the endpoints of a headless one;
 *                                   CNAME for ExternalName; SRV: every named port
 *   _PORT._PROTO.SERVICE.NS.svc     SRV
 *   HOST.SERVICE.NS.svc             A, AAAA: one endpoint of a headless service
 *   A-B-C-D.NS.pod                  A: the address in the name
 *   dns-version                     TXT
 * and PTR for service and endpoint addresses. See zone.h.
 */
#include "dns/zone.h"

#include <stdio.h>

enum { TTL_S = 5, MAX_LABELS = 8, MAX_RECORDS = 512 };

#define LABEL_SERVICE "kubernetes.io/service-name"

struct records {
    struct dns_record at[MAX_RECORDS];
    size_t count;
};

/* One question being answered. */
struct lookup {
    const struct zone *zone;
    struct arena *arena;
    const struct dns_query *query;
    struct records *answers, *extra;
    struct str labels[MAX_LABELS]; /* those before the domain */
    size_t label_count;
    bool exists; /* the name is there, perhaps without this type */
    const struct json *service;
    const char *service_name, *ns;
    struct str port, protocol, host; /* filters; n == 0: any */
    bool srv;
};

/* ---- indexes ---- */

static void index_slice_service(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    char key[DNS_NAME_TEXT * 2];
    struct json *labels = json_path(tree, "metadata.labels");
    const char *service = json_cstr(json_get(labels, LABEL_SERVICE));
    snprintf(key, sizeof key, "%s/%s", json_path_cstr(tree, "metadata.namespace"), service);
    if (service[0])
        emit(arg, key);
}

static void index_slice_ip(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    for (struct json *e = json_first(json_get(tree, "endpoints")); e; e = e->next)
        for (struct json *ip = json_first(json_get(e, "addresses")); ip; ip = ip->next)
            emit(arg, json_cstr(ip));
}

static void index_service_ip(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    for (struct json *ip = json_first(json_path(tree, "spec.clusterIPs")); ip; ip = ip->next)
        if (!cstr_eq(json_cstr(ip), "None"))
            emit(arg, json_cstr(ip));
}

int zone_init(struct zone *z)
{
    int rc = cache_index_add(z->slices, "service", index_slice_service);
    if (rc == 0)
        rc = cache_index_add(z->slices, "ip", index_slice_ip);
    return rc < 0 ? rc : cache_index_add(z->services, "ip", index_service_ip);
}

/* ---- records ---- */

static struct dns_record *add(struct records *r, enum dns_type type)
{
    if (r->count == MAX_RECORDS)
        return NULL; /* an answer of this size is cut on the wire anyway */
    struct dns_record *n = &r->at[r->count++];
    *n = (struct dns_record){.type = type, .ttl_s = TTL_S};
    return n;
}

static bool wants(const struct lookup *l, enum dns_type type)
{
    return l->query->type == type || l->query->type == DNS_ANY;
}

static void add_addr(struct lookup *l, struct records *to, const char *owner, struct str ip)
{
    struct net_addr addr;
    if (net_addr_parse(ip, false, &addr) < 0)
        return;
    enum dns_type type = addr.family == 4 ? DNS_A : DNS_AAAA;
    if (to == l->answers && !wants(l, type))
        return;
    struct dns_record *r = add(to, type);
    if (r) {
        r->owner = owner;
        r->addr = addr;
    }
}

static void add_srv(struct lookup *l, const char *target, int64_t port)
{
    struct dns_record *r = add(l->answers, DNS_SRV);
    if (r) {
        r->target = target;
        r->weight = 100;
        r->port = (uint16_t)port;
    }
}

static bool port_matches(const struct lookup *l, const struct json *port)
{
    return (l->port.n == 0 || str_eq_nocase(json_path_str(port, "name"), l->port)) &&
           (l->protocol.n == 0 || str_eq_nocase(json_path_str(port, "protocol"), l->protocol));
}

/* ---- services ---- */

static void cluster_service(struct lookup *l)
{
    const struct json *spec = json_get(l->service, "spec");
    char *self = arena_printf(l->arena, "%s.%s.svc.%s", l->service_name, l->ns, l->zone->domain);

    if (l->host.n || !self)
        return;
    if (!l->srv) {
        l->exists = true;
        for (struct json *ip = json_first(json_get(spec, "clusterIPs")); ip; ip = ip->next)
            add_addr(l, l->answers, NULL, json_str(ip));
    }
    for (struct json *p = json_first(json_get(spec, "ports")); p; p = p->next) {
        if (!port_matches(l, p) || (l->srv && !json_path_cstr(p, "name")[0]))
            continue;
        l->exists = true;
        if (wants(l, DNS_SRV))
            add_srv(l, self, json_path_i64(p, "port", 0));
    }
    if (wants(l, DNS_SRV) && l->answers->count)
        for (struct json *ip = json_first(json_get(spec, "clusterIPs")); ip; ip = ip->next)
            add_addr(l, l->extra, self, json_str(ip));
}

/* The name of an endpoint within its service: its hostname, or its address with dashes. */
static const char *endpoint_host(struct arena *a, const struct json *endpoint, const char *ip)
{
    const char *host = json_path_cstr(endpoint, "hostname");
    if (host[0])
        return host;
    char *dashed = arena_strdup(a, ip);
    for (char *c = dashed; c && *c; c++)
        if (*c == '.' || *c == ':')
            *c = '-';
    return dashed ? dashed : "";
}

static void endpoint(struct lookup *l, const struct json *slice, const struct json *e)
{
    struct json *ip = json_first(json_get(e, "addresses"));
    const char *host = endpoint_host(l->arena, e, json_cstr(ip));
    bool ready = json_path_bool(e, "conditions.ready", true);
    char *full = arena_printf(l->arena, "%s.%s.%s.svc.%s", host, l->service_name, l->ns,
                              l->zone->domain);

    if (!full || !ready || (l->host.n && !str_eq_nocase(l->host, str_of(host))))
        return;
    if (!l->srv) {
        l->exists = true;
        for (struct json *at = ip; at; at = at->next)
            add_addr(l, l->answers, NULL, json_str(at));
    }
    for (struct json *p = json_first(json_get(slice, "ports")); p; p = p->next) {
        if (!port_matches(l, p) || (l->srv && !json_path_cstr(p, "name")[0]))
            continue;
        l->exists = true;
        if (!wants(l, DNS_SRV))
            continue;
        add_srv(l, full, json_path_i64(p, "port", 0));
        for (struct json *at = ip; at; at = at->next)
            add_addr(l, l->extra, full, json_str(at));
    }
}

static bool take_slice(void *ctx, struct object *o)
{
    struct lookup *l = ctx;
    struct json *slice = object_json(o, l->arena);
    for (struct json *e = json_first(json_get(slice, "endpoints")); e; e = e->next)
        endpoint(l, slice, e);
    return slice != NULL;
}

static void service(struct lookup *l)
{
    char *ns = arena_strndup(l->arena, l->ns, strlen(l->ns));
    struct object *o = ns ? cache_get(l->zone->services, ns, l->service_name) : NULL;
    l->service = object_json(o, l->arena);
    if (!l->service)
        return;
    const struct json *spec = json_get(l->service, "spec");
    const char *external = json_path_cstr(spec, "externalName");
    if (cstr_eq(json_path_cstr(spec, "type"), "ExternalName")) {
        struct dns_record *r = l->host.n || l->srv ? NULL : add(l->answers, DNS_CNAME);
        if (r) {
            struct str name = str_of(external);
            if (str_ends(name, STR(".")))
                name.n--;
            r->target = arena_strndup(l->arena, name.p, name.n);
            l->exists = true;
        }
        return;
    }
    if (!cstr_eq(json_path_cstr(spec, "clusterIP"), "None")) {
        cluster_service(l);
        return;
    }
    if (!l->host.n && !l->srv)
        l->exists = true;
    char *key = arena_printf(l->arena, "%s/%s", l->ns, l->service_name);
    if (key)
        cache_index_each(l->zone->slices, "service", key, take_slice, l);
}

static bool namespace_exists(struct lookup *l, struct str ns)
{
    char *name = arena_strndup(l->arena, ns.p, ns.n);
    return name && cache_get(l->zone->namespaces, "", name);
}

/* labels: [... host or _port._proto,] SERVICE, NS, "svc" */
static void below_svc(struct lookup *l)
{
    size_t n = l->label_count;
    if (n == 1) {
        l->exists = true;
        return;
    }
    if (n == 2) {
        l->exists = namespace_exists(l, l->labels[0]);
        return;
    }
    struct str name = l->labels[n - 3], ns = l->labels[n - 2];
    l->service_name = arena_strndup(l->arena, name.p, name.n);
    l->ns = arena_strndup(l->arena, ns.p, ns.n);
    if (!l->service_name || !l->ns || n > 5)
        return;
    if (n == 4) {
        l->host = l->labels[0];
    } else if (n == 5) {
        if (l->labels[0].n < 2 || l->labels[0].p[0] != '_' || l->labels[1].n < 2 ||
            l->labels[1].p[0] != '_')
            return;
        l->port = str_make(l->labels[0].p + 1, l->labels[0].n - 1);
        l->protocol = str_make(l->labels[1].p + 1, l->labels[1].n - 1);
        l->srv = true;
    }
    service(l);
}

/* labels: A-B-C-D, NS, "pod": the address is in the name; the namespace must be there. */
static void below_pod(struct lookup *l)
{
    char text[64];
    struct net_addr addr;
    if (l->label_count == 1) {
        l->exists = true;
        return;
    }
    if (l->label_count == 2) {
        l->exists = namespace_exists(l, l->labels[0]);
        return;
    }
    if (l->label_count != 3 || !namespace_exists(l, l->labels[1]) ||
        !str_copy(text, sizeof text, l->labels[0]))
        return;
    for (char *c = text; *c; c++)
        *c = *c == '-' ? '.' : *c;
    if (net_addr_parse(str_of(text), false, &addr) < 0) {
        for (char *c = text; *c; c++)
            *c = *c == '.' ? ':' : *c;
        if (net_addr_parse(str_of(text), false, &addr) < 0)
            return;
    }
    l->exists = true;
    add_addr(l, l->answers, NULL, str_of(text));
}

/* ---- reverse ---- */

/* "4.3.2.1.in-addr.arpa" to "1.2.3.4"; false for anything else. */
static bool reverse_ip(const char *name, char ret_ip[16])
{
    struct str s = str_of(name), part, parts[4];
    if (!str_ends(s, STR(".in-addr.arpa")))
        return false;
    s.n -= 13;
    size_t n = 0;
    while (n < 4 && s.p && str_split(&s, '.', &part))
        parts[n++] = part;
    if (n != 4 || s.p)
        return false;
    return snprintf(ret_ip, 16, STR_FMT "." STR_FMT "." STR_FMT "." STR_FMT, STR_ARG(parts[3]),
                    STR_ARG(parts[2]), STR_ARG(parts[1]), STR_ARG(parts[0])) < 16;
}

struct reverse {
    struct lookup *lookup;
    const char *ip;
    bool found;
};

static void add_ptr(struct lookup *l, const char *target)
{
    struct dns_record *r = target && wants(l, DNS_PTR) ? add(l->answers, DNS_PTR) : NULL;
    if (r)
        r->target = target;
}

static bool reverse_service(void *ctx, struct object *o)
{
    struct reverse *r = ctx;
    r->found = true;
    if (r->lookup)
        add_ptr(r->lookup, arena_printf(r->lookup->arena, "%s.%s.svc.%s", o->name, o->namespace,
                                        r->lookup->zone->domain));
    return false;
}

static bool reverse_slice(void *ctx, struct object *o)
{
    struct reverse *r = ctx;
    r->found = true;
    if (!r->lookup)
        return false;
    struct arena *a = r->lookup->arena;
    struct json *slice = object_json(o, a);
    const char *svc = json_cstr(json_get(json_path(slice, "metadata.labels"), LABEL_SERVICE));
    for (struct json *e = json_first(json_get(slice, "endpoints")); e && svc[0]; e = e->next) {
        const char *ip = json_cstr(json_first(json_get(e, "addresses")));
        if (cstr_eq(ip, r->ip))
            add_ptr(r->lookup, arena_printf(a, "%s.%s.%s.svc.%s", endpoint_host(a, e, ip), svc,
                                            o->namespace, r->lookup->zone->domain));
    }
    return true;
}

static bool reverse(const struct zone *z, struct lookup *l, const char *name)
{
    char ip[16];
    struct reverse r = {.lookup = l, .ip = ip};
    if (!reverse_ip(name, ip))
        return false;
    cache_index_each(z->services, "ip", ip, reverse_service, &r);
    if (!r.found)
        cache_index_each(z->slices, "ip", ip, reverse_slice, &r);
    return r.found;
}

/* ---- the answer ---- */

/* Labels before the domain; false: the name is elsewhere. */
static bool split(const struct zone *z, struct lookup *l, const char *name)
{
    struct str s = str_of(name), domain = str_of(z->domain);
    if (!str_ends(s, domain))
        return false;
    s.n -= domain.n;
    if (s.n == 0)
        return true;
    if (s.p[s.n - 1] != '.')
        return false;
    s.n--;
    while (s.p && l->label_count < MAX_LABELS && str_split(&s, '.', &l->labels[l->label_count]))
        l->label_count++;
    return true;
}

bool zone_owns(const struct zone *z, const struct dns_query *q)
{
    struct lookup l = {0};
    return split(z, &l, q->name) || reverse(z, NULL, q->name);
}

static void resolve(struct lookup *l)
{
    if (l->label_count == 0) {
        l->exists = true;
        return;
    }
    struct str top = l->labels[l->label_count - 1];
    if (str_is(top, "svc"))
        below_svc(l);
    else if (str_is(top, "pod"))
        below_pod(l);
    else if (l->label_count == 1 && str_is(top, "dns-version")) {
        struct dns_record *r = wants(l, DNS_TXT) ? add(l->answers, DNS_TXT) : NULL;
        l->exists = true;
        if (r)
            r->text = "1.1.0";
    }
}

int zone_answer(const struct zone *z, struct arena *a, const struct dns_query *q,
                struct dns_answer *ret_answer)
{
    struct lookup l = {.zone = z, .arena = a, .query = q};
    struct dns_record *soa = arena_zalloc(a, sizeof *soa);

    l.answers = arena_alloc(a, sizeof *l.answers);
    l.extra = arena_alloc(a, sizeof *l.extra);
    if (!soa || !l.answers || !l.extra)
        return -E_NOMEM;
    l.answers->count = l.extra->count = 0;
    if (split(z, &l, q->name))
        resolve(&l);
    else
        l.exists = reverse(z, &l, q->name);
    *soa = (struct dns_record){.owner = z->domain, .type = DNS_SOA, .ttl_s = TTL_S,
                               .target = arena_printf(a, "ns.dns.%s", z->domain),
                               .mail = arena_printf(a, "hostmaster.%s", z->domain),
                               .serial = 1, .minimum_s = TTL_S};
    if (a->failed)
        return -E_NOMEM;
    *ret_answer = (struct dns_answer){
        .rcode = l.exists ? DNS_NOERROR : DNS_NXDOMAIN,
        .authoritative = true,
        .recursion_available = true,
        .records = l.answers->at,
        .record_count = l.answers->count,
        .authority = l.answers->count ? NULL : soa,
        .additional = l.extra->at,
        .additional_count = l.extra->count,
    };
    return 0;
}
