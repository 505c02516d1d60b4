/* PriorityLevelConfigurations, as upstream's pkg/apis/flowcontrol. */
#include "api/flow/defaults.h"
#include "api/kinds/kinds.h"

enum {
    QUEUES_MOST = 10000000,
    HASH_BITS = 60, /* that dealing a hand of queues may use */
};

static void missing_or_zero(struct arena *a, struct json *o, const char *name, int64_t value)
{
    if (o && json_path_i64(o, name, 0) == 0)
        json_set_i64(a, o, name, value);
}

static void set_defaults(struct write *w)
{
    struct json *exempt = json_path(w->object, "spec.exempt"),
                *limited = json_path(w->object, "spec.limited"),
                *queuing = json_path(limited, "limitResponse.queuing");
    set_missing_i64(w->a, exempt, "nominalConcurrencyShares", 0);
    set_missing_i64(w->a, exempt, "lendablePercent", 0);
    set_missing_i64(w->a, limited, "nominalConcurrencyShares", 30);
    set_missing_i64(w->a, limited, "lendablePercent", 0);
    missing_or_zero(w->a, queuing, "handSize", 8);
    missing_or_zero(w->a, queuing, "queues", 64);
    missing_or_zero(w->a, queuing, "queueLengthLimit", 50);
}

static void check_percent(struct field_errors *e, const struct field *f, const struct json *o)
{
    const struct json *percent = json_get(o, "lendablePercent");
    int64_t n = json_i64(percent, 0);
    if (n < 0 || n > 100)
        field_invalid_int(e, FIELD(f, "lendablePercent"), n, "must be between 0 and 100, inclusive");
}

static void check_shares(struct field_errors *e, const struct field *f, const struct json *o)
{
    int64_t n = json_path_i64(o, "nominalConcurrencyShares", 0);
    if (n < 0)
        field_invalid_int(e, FIELD(f, "nominalConcurrencyShares"), n,
                          "must be a non-negative integer");
}

/* Does dealing `hand` of `queues` take more bits of a hash than there are? */
static bool too_many_hands(int64_t queues, int64_t hand)
{
    uint64_t hands = 1;
    for (int64_t i = 0; i < hand && queues > 1; i++)
        if (__builtin_mul_overflow(hands, (uint64_t)queues, &hands) || hands > 1ull << HASH_BITS)
            return true;
    return false;
}

static void check_queuing(struct field_errors *e, const struct field *f, const struct json *q)
{
    int64_t length = json_path_i64(q, "queueLengthLimit", 0), queues = json_path_i64(q, "queues", 0),
            hand = json_path_i64(q, "handSize", 0);
    if (length <= 0)
        field_invalid_int(e, FIELD(f, "queueLengthLimit"), length, "must be positive");
    if (queues <= 0)
        field_invalid_int(e, FIELD(f, "queues"), queues, "must be positive");
    else if (queues > QUEUES_MOST)
        field_invalid_int(e, FIELD(f, "queues"), queues, "must not be greater than 10000000");
    const struct field *at = FIELD(f, "handSize");
    if (hand <= 0)
        field_invalid_int(e, at, hand, "must be positive");
    else if (hand > queues)
        field_invalid_int(e, at, hand,
                          arena_printf(e->arena, "should not be greater than queues (%lld)",
                                       (long long)queues));
    else if (too_many_hands(queues, hand))
        field_invalid_int(e, at, hand,
                          arena_printf(e->arena,
                                       "required entropy bits of deckSize %lld and handSize %lld "
                                       "should not be greater than %d",
                                       (long long)queues, (long long)hand, HASH_BITS));
}

static void check_response(struct field_errors *e, const struct field *f, const struct json *r)
{
    static const char *const types[] = {"Queue", "Reject", NULL};
    struct str type = json_path_str(r, "type");
    const struct json *queuing = json_get(r, "queuing");
    const struct field *at = FIELD(f, "queuing");
    if (str_is(type, "Reject")) {
        if (!json_absent(queuing))
            field_forbidden(e, at, "must be nil if limited.limitResponse.type is not Limited");
    } else if (!str_is(type, "Queue")) {
        field_unsupported(e, FIELD(f, "type"), type, types);
    } else if (json_absent(queuing)) {
        field_required(e, at, "must not be empty if limited.limitResponse.type is Limited");
    } else {
        check_queuing(e, at, queuing);
    }
}

static void check_limited(struct field_errors *e, const struct field *f, const struct json *l)
{
    int64_t borrow = json_path_i64(l, "borrowingLimitPercent", 0);
    check_shares(e, f, l);
    check_response(e, FIELD(f, "limitResponse"), json_get(l, "limitResponse"));
    check_percent(e, f, l);
    if (borrow < 0)
        field_invalid_int(e, FIELD(f, "borrowingLimitPercent"), borrow,
                          "if specified, must be a non-negative integer");
}

static void check_spec(struct write *w, const struct field *f, const struct json *spec)
{
    static const char *const types[] = {"Exempt", "Limited", NULL};
    struct field_errors *e = &w->errors;
    struct str type = json_path_str(spec, "type");
    const struct json *exempt = json_get(spec, "exempt"), *limited = json_get(spec, "limited");
    bool is_exempt = str_is(type, "Exempt");
    if (str_is(w->name, "exempt") != is_exempt)
        field_invalid_str(e, FIELD(f, "type"), type,
                          "type must be 'Exempt' if and only if name is 'exempt'");
    if (is_exempt) {
        if (!json_absent(limited))
            field_forbidden(e, FIELD(f, "limited"), "must be nil if the type is not Limited");
        if (!json_absent(exempt)) {
            check_shares(e, FIELD(f, "exempt"), exempt);
            check_percent(e, FIELD(f, "exempt"), exempt);
        }
    } else if (str_is(type, "Limited")) {
        if (!json_absent(exempt))
            field_forbidden(e, FIELD(f, "exempt"), "must be nil if the type is Limited");
        if (json_absent(limited))
            field_required(e, FIELD(f, "limited"), "must not be empty when type is Limited");
        else
            check_limited(e, FIELD(f, "limited"), limited);
    } else {
        field_unsupported(e, FIELD(f, "type"), type, types);
    }
}

/* Of "exempt", administrators may change what it lends and nothing else. */
static void check_mandatory(struct write *w)
{
    const struct json *spec = json_get(w->object, "spec");
    const struct flow_level *known = flow_level_find(w->name);
    if (!known || !known->mandatory)
        return;
    if (!str_is(w->name, "exempt")) {
        flow_spec_fixed(w, flow_level_spec(w->a, known));
        return;
    }
    if (!str_is(json_path_str(spec, "type"), "Exempt") || !json_absent(json_get(spec, "limited")))
        field_invalid(&w->errors, FIELD(NULL, "spec"), spec,
                      "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value");
}

static void validate(struct write *w)
{
    check_spec(w, FIELD(NULL, "spec"), json_get(w->object, "spec"));
    check_mandatory(w);
}

const struct kind kind_priority_level = {
    .group = "flowcontrol.apiserver.k8s.io",
    .resource = "prioritylevelconfigurations",
    .flags = KIND_STATUS | KIND_STATUS_ONLY | KIND_GENERATION,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = flow_status_validate,
};
