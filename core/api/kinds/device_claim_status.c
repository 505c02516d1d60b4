/* The status of ResourceClaims: allocation, who it is reserved for, what drivers say. See device.h. */
#include "api/kinds/cidr.h"
#include "api/kinds/device.h"
#include "api/kinds/kinds.h"
#include "api/kinds/unique.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"

enum {
    RESERVED_MOST = 256,
    CONDITIONS_MOST = 8,
    IPS_MOST = 16,
    INTERFACE_BYTES = 256,
    HARDWARE_BYTES = 128,
    REASON_BYTES = 1024,
    MESSAGE_BYTES = 32 * 1024,
};

/* ---- conditions, as metav1's ---- */

/* A word with inner commas and colons. */
static bool reason_good(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
        if (!letter && (i == 0 || (!digit && c != '_' && (c != ',' && c != ':'))))
            return false;
        if ((c == ',' || c == ':') && i + 1 == s.n)
            return false;
    }
    return s.n > 0;
}

static void check_condition(struct field_errors *e, const struct field *f, const struct json *c)
{
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    struct str status = json_path_str(c, "status"), reason = json_path_str(c, "reason");
    int64_t observed = json_path_i64(c, "observedGeneration", 0);
    field_check_name(e, FIELD(f, "type"), json_path_str(c, "type"), names_qualified);
    if (!str_is(status, "True") && !str_is(status, "False") && !str_is(status, "Unknown"))
        field_unsupported(e, FIELD(f, "status"), status, statuses);
    if (observed < 0)
        field_invalid_int(e, FIELD(f, "observedGeneration"), observed,
                          "must be greater than or equal to zero");
    if (json_absent(json_get(c, "lastTransitionTime")))
        field_required(e, FIELD(f, "lastTransitionTime"), NULL);
    if (!reason.n)
        field_required(e, FIELD(f, "reason"), NULL);
    else if (!reason_good(reason))
        field_invalid_str(e, FIELD(f, "reason"), reason,
                          "a condition reason must start with alphabetic character, optionally "
                          "followed by a string of alphanumeric characters or '_,:', and must end "
                          "with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
                          "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for "
                          "validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
    if (reason.n > REASON_BYTES)
        field_too_long(e, FIELD(f, "reason"), REASON_BYTES);
    if (json_path_str(c, "message").n > MESSAGE_BYTES)
        field_too_long(e, FIELD(f, "message"), MESSAGE_BYTES);
}

static void check_conditions(struct field_errors *e, const struct field *f, const struct json *list)
{
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    if (json_count(list) > CONDITIONS_MOST)
        field_too_many(e, f, json_count(list), CONDITIONS_MOST);
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        if (!unique_add(&seen, json_path_str(c, "type")))
            field_duplicate(e, FIELD(FIELD_AT(f, i), "type"), json_path_str(c, "type"));
        check_condition(e, FIELD_AT(f, i), c);
    }
}

/* ---- devices ---- */

static bool same_device(const struct json *a, const struct json *b)
{
    static const char *const parts[] = {"driver", "pool", "device", "shareID"};
    for (size_t i = 0; i < 4; i++)
        if (!str_eq(json_path_str(a, parts[i]), json_path_str(b, parts[i])))
            return false;
    return true;
}

/* Longer lists of results are refused anyway. */
static bool allocated(const struct json *status, const struct json *device)
{
    const struct json *r = json_first(json_path(status, "allocation.devices.results"));
    for (int i = 0; r && i < DEVICES_LIST_MOST; r = r->next, i++)
        if (same_device(r, device))
            return true;
    return false;
}

/* "driver/pool/device", and the share behind it */
static const char *device_name(struct arena *a, const struct json *d)
{
    const char *share = json_path_cstr(d, "shareID");
    const char *text = arena_printf(a, "%s/%s/%s%s%s", json_path_cstr(d, "driver"),
                                    json_path_cstr(d, "pool"), json_path_cstr(d, "device"),
                                    share[0] ? "/" : "", share);
    return text ? text : "";
}

static void check_address(struct field_errors *e, const struct field *f, const struct json *text,
                          const void *ctx)
{
    struct net_prefix c;
    (void)ctx;
    if (net_prefix_parse(json_str(text), &c) < 0) {
        field_invalid(e, f, text,
                      "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)");
        return;
    }
    const char *canonical =
        arena_printf(e->arena, "%s/%u", ip_canonical(e->arena, &c.addr), c.bits);
    if (canonical && !str_is(json_str(text), canonical))
        field_invalid(e, f, text,
                      arena_printf(e->arena, "must be in canonical form (\"%s\")", canonical));
}

static void check_network(struct field_errors *e, const struct field *f, const struct json *n)
{
    if (json_path_str(n, "interfaceName").n > INTERFACE_BYTES)
        field_too_long(e, FIELD(f, "interfaceName"), INTERFACE_BYTES);
    if (json_path_str(n, "hardwareAddress").n > HARDWARE_BYTES)
        field_too_long(e, FIELD(f, "hardwareAddress"), HARDWARE_BYTES);
    device_set(e, FIELD(f, "ips"), json_get(n, "ips"), IPS_MOST, NULL, check_address, NULL);
}

