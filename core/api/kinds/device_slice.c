/* A device of a ResourceSlice: attributes, capacities, taints, counters. See device.h. */
#include "api/kinds/device.h"
#include "api/kinds/kinds.h"
#include "cel/regex.h"
#include "codec/names.h"
#include "codec/quantity.h"

enum {
    PROPERTIES_MOST = 32,
    VALUE_BYTES = 64,
    TAINTS_MOST = 16,
    CONSUMPTIONS_MOST = 2,
    COUNTERS_MOST = 32,
    OPTIONS_MOST = 10,
    KEY_SHOWN = 63 + 1 + 32,
};

/* Keys longer than most are shown without their middle. */
static struct str shown_key(struct arena *a, struct str key, size_t most)
{
    size_t rest = most - 3;
    if (key.n <= most)
        return key;
    const char *text = arena_printf(a, "%.*s...%.*s", (int)((rest + 1) / 2), key.p, (int)(rest / 2),
                                    key.p + key.n - rest / 2);
    return text ? str_of(text) : key;
}

void device_counters_validate(struct field_errors *e, const struct field *f,
                              const struct json *counters)
{
    if (!json_count(counters)) {
        field_required(e, f, NULL);
        return;
    }
    if (json_count(counters) > COUNTERS_MOST) {
        field_too_many(e, f, json_count(counters), COUNTERS_MOST);
        return;
    }
    for (const struct json *m = json_first(counters); m; m = m->next)
        device_label_validate(e, FIELD_KEY(f, shown_key(e->arena, m->key, VALUE_BYTES - 1)), m->key);
}

/* ---- attributes ---- */

static bool is_version(struct field_errors *e, struct str text)
{
#define NUMBER "(0|[1-9]\\d*)"
#define BEFORE "(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)"
#define BUILD  "[0-9a-zA-Z-]+"
    struct regex *regex;
    struct regex_match match;
    struct err err = {0};
    return regex_compile(e->arena,
                         STR("^" NUMBER "\\." NUMBER "\\." NUMBER "(-" BEFORE "(\\." BEFORE ")*)?"
                             "(\\+" BUILD "(\\." BUILD ")*)?$"),
                         &regex, &err) == 0 &&
           regex_find(regex, text, 0, true, 1 << 20, &match) == 0 && match.found;
}

/* As upstream's type is printed. */
static struct json *as_printed(struct arena *a, const struct json *attribute)
{
    static const char *const names[][2] = {{"int", "IntValue"},
                                           {"bool", "BoolValue"},
                                           {"string", "StringValue"},
                                           {"version", "VersionValue"}};
    struct json *to = json_new(a, JSON_OBJECT);
    for (size_t i = 0; i < 4; i++)
        json_set(a, to, names[i][1],
                 json_get(attribute, names[i][0]) ? json_clone(a, json_get(attribute, names[i][0]))
                                                  : json_new(a, JSON_NULL));
    return to;
}

static void check_attribute(struct field_errors *e, const struct field *f, const struct json *attribute)
{
    static const char *const kinds[] = {"bool", "int", "string", "version"};
    size_t count = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct json *value = json_get(attribute, kinds[i]);
        if (json_absent(value))
            continue;
        count++;
        if (i == 3 && !is_version(e, json_str(value)))
            field_invalid(e, FIELD(f, "version"), value,
                          "must be a string compatible with semver.org spec 2.0.0");
        if (i >= 2 && json_str(value).n > VALUE_BYTES)
            field_too_long(e, FIELD(f, kinds[i]), VALUE_BYTES);
    }
    if (count == 0)
        field_invalid_str(e, f, STR(""), "exactly one value must be specified");
    else if (count > 1)
        field_invalid(e, f, as_printed(e->arena, attribute), "exactly one value must be specified");
}

/* ---- capacities that several may share ---- */

static bool amount_at(const struct json *o, const char *name, struct quantity *ret)
{
    const struct json *q = name ? json_get(o, name) : o;
    return !json_absent(q) && quantity_parse(json_str(q), ret, NULL) == 0;
}

static const char *told(struct arena *a, const char *what, const struct quantity *q)
{
    char text[QUANTITY_TEXT];
    quantity_format(q, text);
    const char *told = arena_printf(a, "%s: %s", what, text);
    return told ? told : "";
}

static void invalid_quantity(struct field_errors *e, const struct field *f, const struct quantity *q,
                             const char *why)
{
    char text[QUANTITY_TEXT];
    quantity_format(q, text);
    field_invalid_str(e, f, str_of(text), why);
}

