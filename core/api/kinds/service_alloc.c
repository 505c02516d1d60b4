/*
 * Cluster addresses and node ports. Each one in use is a key of the store, written and deleted by
 * the very command that writes or deletes its Service, on the condition that it was free. So no two
 * Services can have the same, a restart has nothing to rebuild, and nothing leaks.
 *
 *   /alloc/clusterips/10.96.12.7       "NAMESPACE/NAME"
 *   /alloc/nodeports/TCP/30080         "NAMESPACE/NAME"
 *
 * As upstream, addresses are chosen from the upper part of the range; its first 256 are left to
 * those who name theirs.
 */
#include <stdio.h>

#include "api/kinds/service.h"

enum {
    RANGE_FIRST = 10 << 24 | 96 << 16, /* 10.96.0.0/12 */
    RANGE_SIZE = 1 << 20,
    RANGE_NAMED = 256,
    PORT_FIRST = 30000,
    PORT_LAST = 32767,
    TRIES = 256,
    KEYS = 60,
};

struct reservations {
    struct str keys[KEYS];
    size_t count;
    bool full; /* more than one write may reserve */
};

static struct str ip_key(struct write *w, struct str ip)
{
    return str_of(arena_printf(w->a, "/alloc/clusterips/" STR_FMT, STR_ARG(ip)));
}

static struct str port_key(struct write *w, struct str protocol, int64_t port)
{
    return str_of(arena_printf(w->a, "/alloc/nodeports/" STR_FMT "/%lld", STR_ARG(protocol),
                               (long long)port));
}

static void add(struct reservations *all, struct str key)
{
    if (all->count == KEYS || !key.p)
        all->full = true;
    else
        all->keys[all->count++] = key;
}

static bool has(const struct reservations *all, struct str key)
{
    for (size_t i = 0; i < all->count; i++)
        if (str_eq(all->keys[i], key))
            return true;
    return false;
}

static void held_by(struct write *w, const struct json *service, struct reservations *ret)
{
    struct str ip = json_path_str(service, "spec.clusterIP");
    ret->count = 0;
    ret->full = false;
    if (!service || service_external(service))
        return;
    if (ip.n && !service_headless(service))
        add(ret, ip_key(w, ip));
    for (const struct json *p = json_first(json_path(service, "spec.ports")); p; p = p->next)
        if (json_path_i64(p, "nodePort", 0))
            add(ret, port_key(w, json_path_str(p, "protocol"), json_path_i64(p, "nodePort", 0)));
}

static bool is_free(struct write *w, struct str key)
{
    return key.p && !store_get(w->api->store, key);
}

/* ---- addresses ---- */

static bool in_range(struct str ip)
{
    uint64_t part[4];
    struct str rest = ip, text;
    for (size_t i = 0; i < 4; i++)
        if (!str_split(&rest, '.', &text) || str_to_u64(text, &part[i]) < 0 || part[i] > 255)
            return false;
    uint32_t value = (uint32_t)(part[0] << 24 | part[1] << 16 | part[2] << 8 | part[3]);
    return !rest.p && value > RANGE_FIRST && value - RANGE_FIRST < RANGE_SIZE - 1;
}

static void choose_ip(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t v = RANGE_FIRST + RANGE_NAMED + 1 +
                     (uint32_t)prng_below(&w->api->prng, RANGE_SIZE - RANGE_NAMED - 2);
        const char *text =
            arena_printf(w->a, "%u.%u.%u.%u", v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255);
        if (!text || !is_free(w, ip_key(w, str_of(text))))
            continue;
        json_set_cstr(w->a, spec, "clusterIP", text);
        struct json *list = json_set(w->a, spec, "clusterIPs", json_new(w->a, JSON_ARRAY));
        json_append(w->a, list, json_new_cstr(w->a, text));
        return;
    }
    field_invalid_str(&w->errors, FIELD(FIELD(NULL, "spec"), "clusterIPs"), STR(""),
                      "failed to allocate a serviceIP: range is full");
}

