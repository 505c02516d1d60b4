/* LimitRange: what is not said follows from what is (pkg/apis/core/v1/defaults.go). */
#include <stdio.h>

#include "api/kinds/kinds.h"
#include "codec/quantity.h"

static void fill(struct arena *a, struct json *item, const char *part, const char *from)
{
    for (const struct json *q = json_first(json_get(item, from)); q; q = q->next) {
        struct json *to = json_object_at(a, item, part);
        if (!json_get_str(to, q->key))
            json_set_key(a, to, q->key, json_clone(a, q));
    }
}

static void set_defaults(struct write *w)
{
    for (struct json *l = json_first(json_path(w->object, "spec.limits")); l; l = l->next) {
        if (!str_is(json_path_str(l, "type"), "Container"))
            continue;
        fill(w->a, l, "default", "max");
        fill(w->a, l, "defaultRequest", "default");
        fill(w->a, l, "defaultRequest", "min");
    }
}

static bool quantity_at(const struct json *item, const char *part, struct str key,
                        struct quantity *ret)
{
    const struct json *q = json_get_str(json_get(item, part), key);
    return q && quantity_parse(json_str(q), ret, NULL) == 0;
}

/* What may not be above what, and where and with which of the two values that is told. */
struct order {
    const char *low, *high, *at, *text;
    bool tell_high;
};

static void check_order(struct field_errors *e, const struct field *f, const struct json *item,
                        const struct order *o, struct str key)
{
    struct quantity low, high;
    char lt[QUANTITY_TEXT], ht[QUANTITY_TEXT], text[256];
    if (!quantity_at(item, o->low, key, &low) || !quantity_at(item, o->high, key, &high) ||
        quantity_cmp(&low, &high) <= 0)
        return;
    quantity_format(&low, lt);
    quantity_format(&high, ht);
    char low_name[32], high_name[32];
    ptrdiff_t comma = str_find_byte(str_of(o->text), ',');
    str_copy(low_name, sizeof low_name, str_make(o->text, (size_t)comma));
    str_copy(high_name, sizeof high_name, str_of(o->text + comma + 1));
    snprintf(text, sizeof text, "%s value %s is greater than %s value %s", low_name, lt, high_name,
             ht);
    field_invalid_str(e, FIELD_KEY(FIELD(f, o->at), key), str_of(o->tell_high ? ht : lt), text);
}

static void check_ratio(struct field_errors *e, const struct field *f, const struct json *item,
                        struct str key)
{
    struct quantity ratio, one = quantity_from_i64(1, QUANTITY_DECIMAL_SI);
    char text[QUANTITY_TEXT];
    if (!quantity_at(item, "maxLimitRequestRatio", key, &ratio) || quantity_cmp(&ratio, &one) >= 0)
        return;
    quantity_format(&ratio, text);
    field_invalid_str(e, FIELD_KEY(FIELD(f, "maxLimitRequestRatio"), key), str_of(text),
                      arena_printf(e->arena, "ratio %s is less than 1", text));
}

static void check_item(struct field_errors *e, const struct field *f, const struct json *item)
{
    static const char *const parts[] = {"max", "min", "default", "defaultRequest",
                                        "maxLimitRequestRatio"};
    static const struct order orders[] = {
        {"min", "max", "min", "min,max", false},
        {"min", "defaultRequest", "defaultRequest", "min,default request", true},
        {"defaultRequest", "max", "defaultRequest", "default request,max", false},
        {"defaultRequest", "default", "defaultRequest", "default request,default limit", false},
        {"min", "default", "default", "min,default", false},
        {"default", "max", "default", "default,max", true},
    };
    bool container = str_is(json_path_str(item, "type"), "Container");
    for (size_t i = 2; i < 4 && !container; i++)
        if (json_count(json_get(item, parts[i])) && str_is(json_path_str(item, "type"), "Pod"))
            field_forbidden(e, FIELD(f, parts[i]), "may not be specified when `type` is 'Pod'");
    if (str_is(json_path_str(item, "type"), "PersistentVolumeClaim") &&
        !json_path(item, "min.storage") && !json_path(item, "max.storage"))
        field_required(e, FIELD(f, "limits"),
                       "either minimum or maximum storage value is required, but neither was "
                       "provided");
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        for (const struct json *q = json_first(json_get(item, orders[i].low)); q; q = q->next)
            check_order(e, f, item, &orders[i], q->key);
    for (const struct json *q = json_first(json_get(item, parts[4])); q; q = q->next)
        check_ratio(e, f, item, q->key);
}

static void validate(struct write *w)
{
    const struct field *f = FIELD(FIELD(NULL, "spec"), "limits");
    int64_t i = 0;
    for (const struct json *l = json_first(json_path(w->object, "spec.limits")); l;
         l = l->next, i++) {
        struct str type = json_path_str(l, "type");
        if (!type.n)
            field_required(&w->errors, FIELD(FIELD_AT(f, i), "type"), "");
        for (const struct json *k = json_first(json_path(w->object, "spec.limits")); k != l;
             k = k->next)
            if (str_eq(json_path_str(k, "type"), type))
                field_duplicate(&w->errors, FIELD(FIELD_AT(f, i), "type"), type);
        check_item(&w->errors, FIELD_AT(f, i), l);
    }
}

const struct kind kind_limit_range = {
    .group = "",
    .resource = "limitranges",
    .flags = KIND_CREATE_ON_UPDATE,
    .set_defaults = set_defaults,
    .validate = validate,
};