static void check_values(struct field_errors *e, const struct field *f, const struct json *values,
                         const struct quantity *most, const struct quantity *usual)
{
    struct quantity q, last;
    bool found = false, first = true;
    uint32_t i = 0;
    if (json_count(values) > OPTIONS_MOST) {
        field_too_many(e, f, json_count(values), OPTIONS_MOST);
        return;
    }
    for (const struct json *m = json_first(values); m; m = m->next, i++) {
        if (!amount_at(m, NULL, &q))
            continue;
        if (!first && quantity_cmp(&last, &q) > 0)
            invalid_quantity(e, FIELD_AT(f, i), &q, "values must be sorted in ascending order");
        if (quantity_cmp(&q, most) > 0)
            invalid_quantity(e, FIELD_AT(f, i), &q,
                             told(e->arena, "option is larger than capacity value", most));
        if (!first && quantity_cmp(&last, &q) == 0)
            field_duplicate(e, FIELD_AT(f, i), json_str(m));
        found = found || quantity_cmp(&q, usual) == 0;
        last = q;
        first = false;
    }
    if (!found)
        invalid_quantity(e, f, usual, "default value is not valid according to the requestPolicy");
}

static void check_step(struct field_errors *e, const struct field *f, const struct quantity *value,
                       const struct quantity *min, const struct quantity *step)
{
    char a[QUANTITY_TEXT], b[QUANTITY_TEXT];
    int64_t by = quantity_value(step);
    __int128 over = (__int128)quantity_value(value) - quantity_value(min);
    if (by != 0 && over % by == 0)
        return;
    quantity_format(step, a);
    quantity_format(min, b);
    invalid_quantity(e, f, value,
                     arena_printf(e->arena, "value is not a multiple of a given step (%s) from (%s)",
                                  a, b));
}

static const char *one_step(struct arena *a, const struct quantity *once, const struct quantity *most)
{
    char text[QUANTITY_TEXT];
    quantity_format(once, text);
    const char *what = arena_printf(a, "one step %s is larger than capacity value", text);
    return told(a, what ? what : "", most);
}

static void check_range(struct field_errors *e, const struct field *f, const struct json *range,
                        const struct quantity *most, const struct quantity *usual)
{
    struct quantity min, max, step;
    bool has_max = amount_at(range, "max", &max);
    if (!amount_at(range, "min", &min)) {
        field_required(e, FIELD(f, "min"), "required when validRange is defined");
        return;
    }
    if (quantity_cmp(&min, most) > 0)
        invalid_quantity(e, FIELD(f, "min"), &min,
                         told(e->arena, "min is larger than capacity value", most));
    if (quantity_cmp(usual, &min) < 0)
        invalid_quantity(e, FIELD(f, "min"), usual, told(e->arena, "default is less than min", &min));
    if (has_max && quantity_cmp(&min, &max) > 0)
        invalid_quantity(e, FIELD(f, "max"), &min, told(e->arena, "min is larger than max", &max));
    if (has_max && quantity_cmp(&max, most) > 0)
        invalid_quantity(e, FIELD(f, "max"), &max,
                         told(e->arena, "max is larger than capacity value", most));
    if (has_max && quantity_cmp(usual, &max) > 0)
        invalid_quantity(e, FIELD(f, "max"), usual, told(e->arena, "default is more than max", &max));
    if (!amount_at(range, "step", &step))
        return;
    struct quantity once = min;
    quantity_add(&once, &step);
    if (quantity_cmp(&once, most) > 0)
        invalid_quantity(e, FIELD(f, "step"), &step, one_step(e->arena, &once, most));
    check_step(e, FIELD(f, "step"), usual, &min, &step);
    if (has_max)
        check_step(e, FIELD(f, "step"), &max, &min, &step);
}

static void check_capacity(struct field_errors *e, const struct field *f, const struct json *capacity,
                           bool shared)
{
    const struct json *policy = json_get(capacity, "requestPolicy"),
                      *values = json_get(policy, "validValues"),
                      *range = json_get(policy, "validRange");
    const struct field *at = FIELD(f, "requestPolicy");
    struct quantity most, usual;
    if (json_absent(policy))
        return;
    if (!shared) {
        field_forbidden(e, at, "allowMultipleAllocations must be true");
        return;
    }
    if (json_count(values) && !json_absent(range)) {
        field_forbidden(e, at,
                        "exactly one policy can be specified, cannot specify \"validValues\" and "
                        "\"validRange\" at the same time");
        return;
    }
    if (!json_count(values) && json_absent(range))
        return;
    if (!amount_at(policy, "default", &usual))
        field_required(e, FIELD(at, "default"),
                       json_count(values) ? "required when validValues is defined"
                                          : "required when validRange is defined");
    else if (amount_at(capacity, "value", &most) && json_count(values))
        check_values(e, FIELD(at, "validValues"), values, &most, &usual);
    else if (amount_at(capacity, "value", &most))
        check_range(e, FIELD(at, "validRange"), range, &most, &usual);
}

