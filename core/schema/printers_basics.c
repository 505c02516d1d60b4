/* The core group besides pods: services and their endpoints, nodes, namespaces, configuration,
 * events. */
#include <ctype.h>
#include <stdio.h>

#include "codec/time.h"
#include "schema/printers_int.h"

enum { LISTED_MOST = 3, TEXT_MOST = 4 * 1024 * 1024 };

static void name_age_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_created(row, o);
}

/* "a,b,c + 2 more..." of what was counted; b holds the first three. */
static void put_listed(struct printers_row *row, struct buf *b, size_t count,
                       const char *when_empty)
{
    if (count > LISTED_MOST)
        buf_printf(b, " + %zu more...", count - LISTED_MOST);
    printers_put_buf(row, b, when_empty);
}

/* ---- services ---- */

static void put_service_address(struct printers_row *row, const struct json *o)
{
    const char *type = json_path_cstr(o, "spec.type");
    const struct json *external = json_path(o, "spec.externalIPs");
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    if (cstr_eq(type, "ExternalName")) {
        printers_put(row, json_path_cstr(o, "spec.externalName"));
        return;
    }
    if (cstr_eq(type, "LoadBalancer"))
        for (const struct json *i = json_first(json_path(o, "status.loadBalancer.ingress")); i;
             i = i->next) {
            const char *ip = json_cstr(json_get(i, "ip"));
            buf_printf(&b, "%s%s", buf_len(&b) ? "," : "",
                       *ip ? ip : json_cstr(json_get(i, "hostname")));
        }
    for (const struct json *e = json_first(external); e; e = e->next)
        buf_printf(&b, "%s%s", buf_len(&b) ? "," : "", json_cstr(e));
    printers_put_buf(row, &b, cstr_eq(type, "LoadBalancer") ? "<pending>" : "<none>");
}

static void service_cells(struct printers_row *row, const struct json *o)
{
    const char *ip = json_cstr(json_at(json_path(o, "spec.clusterIPs"), 0));
    CLEANUP_BUF struct buf ports;
    buf_init(&ports, TEXT_MOST);
    printers_put_name(row, o);
    printers_put(row, json_path_cstr(o, "spec.type"));
    printers_put_or(row, *ip ? ip : json_path_cstr(o, "spec.clusterIP"), "<none>");
    put_service_address(row, o);
    for (const struct json *p = json_first(json_path(o, "spec.ports")); p; p = p->next) {
        int node_port = (int)json_i64(json_get(p, "nodePort"), 0);
        buf_printf(&ports, "%s%d", buf_len(&ports) ? "," : "",
                   (int)json_i64(json_get(p, "port"), 0));
        if (node_port)
            buf_printf(&ports, ":%d", node_port);
        buf_printf(&ports, "/%s", json_cstr(json_get(p, "protocol")));
    }
    printers_put_buf(row, &ports, "<none>");
    printers_put_created(row, o);
    printers_put_labels(row, json_path(o, "spec.selector"));
}

static void endpoints_cells(struct printers_row *row, const struct json *o)
{
    size_t count = 0;
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    for (const struct json *s = json_first(json_get(o, "subsets")); s; s = s->next) {
        const struct json *ports = json_get(s, "ports"), *port = json_first(ports);
        do { /* without ports each address stands alone */
            for (const struct json *a = json_first(json_get(s, "addresses")); a; a = a->next) {
                const char *ip = json_cstr(json_get(a, "ip"));
                if (count++ >= LISTED_MOST)
                    continue;
                buf_printf(&b, strchr(ip, ':') && port ? "%s[%s]" : "%s%s", count > 1 ? "," : "",
                           ip);
                if (port)
                    buf_printf(&b, ":%d", (int)json_i64(json_get(port, "port"), 0));
            }
            port = port ? port->next : NULL;
        } while (port);
    }
    printers_put_name(row, o);
    put_listed(row, &b, count, "<none>");
    printers_put_created(row, o);
}

