/* Nodes: a kubelet registers with its status, so creation keeps it. */
#include "api/kinds/kinds.h"
#include "codec/names.h"
#include "codec/quantity.h"

static const struct kind_field fields[] = {{SELECTABLE("spec.unschedulable"), .absent = "false"},
                                           {.selector = NULL}};

/* The first of the ranges has a field of its own, which wins where the two differ. */
static void set_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    struct str one = json_path_str(spec, "podCIDR");
    const struct json *first = json_first(json_get(spec, "podCIDRs"));
    if (one.n && (!first || !str_eq(json_str(first), one))) {
        struct json *list = json_new(w->a, JSON_ARRAY);
        json_append(w->a, list, json_new_str(w->a, one));
        json_set(w->a, spec, "podCIDRs", list);
    } else if (first && !one.n) {
        json_set_str(w->a, spec, "podCIDR", json_str(first));
    }
}

/* The path is upstream's: taints lie in spec, and are told of in metadata. */
static void check_taints(struct field_errors *e, const struct json *taints)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    const struct field *f = FIELD(FIELD(NULL, "metadata"), "taints");
    int64_t i = 0;
    for (const struct json *t = json_first(taints); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str key = json_path_str(t, "key"), effect = json_path_str(t, "effect");
        const struct json *o = json_first(taints);
        field_check_name(e, FIELD(at, "key"), key, names_qualified);
        field_check_name(e, FIELD(at, "value"), json_path_str(t, "value"), names_label_value);
        field_check_enum(e, FIELD(at, "effect"), json_get(t, "effect"), effects);
        while (o != t && !(str_eq(json_path_str(o, "key"), key) &&
                           str_eq(json_path_str(o, "effect"), effect)))
            o = o->next;
        if (o == t)
            continue;
        struct buf text CLEANUP_BUF;
        buf_init(&text, 4096);
        json_write(&text, t);
        field_add(e, at, "FieldValueDuplicate",
                  arena_printf(e->arena,
                               "Duplicate value: %s: taints must be unique by key and effect pair",
                               text.failed ? "" : buf_cstr(&text)));
    }
}

static void check_resources(struct field_errors *e, const struct json *status)
{
    static const char *const parts[] = {"capacity", "allocatable"};
    for (size_t i = 0; i < 2; i++)
        for (const struct json *m = json_first(json_get(status, parts[i])); m; m = m->next) {
            struct quantity q;
            const struct field *at = FIELD(FIELD(FIELD(NULL, "status"), parts[i]), m->key.p);
            if (quantity_parse(json_str(m), &q, NULL) == 0 && q.nano < 0)
                field_invalid(e, at, m, "must be greater than or equal to 0");
        }
}

static void check_ranges(struct field_errors *e, const struct json *ranges)
{
    const struct field *f = FIELD(FIELD(NULL, "spec"), "podCIDRs");
    unsigned four = 0, six = 0;
    int64_t i = 0;
    for (const struct json *r = json_first(ranges); r; r = r->next, i++) {
        struct str s = json_str(r), address = s;
        ptrdiff_t slash = str_find_byte(s, '/');
        uint64_t bits;
        bool is_six = str_find_byte(s, ':') >= 0;
        if (slash >= 0)
            address = str_make(s.p, (size_t)slash);
        if (slash < 0 || names_ip(address) ||
            str_to_u64(str_make(s.p + slash + 1, s.n - (size_t)slash - 1), &bits) < 0 ||
            bits > (is_six ? 128 : 32))
            field_invalid(e, FIELD_AT(f, i), ranges, "must be valid CIDR");
        if (is_six)
            six++;
        else
            four++;
        const struct json *o = json_first(ranges);
        while (o != r && !str_eq(json_str(o), s))
            o = o->next;
        if (o != r)
            field_duplicate(e, FIELD_AT(f, i), s);
    }
    if (four > 1 || six > 1)
        field_invalid(e, f, ranges, "may specify no more than one CIDR for each IP family");
}

static void validate(struct write *w)
{
    const struct json *spec = json_get(w->object, "spec");
    check_taints(&w->errors, json_get(spec, "taints"));
    check_resources(&w->errors, json_get(w->object, "status"));
    if (w->is_create)
        check_ranges(&w->errors, json_get(spec, "podCIDRs"));
}

/* A node's address ranges and identity are given once. */
static void validate_update(struct write *w)
{
    const struct field *spec = FIELD(NULL, "spec");
    const struct json *was = json_path(w->old, "spec.podCIDRs"),
                      *now = json_path(w->object, "spec.podCIDRs"), *addresses, *o;
    struct str id = json_path_str(w->old, "spec.providerID");
    int64_t i = 0;
    if (cstr_eq(w->subresource, "status"))
        check_resources(&w->errors, json_get(w->object, "status"));
    addresses = json_path(w->object, "status.addresses");
    for (const struct json *a = json_first(addresses); a; a = a->next, i++) {
        o = json_first(addresses);
        while (o != a && !json_equal(o, a))
            o = o->next;
        if (o != a)
            field_duplicate_json(&w->errors, FIELD_AT(FIELD(FIELD(NULL, "status"), "addresses"), i),
                                 a);
    }
    if (json_count(was) && !json_equal(was, now))
        field_forbidden(&w->errors, FIELD(spec, "podCIDRs"),
                        "node updates may not change podCIDR except from \"\" to valid");
    if (id.n && !str_eq(id, json_path_str(w->object, "spec.providerID")))
        field_forbidden(&w->errors, FIELD(spec, "providerID"),
                        "node updates may not change providerID except from \"\" to valid");
}

const struct kind kind_node = {
    .group = "",
    .resource = "nodes",
    .flags = KIND_STATUS | KIND_KEEP_STATUS,
    .fields = fields,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
