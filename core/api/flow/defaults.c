/* Default flow schemas and priority levels. See defaults.h. */
#include "api/flow/defaults.h"

#define ALL_RULES "*|*|*|* +cluster\n*|*"
#define EVERYBODY "Group:system:unauthenticated Group:system:authenticated"

const struct flow_level flow_levels[] = {
    {"system", 30, 33, 64, 6, 50, false},
    {"node-high", 40, 25, 64, 6, 50, false},
    {"leader-election", 10, 0, 16, 4, 50, false},
    {"workload-high", 40, 50, 128, 6, 50, false},
    {"workload-low", 100, 90, 128, 6, 50, false},
    {"global-default", 20, 50, 128, 6, 50, false},
    {"catch-all", 5, 0, 0, 0, 0, true},
    {"exempt", 0, 0, 0, 0, 0, true},
    {.name = NULL},
};

const struct flow_schema flow_schemas[] = {
    {"system-nodes", "system", 500, "ByUser", "Group:system:nodes", ALL_RULES, false},
    {"system-node-high", "node-high", 400, "ByUser", "Group:system:nodes",
     "*|core|nodes nodes/status|* +cluster\n*|coordination.k8s.io|leases|*", false},
    {"probes", "exempt", 2, NULL, EVERYBODY, "get|/healthz /readyz /livez", false},
    {"system-leader-election", "leader-election", 100, "ByUser",
     "User:system:kube-controller-manager User:system:kube-scheduler ServiceAccount:kube-system/*",
     "get create update|coordination.k8s.io|leases|*", false},
    {"kube-controller-manager", "workload-high", 800, "ByNamespace",
     "User:system:kube-controller-manager", ALL_RULES, false},
    {"kube-scheduler", "workload-high", 800, "ByNamespace", "User:system:kube-scheduler", ALL_RULES,
     false},
    {"kube-system-service-accounts", "workload-high", 900, "ByNamespace",
     "ServiceAccount:kube-system/*", ALL_RULES, false},
    {"service-accounts", "workload-low", 9000, "ByUser", "Group:system:serviceaccounts", ALL_RULES,
     false},
    {"global-default", "global-default", 9900, "ByUser", EVERYBODY, ALL_RULES, false},
    {"exempt", "exempt", 1, NULL, "Group:system:masters", ALL_RULES, true},
    {"catch-all", "catch-all", 10000, "ByUser", EVERYBODY, ALL_RULES, true},
    {.name = NULL},
};

/* What stands before the next `end`, which is taken off text. */
static struct str cut(struct str *text, char end)
{
    struct str part = STR("");
    if (!str_split(text, end, &part) || !text->p)
        *text = STR("");
    return part;
}

struct json *flow_level_spec(struct arena *a, const struct flow_level *l)
{
    bool exempt = cstr_eq(l->name, "exempt");
    struct json *spec = json_new(a, JSON_OBJECT), *own = json_new(a, JSON_OBJECT);
    json_set_cstr(a, spec, "type", exempt ? "Exempt" : "Limited");
    json_set_i64(a, own, "nominalConcurrencyShares", l->shares);
    json_set_i64(a, own, "lendablePercent", l->lendable);
    if (!exempt) {
        struct json *response = json_object_at(a, own, "limitResponse");
        json_set_cstr(a, response, "type", l->queues ? "Queue" : "Reject");
        if (l->queues) {
            struct json *queuing = json_object_at(a, response, "queuing");
            json_set_i64(a, queuing, "queues", l->queues);
            json_set_i64(a, queuing, "handSize", l->hand);
            json_set_i64(a, queuing, "queueLengthLimit", l->length);
        }
    }
    json_set(a, spec, exempt ? "exempt" : "limited", own);
    return a->failed ? NULL : spec;
}

static struct json *subjects_json(struct arena *a, struct str text)
{
    struct json *list = json_new(a, JSON_ARRAY);
    while (text.n) {
        struct str word = cut(&text, ' ');
        struct str kind = cut(&word, ':');
        struct json *one = json_append(a, list, json_new(a, JSON_OBJECT));
        json_set_str(a, one, "kind", kind);
        if (str_is(kind, "ServiceAccount")) {
            struct json *account = json_object_at(a, one, "serviceAccount");
            json_set_str(a, account, "namespace", cut(&word, '/'));
            json_set_str(a, account, "name", word);
        } else {
            struct json *named =
                json_object_at(a, one, str_is(kind, "User") ? "user" : "group");
            json_set_str(a, named, "name", word);
        }
    }
    return list;
}

/* The words of text as a list of that name. */
static void set_words(struct arena *a, struct json *rule, const char *name, struct str text)
{
    while (text.n) {
        struct str word = cut(&text, ' ');
        if (str_is(word, "+cluster"))
            json_set_bool(a, rule, "clusterScope", true);
        else
            json_append(a, json_array_at(a, rule, name),
                        json_new_str(a, str_is(word, "core") ? STR("") : word));
    }
}

static void add_rule(struct arena *a, struct json *rules, struct str line)
{
    struct str verbs = cut(&line, '|'), first = cut(&line, '|');
    bool resources = line.n > 0;
    struct json *list =
        json_array_at(a, rules, resources ? "resourceRules" : "nonResourceRules");
    struct json *rule = json_append(a, list, json_new(a, JSON_OBJECT));
    set_words(a, rule, "verbs", verbs);
    if (!resources) {
        set_words(a, rule, "nonResourceURLs", first);
        return;
    }
    set_words(a, rule, "apiGroups", first);
    set_words(a, rule, "resources", cut(&line, '|'));
    set_words(a, rule, "namespaces", line);
}

struct json *flow_schema_spec(struct arena *a, const struct flow_schema *s)
{
    struct json *spec = json_new(a, JSON_OBJECT), *rules = json_new(a, JSON_OBJECT);
    struct str text = str_of(s->rules);
    json_set_cstr(a, json_object_at(a, spec, "priorityLevelConfiguration"), "name", s->level);
    json_set_i64(a, spec, "matchingPrecedence", s->precedence);
    if (s->distinguisher)
        json_set_cstr(a, json_object_at(a, spec, "distinguisherMethod"), "type", s->distinguisher);
    json_set(a, rules, "subjects", subjects_json(a, str_of(s->subjects)));
    while (text.n)
        add_rule(a, rules, cut(&text, '\n'));
    json_append(a, json_array_at(a, spec, "rules"), rules);
    return a->failed ? NULL : spec;
}

const struct flow_level *flow_level_find(struct str name)
{
    for (const struct flow_level *l = flow_levels; l->name; l++)
        if (str_is(name, l->name))
            return l;
    return NULL;
}

const struct flow_schema *flow_schema_find(struct str name)
{
    for (const struct flow_schema *s = flow_schemas; s->name; s++)
        if (str_is(name, s->name))
            return s;
    return NULL;
}
