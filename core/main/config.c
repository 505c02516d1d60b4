/* keelson.yaml: reading. See config.h. */
#include <unistd.h>

#include "api/audit/audit.h"
#include "main/role.h"
#include "main/config.h"

#include <stdio.h>

#include "codec/names.h"
#include "codec/yaml.h"

struct reading {
    const char *file;
    struct arena arena;
    struct yaml_marks marks;
    struct config *c;
    struct err *err;
};

struct key {
    const char *name;
    int (*read)(struct reading *r, const struct json *v, void *to);
    size_t offset; /* within the struct that the table is about */
};

static int wrong(struct reading *r, const struct json *v, const char *expected)
{
    const struct yaml_mark *m = yaml_mark_of(&r->marks, v);
    char name[80] = "";
    if (v->key.n)
        snprintf(name, sizeof name, "'%.*s': ", v->key.n > 60 ? 60 : (int)v->key.n, v->key.p);
    return err_set(r->err, E_INVALID, "%s: line %u, column %u: %sexpected %s", r->file, m ? m->line : 0,
                   m ? m->column : 0, name, expected);
}

static int read_object(struct reading *r, const struct json *v, const struct key *keys, size_t count, void *to)
{
    char expected[200] = "one of";
    for (size_t i = 0; i < count; i++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s %s", i ? "," : "",
                 keys[i].name);
    if (json_absent(v))
        return 0;
    if (!json_is(v, JSON_OBJECT))
        return wrong(r, v, "keys with values");
    for (struct json *m = json_first(v); m; m = m->next) {
        size_t i = 0;
        while (i < count && !str_is(m->key, keys[i].name))
            i++;
        if (i == count)
            return wrong(r, m, expected);
        int rc = json_absent(m) ? 0 : keys[i].read(r, m, to ? (char *)to + keys[i].offset : NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool config_name_ok(struct str name)
{
    return name.n > 0 && name.n < START_NAME && !names_dns1123_label(name);
}

static int read_name(struct reading *r, const struct json *v, void *to)
{
    if (!json_is(v, JSON_STRING) || !config_name_ok(json_str(v)))
        return wrong(r, v, "a name of lower-case letters, digits and '-', at most 63");
    str_copy(to, START_NAME, json_str(v));
    return 0;
}

static bool endpoint_ok(struct str s)
{
    struct net_addr a;
    if (net_addr_parse(s, true, &a) == 0)
        return a.port != 0;
    ptrdiff_t colon = str_find_byte(s, ':');
    uint64_t port;
    return colon > 0 && s.n < START_ENDPOINT && !names_dns1123_subdomain(str_make(s.p, (size_t)colon)) &&
           str_to_u64(str_make(s.p + colon + 1, s.n - (size_t)colon - 1), &port) == 0 && port > 0 && port < 65536;
}

static int read_endpoint(struct reading *r, const struct json *v, void *to)
{
    if (!json_is(v, JSON_STRING) || !endpoint_ok(json_str(v)))
        return wrong(r, v, "HOST:PORT");
    str_copy(to, START_ENDPOINT, json_str(v));
    return 0;
}

/* Both parts of the CA are joined into one text of PEM blocks. */
static int read_pem(struct reading *r, const struct json *v, void *to)
{
    char *ca = to;
    size_t n = strlen(ca);
    struct str s = json_str(v);
    if (!json_is(v, JSON_STRING) || str_find(s, STR("-----BEGIN ")) < 0 || str_find_byte(s, 0) >= 0)
        return wrong(r, v, "PEM text");
    if (n + s.n + 2 > CONFIG_CA)
        return wrong(r, v, "at most 16 KiB of PEM text for certificate and key together");
    memcpy(ca + n, s.p, s.n);
    ca[n + s.n] = '\n';
    ca[n + s.n + 1] = 0;
    return 0;
}

static int read_ca(struct reading *r, const struct json *v, void *to)
{
    static const struct key keys[] = {{"cert", read_pem, 0}, {"key", read_pem, 0}};
    int rc = read_object(r, v, keys, 2, to);
    if (rc == 0 && (json_absent(json_get(v, "cert")) || json_absent(json_get(v, "key"))))
        rc = wrong(r, v, "both cert and key");
    return rc;
}

/* ---- network ---- */

static int read_interface(struct reading *r, const struct json *v, void *to)
{
    struct str s = json_str(v);
    if (!json_is(v, JSON_STRING) || s.n == 0 || s.n >= CONFIG_INTERFACE || str_find_byte(s, '/') >= 0)
        return wrong(r, v, "the name of a network interface, at most 15 characters");
    str_copy(to, CONFIG_INTERFACE, s);
    return 0;
}

static int read_ip(struct reading *r, const struct json *v, void *to)
{
    return json_is(v, JSON_STRING) && net_addr_parse(json_str(v), false, to) == 0 ? 0 : wrong(r, v, "an IP address");
}

static int read_ips(struct reading *r, const struct json *v, struct net_addr *to, size_t room, size_t *count)
{
    char expected[64];
    snprintf(expected, sizeof expected, "a list of at most %zu IP addresses", room);
    if (!json_is(v, JSON_ARRAY) || json_count(v) > room)
        return wrong(r, v, expected);
    for (struct json *e = json_first(v); e; e = e->next) {
        int rc = read_ip(r, e, &to[*count]);
        if (rc < 0)
            return rc;
        ++*count;
    }
    return 0;
}

static int read_dns(struct reading *r, const struct json *v, void *to)
{
    struct config_network *n = to;
    return read_ips(r, v, n->dns, MACHINE_MAX_RESOLVERS, &n->dns_count);
}

static int read_ntp(struct reading *r, const struct json *v, void *to)
{
    struct config_network *n = to;
    return read_ips(r, v, n->ntp, CONFIG_SERVERS, &n->ntp_count);
}

static int read_addresses(struct reading *r, const struct json *v, void *to)
{
    struct config_network *n = to;
    if (!json_is(v, JSON_ARRAY) || json_count(v) > CONFIG_ADDRS)
        return wrong(r, v, "a list of at most 4 addresses like 192.0.2.10/24");
    for (struct json *e = json_first(v); e; e = e->next) {
        struct str s = json_str(e);
        ptrdiff_t slash = str_find_byte(s, '/');
        struct net_addr a;
        uint64_t len;
        if (!json_is(e, JSON_STRING) || slash < 0 || net_addr_parse(str_make(s.p, (size_t)slash), false, &a) < 0 ||
            str_to_u64(str_make(s.p + slash + 1, s.n - (size_t)slash - 1), &len) < 0 ||
            len > (a.family == 6 ? 128 : 32))
            return wrong(r, e, "an address with its prefix length, like 192.0.2.10/24");
        n->prefix_lens[n->addr_count] = (uint8_t)len;
        n->addrs[n->addr_count++] = a;
    }
    return 0;
}

static int read_search(struct reading *r, const struct json *v, void *to)
{
    char *search = to;
    if (!json_is(v, JSON_ARRAY))
        return wrong(r, v, "a list of domains");
    for (struct json *e = json_first(v); e; e = e->next) {
        struct str s = json_str(e);
        size_t n = strlen(search);
        if (!json_is(e, JSON_STRING) || names_dns1123_subdomain(s))
            return wrong(r, e, "a domain name");
        if (n + s.n + 2 > MACHINE_SEARCH)
            return wrong(r, v, "at most 250 characters of domains");
        snprintf(search + n, MACHINE_SEARCH - n, "%s" STR_FMT, n ? " " : "", STR_ARG(s));
    }
    return 0;
}

static int read_network(struct reading *r, const struct json *v, void *to)
{
    static const struct key keys[] = {
        {"interface", read_interface, offsetof(struct config_network, interface)},
        {"addresses", read_addresses, 0},
        {"gateway", read_ip, offsetof(struct config_network, gateway)},
        {"dns", read_dns, 0},
        {"ntp", read_ntp, 0},
        {"search", read_search, offsetof(struct config_network, search)},
    };
    return read_object(r, v, keys, sizeof keys / sizeof keys[0], to);
}

/* ---- registries: checked here, handed on as JSON ---- */

static int check_text(struct reading *r, const struct json *v, void *to)
{
    (void)to;
    return json_is(v, JSON_STRING) && json_str(v).n ? 0 : wrong(r, v, "text");
}

static int check_bool(struct reading *r, const struct json *v, void *to)
{
    (void)to;
    return json_is(v, JSON_BOOL) ? 0 : wrong(r, v, "true or false");
}

static int check_texts(struct reading *r, const struct json *v, void *to)
{
    if (!json_is(v, JSON_ARRAY))
        return wrong(r, v, "a list");
    for (struct json *e = json_first(v); e; e = e->next)
        if (check_text(r, e, to) < 0)
            return -E_INVALID;
    return 0;
}

static int read_registries(struct reading *r, const struct json *v, void *to)
{
    static const struct key keys[] = {{"host", check_text, 0},
                                      {"mirrors", check_texts, 0},
                                      {"plain_http", check_bool, 0},
                                      {"skip_verify", check_bool, 0},
                                      {"ca", check_text, 0}};
    CLEANUP_BUF struct buf text;
    buf_init(&text, START_REGISTRIES);
    if (!json_is(v, JSON_ARRAY))
        return wrong(r, v, "a list of registries, each with its host");
    for (struct json *e = json_first(v); e; e = e->next) {
        int rc = read_object(r, e, keys, sizeof keys / sizeof keys[0], NULL);
        if (rc < 0)
            return rc;
        if (json_absent(json_get(e, "host")))
            return wrong(r, e, "a host for this registry");
    }
    json_write(&text, v);
    if (text.failed || !str_copy(to, START_REGISTRIES, buf_str(&text)))
        return wrong(r, v, "at most 8 KiB of registries");
    return 0;
}

/* ---- the API ---- */

static int read_oidc(struct reading *r, const struct json *v, void *to)
{
    static const struct key keys[] = {
        {"issuer", check_text, 0},          {"client_id", check_text, 0},
        {"ca", check_text, 0},              {"username_claim", check_text, 0},
        {"username_prefix", check_text, 0}, {"groups_claim", check_text, 0},
        {"groups_prefix", check_text, 0}};
    CLEANUP_BUF struct buf text;
    buf_init(&text, START_OIDC);
    int rc = read_object(r, v, keys, sizeof keys / sizeof keys[0], NULL);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < 3; i++)
        if (json_absent(json_get(v, keys[i].name)))
            return wrong(r, v, "issuer, client_id and ca");
    if (!str_starts(json_path_str(v, "issuer"), STR("https://")))
        return wrong(r, json_get(v, "issuer"), "an https URL");
    json_write(&text, v);
    if (text.failed || !str_copy(to, START_OIDC, buf_str(&text)))
        return wrong(r, v, "at most 8 KiB");
    return 0;
}

/* A Policy of audit.k8s.io/v1 without its kind. */
static int read_audit(struct reading *r, const struct json *v, void *to)
{
    CLEANUP_BUF struct buf text;
    struct audit_policy *policy = NULL;
    struct err err = {0};
    buf_init(&text, START_AUDIT);
    int rc = audit_policy_new(v, &policy, &err);
    audit_policy_free(policy);
    if (rc < 0)
        return wrong(r, v, err.text);
    json_write(&text, v);
    if (text.failed || !str_copy(to, START_AUDIT, buf_str(&text)))
        return wrong(r, v, "at most 8 KiB");
    return 0;
}

static int read_fronts(struct reading *r, const struct json *v, void *to)
{
    int64_t n = json_i64(v, 0);
    if (!json_is(v, JSON_INT) || n < 1 || n > ROLE_FRONTS)
        return wrong(r, v, "a number from 1 to 4");
    *(unsigned *)to = (unsigned)n;
    return 0;
}

static int read_api(struct reading *r, const struct json *v, void *to)
{
    static const struct key keys[] = {{"fronts", read_fronts, offsetof(struct config, fronts)},
                                      {"oidc", read_oidc, offsetof(struct config, oidc)},
                                      {"audit", read_audit, offsetof(struct config, audit)}};
    return read_object(r, v, keys, sizeof keys / sizeof keys[0], to);
}

/* ---- the whole ---- */

void config_default(struct config *c)
{
    *c = (struct config){.name = "keelson", .registries = "[]"};
}

unsigned config_fronts(const struct config *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = c->fronts ? c->fronts : cpus > 2 ? (unsigned)cpus / 2 : 1;
    return n < ROLE_FRONTS ? n : ROLE_FRONTS;
}

int config_parse(const char *file, struct str text, struct config *ret_config, struct err *err)
{
    static const struct key keys[] = {
        {"name", read_name, offsetof(struct config, name)},
        {"endpoint", read_endpoint, offsetof(struct config, endpoint)},
        {"ca", read_ca, offsetof(struct config, ca_pem)},
        {"network", read_network, offsetof(struct config, network)},
        {"registries", read_registries, offsetof(struct config, registries)},
        {"api", read_api, 0},
    };
    struct reading r = {.file = file, .err = err};
    struct json *root;
    CLEANUP_FREE struct config *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "out of memory");
    config_default(c);
    arena_init(&r.arena, 16 * CONFIG_FILE_MOST);
    int rc = yaml_parse(&r.arena, text, NULL, &root, &r.marks, err);
    if (rc < 0)
        rc = err_wrap(err, rc, "%s", file);
    else
        rc = read_object(&r, root, keys, sizeof keys / sizeof keys[0], c);
    c->named = rc == 0 && !json_absent(json_get(root, "name"));
    arena_done(&r.arena);
    if (rc == 0)
        *ret_config = *c;
    mem_wipe(c, sizeof *c);
    return rc;
}
