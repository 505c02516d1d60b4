/* Names and ports of pods. See pod_parts.h. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

enum { NAMESERVERS = 3, SEARCHES = 32, SEARCH_CHARACTERS = 2048 };

static void check_searches(struct field_errors *e, const struct field *f,
                           const struct json *searches)
{
    size_t length = 0;
    int64_t i = 0;
    for (const struct json *s = json_first(searches); s; s = s->next)
        length += json_str(s).n + (s->next ? 1 : 0);
    if (json_count(searches) > SEARCHES)
        field_invalid(e, f, searches, "must not have more than 32 search paths");
    if (length > SEARCH_CHARACTERS)
        field_invalid(
            e, f, searches,
            "must not have more than 2048 characters (including spaces) in the search list");
    for (const struct json *s = json_first(searches); s; s = s->next, i++) {
        struct str name = json_str(s);
        if (str_is(name, "."))
            continue;
        if (name.n && name.p[name.n - 1] == '.')
            name.n--;
        /* Names of services may begin with an underscore. */
        char plain[300];
        str_copy(plain, sizeof plain, name);
        for (size_t k = 0; plain[k]; k++)
            if (plain[k] == '_')
                plain[k] = 'a';
        const char *wrong = names_dns1123_subdomain(name.n < sizeof plain ? str_of(plain) : name);
        if (wrong)
            field_invalid_str(e, FIELD_AT(f, i), name, wrong);
    }
}

static void check_dns_config(struct field_errors *e, const struct field *f,
                             const struct json *config)
{
    const struct json *servers = json_get(config, "nameservers");
    int64_t i = 0;
    if (json_count(servers) > NAMESERVERS)
        field_invalid(e, FIELD(f, "nameservers"), servers, "must not have more than 3 nameservers");
    for (const struct json *s = json_first(servers); s; s = s->next, i++)
        if (names_ip(json_str(s)))
            field_invalid(e, FIELD_AT(FIELD(f, "nameservers"), i), s, "must be valid IP address");
    check_searches(e, FIELD(f, "searches"), json_get(config, "searches"));
    i = 0;
    for (const struct json *o = json_first(json_get(config, "options")); o; o = o->next, i++)
        if (!json_path_str(o, "name").n)
            field_required(e, FIELD_AT(FIELD(f, "options"), i), "must not be empty");
}

void dns_validate(struct field_errors *e, const struct field *spec_field, const struct json *spec)
{
    const struct field *f = FIELD(spec_field, "dnsConfig");
    const struct json *config = json_get(spec, "dnsConfig");
    bool none = str_is(json_path_str(spec, "dnsPolicy"), "None");
    if (none && json_absent(config))
        field_required(e, f, "must provide `dnsConfig` when `dnsPolicy` is None");
    else if (none && !json_count(json_get(config, "nameservers")))
        field_required(e, FIELD(f, "nameservers"),
                       "must provide at least one DNS nameserver when `dnsPolicy` is None");
    else
        check_dns_config(e, f, config);
}

void host_aliases_validate(struct field_errors *e, const struct field *f,
                           const struct json *aliases)
{
    int64_t i = 0;
    for (const struct json *a = json_first(aliases); a; a = a->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        int64_t k = 0;
        if (names_ip(json_path_str(a, "ip")))
            field_invalid_str(e, FIELD(at, "ip"), json_path_str(a, "ip"),
                              "must be valid IP address");
        for (const struct json *h = json_first(json_get(a, "hostnames")); h; h = h->next)
            field_check_name(e, FIELD_AT(FIELD(at, "hostnames"), k++), json_str(h),
                             names_dns1123_subdomain);
    }
}

void host_ports_validate(struct field_errors *e, const struct field *f,
                         const struct json *containers)
{
    struct map seen;
    int64_t i = 0;
    map_init(&seen);
    for (const struct json *c = json_first(containers); c; c = c->next, i++) {
        const struct field *at = FIELD(FIELD_AT(f, i), "ports");
        int64_t k = 0;
        for (const struct json *p = json_first(json_get(c, "ports")); p; p = p->next, k++) {
            int64_t port = json_path_i64(p, "hostPort", 0);
            struct str text =
                str_of(arena_printf(e->arena, "%s/%s/%lld", json_path_cstr(p, "protocol"),
                                    json_path_cstr(p, "hostIP"), (long long)port));
            if (port && map_has(&seen, text))
                field_duplicate(e, FIELD(FIELD_AT(at, k), "hostPort"), text);
            else if (port && map_set(&seen, text, (void *)p, NULL) < 0)
                field_forbidden(e, f, "out of memory");
        }
    }
    map_done(&seen, NULL);
}