static void check_names(struct field_errors *e, const struct field *f, const struct json *d)
{
    const struct json *share = json_get(d, "shareID");
    driver_name_validate(e, FIELD(f, "driver"), json_path_str(d, "driver"));
    device_pool_validate(e, FIELD(f, "pool"), json_path_str(d, "pool"));
    device_label_validate(e, FIELD(f, "device"), json_path_str(d, "device"));
    if (!json_absent(share))
        device_uid_validate(e, FIELD(f, "shareID"), json_str(share));
}

static void check_device(struct field_errors *e, const struct field *f, const struct json *d,
                         const void *status)
{
    const struct json *data = json_get(d, "data");
    check_names(e, f, d);
    if (!allocated(status, d))
        field_invalid_str(e, f, str_of(device_name(e->arena, d)),
                          "must be an allocated device in the claim");
    check_conditions(e, FIELD(f, "conditions"), json_get(d, "conditions"));
    if (!json_absent(data))
        device_raw_validate(e, FIELD(f, "data"), data);
    check_network(e, FIELD(f, "networkData"), json_get(d, "networkData"));
}

static void check_devices(struct field_errors *e, const struct field *f, const struct json *status)
{
    const struct json *list = json_get(status, "devices");
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    device_each(e, f, list, -1, check_device, status);
    for (const struct json *d = json_first(list); d; d = d->next, i++)
        if (!unique_add(&seen, str_of(device_name(e->arena, d))))
            field_duplicate(e, FIELD_AT(f, i), str_of(device_name(e->arena, d)));
}

/* ---- allocation ---- */

static void check_result(struct field_errors *e, const struct field *f, const struct json *r,
                         const void *spec)
{
    device_request_ref_validate(e, FIELD(f, "request"), json_path_str(r, "request"), spec);
    check_names(e, f, r);
    device_binding_validate(e, f, r);
}

static void check_reference(struct field_errors *e, const struct field *f, const struct json *name,
                            const void *spec)
{
    device_request_ref_validate(e, f, json_str(name), spec);
}

static void check_config(struct field_errors *e, const struct field *f, const struct json *c,
                         const void *spec)
{
    static const char *const sources[] = {"FromClaim", "FromClass", NULL};
    field_check_enum(e, FIELD(f, "source"), json_get(c, "source"), sources);
    device_set(e, FIELD(f, "requests"), json_get(c, "requests"), DEVICES_LIST_MOST, NULL,
               check_reference, spec);
    device_config_validate(e, f, c);
}

static void check_allocation(struct write *w, const struct field *f, const struct json *allocation)
{
    struct field_errors *e = &w->errors;
    const struct json *spec = json_get(w->object, "spec"),
                      *devices = json_get(allocation, "devices"),
                      *selector = json_get(allocation, "nodeSelector");
    const struct field *at = FIELD(f, "devices");
    device_each(e, FIELD(at, "results"), json_get(devices, "results"), DEVICES_LIST_MOST,
                check_result, spec);
    device_each(e, FIELD(at, "config"), json_get(devices, "config"), 2 * DEVICES_LIST_MOST,
                check_config, spec);
    if (!json_absent(selector))
        node_selector_validate(e, FIELD(f, "nodeSelector"), selector);
}

/* ---- consumers ---- */

static void check_consumer(struct field_errors *e, const struct field *f, const struct json *c,
                           const void *ctx)
{
    static const char *const parts[] = {"resource", "name", "uid"};
    (void)ctx;
    for (size_t i = 0; i < 3; i++)
        if (!json_path_str(c, parts[i]).n)
            field_required(e, FIELD(f, parts[i]), NULL);
}

static bool any_new(const struct json *list, const struct json *old)
{
    for (const struct json *c = json_first(list); c; c = c->next) {
        const struct json *o = json_first(old);
        while (o && !json_equal(o, c))
            o = o->next;
        if (!o)
            return true;
    }
    return false;
}

static void check_reserved(struct write *w, const struct field *f, const struct json *status)
{
    const struct json *list = json_get(status, "reservedFor");
    device_set(&w->errors, f, list, RESERVED_MOST, "uid", check_consumer, NULL);
    check_devices(&w->errors, FIELD(f->up, "devices"), status);
    if (!json_count(list))
        return;
    if (json_absent(json_get(status, "allocation")))
        field_forbidden(&w->errors, f, "may not be specified when `allocated` is not set");
    else if (!json_absent(json_path(w->object, "metadata.deletionTimestamp")) &&
             any_new(list, json_path(w->old, "status.reservedFor")))
        field_forbidden(&w->errors, f,
                        "new entries may not be added while `deallocationRequested` or "
                        "`deletionTimestamp` are set");
}

void device_claim_status_validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "status");
    const struct json *status = json_get(w->object, "status"),
                      *allocation = json_get(status, "allocation"),
                      *old = json_path(w->old, "status.allocation");
    check_reserved(w, FIELD(f, "reservedFor"), status);
    if (!json_absent(old) && !json_absent(allocation))
        field_check_immutable(&w->errors, FIELD(f, "allocation"), allocation, old);
    else if (!json_absent(allocation))
        check_allocation(w, FIELD(f, "allocation"), allocation);
}