static void check_properties(struct field_errors *e, const struct field *f, const struct json *device)
{
    const struct json *attributes = json_get(device, "attributes"),
                      *capacity = json_get(device, "capacity"), *m;
    bool shared = json_path_bool(device, "allowMultipleAllocations", false);
    uint32_t count = json_count(attributes) + json_count(capacity);
    if (count > PROPERTIES_MOST)
        field_invalid_int(e, f, count,
                          "the total number of attributes and capacities must not exceed 32");
    for (m = json_first(attributes); m; m = m->next) {
        struct str key = shown_key(e->arena, m->key, KEY_SHOWN);
        device_qualified_validate(e, FIELD_KEY(FIELD(f, "attributes"), key), m->key, false);
        check_attribute(e, FIELD_KEY(FIELD(f, "attributes"), key), m);
    }
    for (m = json_first(capacity); m; m = m->next) {
        struct str key = shown_key(e->arena, m->key, KEY_SHOWN);
        device_qualified_validate(e, FIELD_KEY(FIELD(f, "capacity"), key), m->key, false);
        check_capacity(e, FIELD_KEY(FIELD(f, "capacity"), key), m, shared);
    }
}

/* ---- where it is ---- */

static void check_own_place(struct field_errors *e, const struct field *f, const struct json *device)
{
    static const char one[] = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required "
                              "when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    const struct json *node = json_get(device, "nodeName"),
                      *selector = json_get(device, "nodeSelector"),
                      *all = json_get(device, "allNodes");
    bool named = json_str(node).n > 0, everywhere = json_bool(all, false);
    bool selected = !json_absent(selector);
    if (named)
        field_check_name(e, FIELD(f, "nodeName"), json_str(node), names_dns1123_subdomain);
    else if (!json_absent(node))
        field_invalid(e, FIELD(f, "nodeName"), node, "must not be empty");
    if (selected)
        node_selector_validate(e, FIELD(f, "nodeSelector"), selector);
    if (!json_absent(all) && !everywhere)
        field_invalid(e, FIELD(f, "allNodes"), all, "must be either unset or set to true");
    if (named + selected + everywhere == 0)
        field_required(e, f, one);
    else if (named + selected + everywhere > 1)
        field_invalid_str(e, f,
                          str_of(!named        ? "{`nodeSelector`, `allNodes`}"
                                 : !selected   ? "{`nodeName`, `allNodes`}"
                                 : !everywhere ? "{`nodeName`, `nodeSelector`}"
                                               : "{`nodeName`, `nodeSelector`, `allNodes`}"),
                          one);
}

static void check_taint(struct field_errors *e, const struct field *f, const struct json *taint,
                        const void *ctx)
{
    (void)ctx;
    device_taint_validate(e, f, taint);
}

static void check_consumption(struct field_errors *e, const struct field *f, const struct json *c,
                              const void *ctx)
{
    struct str set = json_path_str(c, "counterSet");
    (void)ctx;
    if (set.n)
        device_label_validate(e, FIELD(f, "counterSet"), set);
    else
        field_required(e, FIELD(f, "counterSet"), NULL);
    device_counters_validate(e, FIELD(f, "counters"), json_get(c, "counters"));
}

void device_validate(struct field_errors *e, const struct field *f, const struct json *device,
                     const struct json *slice)
{
    device_label_validate(e, FIELD(f, "name"), json_path_str(device, "name"));
    check_properties(e, f, device);
    device_each(e, FIELD(f, "taints"), json_get(device, "taints"), TAINTS_MOST, check_taint, NULL);
    device_set(e, FIELD(f, "consumesCounters"), json_get(device, "consumesCounters"),
               CONSUMPTIONS_MOST, "counterSet", check_consumption, NULL);
    if (json_path_bool(slice, "perDeviceNodeSelection", false))
        check_own_place(e, f, device);
    else if (!json_absent(json_get(device, "nodeName")) ||
             !json_absent(json_get(device, "nodeSelector")) ||
             !json_absent(json_get(device, "allNodes")))
        field_invalid(e, f, NULL,
                      "`nodeName`, `nodeSelector` and `allNodes` can only be set if "
                      "`perDeviceNodeSelection` is set to true in the ResourceSlice spec");
    device_binding_validate(e, f, device);
}