static void endpoint_slice_cells(struct printers_row *row, const struct json *o)
{
    size_t ports = 0, addresses = 0;
    CLEANUP_BUF struct buf p, a;
    buf_init(&p, TEXT_MOST);
    buf_init(&a, TEXT_MOST);
    for (const struct json *one = json_first(json_get(o, "ports")); one; one = one->next) {
        const struct json *number = json_get(one, "port");
        if (ports++ >= LISTED_MOST)
            continue;
        if (json_absent(number))
            buf_printf(&p, "%s*", ports > 1 ? "," : "");
        else
            buf_printf(&p, "%s%d", ports > 1 ? "," : "", (int)json_i64(number, 0));
    }
    for (const struct json *e = json_first(json_get(o, "endpoints")); e; e = e->next)
        for (const struct json *one = json_first(json_get(e, "addresses")); one; one = one->next)
            if (addresses++ < LISTED_MOST)
                buf_printf(&a, "%s%s", addresses > 1 ? "," : "", json_cstr(one));
    printers_put_name(row, o);
    printers_put(row, json_cstr(json_get(o, "addressType")));
    put_listed(row, &p, ports, "<unset>");
    put_listed(row, &a, addresses, "<unset>");
    printers_put_created(row, o);
}

/* ---- nodes and namespaces ---- */

static void put_roles(struct printers_row *row, const struct json *node)
{
    static const struct str prefix = STR("node-role.kubernetes.io/");
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    for (const struct json *l = json_first(json_path(node, "metadata.labels")); l; l = l->next) {
        struct str role = {NULL, 0};
        if (str_starts(l->key, prefix))
            role = str_make(l->key.p + prefix.n, l->key.n - prefix.n);
        else if (str_is(l->key, "kubernetes.io/role"))
            role = json_str(l);
        if (role.n)
            buf_printf(&b, "%s" STR_FMT, buf_len(&b) ? "," : "", STR_ARG(role));
    }
    printers_put_buf(row, &b, "<none>");
}

static void put_address(struct printers_row *row, const struct json *node, const char *type)
{
    for (const struct json *a = json_first(json_path(node, "status.addresses")); a; a = a->next)
        if (cstr_eq(json_cstr(json_get(a, "type")), type)) {
            printers_put(row, json_cstr(json_get(a, "address")));
            return;
        }
    printers_put(row, "<none>");
}

static void node_cells(struct printers_row *row, const struct json *o)
{
    const struct json *ready = printers_condition(o, "Ready");
    const char *status = !ready                                ? "Unknown"
                         : printers_condition_true(o, "Ready") ? "Ready"
                                                               : "NotReady";
    printers_put_name(row, o);
    printers_putf(row, "%s%s", status,
                  json_path_bool(o, "spec.unschedulable", false) ? ",SchedulingDisabled" : "");
    put_roles(row, o);
    printers_put_created(row, o);
    printers_put(row, json_path_cstr(o, "status.nodeInfo.kubeletVersion"));
    put_address(row, o, "InternalIP");
    put_address(row, o, "ExternalIP");
    printers_put_or(row, json_path_cstr(o, "status.nodeInfo.osImage"), "<unknown>");
    printers_put_or(row, json_path_cstr(o, "status.nodeInfo.kernelVersion"), "<unknown>");
    printers_put_or(row, json_path_cstr(o, "status.nodeInfo.containerRuntimeVersion"), "<unknown>");
}

static void namespace_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put(row, json_path_cstr(o, "status.phase"));
    printers_put_created(row, o);
}

/* ---- configuration ---- */

static void config_map_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_count(json_get(o, "data")) + json_count(json_get(o, "binaryData")));
    printers_put_created(row, o);
}

static void secret_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put(row, json_cstr(json_get(o, "type")));
    printers_put_int(row, json_count(json_get(o, "data")));
    printers_put_created(row, o);
}

static void service_account_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_count(json_get(o, "secrets")));
    printers_put_created(row, o);
}

static void created_at_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put(row, json_path_cstr(o, "metadata.creationTimestamp"));
}

/* "requests.cpu: 1/2, pods: 3/10" of the quotas that are (not) limits. */
static void put_quota(struct printers_row *row, const struct json *o, bool limits)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    for (const struct json *h = json_first(json_path(o, "status.hard")); h; h = h->next) {
        const struct json *used = json_get_str(json_path(o, "status.used"), h->key);
        if (str_starts(h->key, STR("limits.")) != limits)
            continue;
        buf_printf(&b, "%s" STR_FMT ": %s/%s", buf_len(&b) ? ", " : "", STR_ARG(h->key),
                   used ? json_cstr(used) : "0", json_cstr(h));
    }
    printers_put_buf(row, &b, "");
}

static void resource_quota_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_quota(row, o, false);
    put_quota(row, o, true);
    printers_put_created(row, o);
}