static void take_ip(struct write *w, const struct reservations *held)
{
    const struct field *f = FIELD(FIELD(NULL, "spec"), "clusterIPs");
    struct str ip = json_path_str(w->object, "spec.clusterIP");
    if (service_external(w->object) || service_headless(w->object))
        return;
    if (!ip.n) {
        choose_ip(w);
        return;
    }
    if (has(held, ip_key(w, ip)))
        return;
    const struct json *list = json_path(w->object, "spec.clusterIPs");
    if (!in_range(ip))
        field_invalid(
            &w->errors, f, list,
            arena_printf(w->a,
                         "failed to allocate IP " STR_FMT ": the provided IP (" STR_FMT
                         ") is not in the valid range. The range of valid IPs is 10.96.0.0/12",
                         STR_ARG(ip), STR_ARG(ip)));
    else if (!is_free(w, ip_key(w, ip)))
        field_invalid(&w->errors, f, list,
                      arena_printf(w->a,
                                   "failed to allocate IP " STR_FMT
                                   ": provided IP is already allocated",
                                   STR_ARG(ip)));
}

/* ---- node ports ---- */

static bool used_by_another_port(const struct json *ports, const struct json *self, int64_t number)
{
    for (const struct json *p = json_first(ports); p; p = p->next)
        if (p != self && json_path_i64(p, "nodePort", 0) == number &&
            str_eq(json_path_str(p, "protocol"), json_path_str(self, "protocol")))
            return true;
    return false;
}

static void choose_port(struct write *w, const struct json *ports, struct json *port,
                        const struct field *f)
{
    int64_t count = PORT_LAST - PORT_FIRST + 1;
    int64_t start = (int64_t)prng_below(&w->api->prng, (uint64_t)count);
    for (int64_t i = 0; i < count; i++) {
        int64_t number = PORT_FIRST + (start + i) % count;
        if (used_by_another_port(ports, port, number) ||
            !is_free(w, port_key(w, json_path_str(port, "protocol"), number)))
            continue;
        json_set_i64(w->a, port, "nodePort", number);
        return;
    }
    field_invalid_int(&w->errors, FIELD(f, "nodePort"), 0,
                      "failed to allocate a nodePort: range is full");
}

static void take_ports(struct write *w, const struct reservations *held)
{
    const struct json *ports = json_path(w->object, "spec.ports");
    int64_t i = 0;
    for (struct json *p = json_first(ports); p; p = p->next, i++) {
        const struct field *f = FIELD_AT(FIELD(FIELD(NULL, "spec"), "ports"), i);
        int64_t number = json_path_i64(p, "nodePort", 0);
        if (!number && service_has_node_ports(w->object)) {
            choose_port(w, ports, p, f);
            continue;
        }
        struct str key = port_key(w, json_path_str(p, "protocol"), number);
        if (!number || has(held, key))
            continue;
        if (number < PORT_FIRST || number > PORT_LAST)
            field_invalid_int(
                &w->errors, FIELD(f, "nodePort"), number,
                "provided port is not in the valid range. The range of valid ports is 30000-32767");
        else if (!is_free(w, key) || used_by_another_port(ports, p, number))
            field_invalid_int(&w->errors, FIELD(f, "nodePort"), number,
                              "provided port is already allocated");
    }
}

int service_allocate(struct write *w)
{
    struct reservations held, wanted;
    held_by(w, w->old, &held);
    take_ip(w, &held);
    take_ports(w, &held);
    if (w->errors.count)
        return 0;
    held_by(w, w->object, &wanted);
    if (wanted.full) {
        field_forbidden(&w->errors, FIELD(FIELD(NULL, "spec"), "ports"),
                        "a service may reserve at most 59 node ports");
        return 0;
    }
    const char *owner = arena_printf(w->a, STR_FMT "/" STR_FMT, STR_ARG(w->ns), STR_ARG(w->name));
    for (size_t i = 0; i < wanted.count; i++)
        if (!has(&held, wanted.keys[i])) {
            write_compare(w, wanted.keys[i], 0);
            write_put(w, wanted.keys[i], str_of(owner ? owner : "?"));
            w->chose = true;
        }
    for (size_t i = 0; i < held.count; i++)
        if (!has(&wanted, held.keys[i]))
            write_remove(w, held.keys[i]);
    return 0;
}

void service_release(struct write *w)
{
    struct reservations held;
    held_by(w, w->old, &held);
    for (size_t i = 0; i < held.count; i++)
        write_remove(w, held.keys[i]);
}