static void component_status_cells(struct printers_row *row, const struct json *o)
{
    const struct json *c = json_first(json_get(o, "conditions"));
    const char *status = json_cstr(json_get(c, "status"));
    printers_put_name(row, o);
    printers_put(row, cstr_eq(status, "True")    ? "Healthy"
                      : cstr_eq(status, "False") ? "Unhealthy"
                                                 : "Unknown");
    printers_put(row, json_cstr(json_get(c, "message")));
    printers_put(row, json_cstr(json_get(c, "error")));
}

/* ---- events, of both groups ---- */

static const struct json *either(const struct json *o, const char *core, const char *events)
{
    const struct json *j = json_get(o, core);
    return json_absent(j) ? json_get(o, events) : j;
}

static void put_object(struct printers_row *row, const struct json *about)
{
    char kind[64];
    const char *name = json_cstr(json_get(about, "name"));
    str_copy(kind, sizeof(kind), json_str(json_get(about, "kind")));
    for (char *p = kind; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    printers_putf(row, "%s%s%s", kind, *name ? "/" : "", name);
}

static void put_source(struct printers_row *row, const struct json *o)
{
    const struct json *source = either(o, "source", "deprecatedSource");
    const char *component = json_cstr(json_get(source, "component")),
               *host = json_cstr(json_get(source, "host"));
    if (!*component)
        component = json_cstr(either(o, "reportingComponent", "reportingController"));
    if (!*host)
        host = json_cstr(json_get(o, "reportingInstance"));
    printers_putf(row, "%s%s%s", component, *host ? ", " : "", host);
}

static void event_cells(struct printers_row *row, const struct json *o)
{
    const struct json *first = either(o, "firstTimestamp", "deprecatedFirstTimestamp");
    const struct json *last = either(o, "lastTimestamp", "deprecatedLastTimestamp");
    const struct json *series = json_get(o, "series");
    const struct json *about = either(o, "involvedObject", "regarding");
    int64_t count = json_i64(either(o, "count", "deprecatedCount"), 0);
    if (json_absent(first))
        first = json_get(o, "eventTime");
    if (json_absent(last))
        last = first;
    if (!json_absent(series)) {
        last = json_get(series, "lastObservedTime");
        count = json_i64(json_get(series, "count"), 0);
    }
    printers_put_since(row, last, "<unknown>");
    printers_put(row, json_cstr(json_get(o, "type")));
    printers_put(row, json_cstr(json_get(o, "reason")));
    put_object(row, about);
    printers_put(row, json_cstr(json_get(about, "fieldPath")));
    put_source(row, o);
    struct str message = str_trim(json_str(either(o, "message", "note")));
    json_append(row->arena, row->cells, json_new_str(row->arena, message));
    printers_put_since(row, first, "<unknown>");
    printers_put_int(row, count ? count : 1);
    printers_put_name(row, o);
}

#define EVENT_COLUMNS \
    "Last Seen|Type|Reason|Object|Subobject+|Source+|Message|First Seen+|#Count+|Name+"

const struct printers_kind printers_basics[] = {
    {"", "services", "Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector+", service_cells},
    {"", "endpoints", "Name|Endpoints|Age", endpoints_cells},
    {"discovery.k8s.io", "endpointslices", "Name|AddressType|Ports|Endpoints|Age",
     endpoint_slice_cells},
    {"", "nodes",
     "Name|Status|Roles|Age|Version|Internal-IP+|External-IP+|OS-Image+|Kernel-Version+|Container-"
     "Runtime+",
     node_cells},
    {"", "namespaces", "Name|Status|Age", namespace_cells},
    {"", "configmaps", "Name|#Data|Age", config_map_cells},
    {"", "secrets", "Name|Type|#Data|Age", secret_cells},
    {"", "serviceaccounts", "Name|#Secrets|Age", service_account_cells},
    {"", "limitranges", "Name|Created At", created_at_cells},
    {"", "resourcequotas", "Name|Request|Limit|Age", resource_quota_cells},
    {"", "componentstatuses", "Name|Status|Message|Error", component_status_cells},
    {"", "events", EVENT_COLUMNS, event_cells},
    {"events.k8s.io", "events", EVENT_COLUMNS, event_cells},
    {"", "podtemplates", "Name|Age", name_age_cells},
    {NULL, NULL, NULL, NULL},
};
