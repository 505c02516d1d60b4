/* Flow schemas and priority levels, read and matched. See schemas.h; the matching is that of
 * k8s.io/apiserver/pkg/util/flowcontrol. */
#include "api/flow/schemas.h"

/* ---- reading ---- */

static int read_words(struct arena *a, const struct json *array, struct strs *ret)
{
    uint32_t n = json_count(array);
    if (n && !(ret->at = arena_alloc(a, n * sizeof *ret->at)))
        return -E_NOMEM;
    for (const struct json *m = json_first(array); m; m = m->next)
        ret->at[ret->count++] = arena_str(a, json_str(m));
    return a->failed ? -E_NOMEM : 0;
}

static int read_rule(struct arena *a, const struct json *j, bool is_resource, struct flow_rule *r)
{
    r->is_resource = is_resource;
    r->cluster = json_path_bool(j, "clusterScope", false);
    int rc = read_words(a, json_get(j, "verbs"), &r->verbs);
    if (rc == 0)
        rc = read_words(a, json_get(j, "apiGroups"), &r->groups);
    if (rc == 0)
        rc = read_words(a, json_get(j, "resources"), &r->resources);
    if (rc == 0)
        rc = read_words(a, json_get(j, "namespaces"), &r->namespaces);
    return rc < 0 ? rc : read_words(a, json_get(j, "nonResourceURLs"), &r->paths);
}

static struct flow_subject read_subject(struct arena *a, const struct json *j)
{
    struct str kind = json_path_str(j, "kind");
    const struct json *part = json_get(j, str_is(kind, "User")    ? "user"
                                          : str_is(kind, "Group") ? "group"
                                                                  : "serviceAccount");
    return (struct flow_subject){kind.n ? kind.p[0] : 0, arena_str(a, json_path_str(part, "namespace")),
                                 arena_str(a, json_path_str(part, "name"))};
}

static int read_rules(struct arena *a, const struct json *j, struct flow_rules *to)
{
    const struct json *subjects = json_get(j, "subjects"), *plain = json_get(j, "nonResourceRules"),
                      *resources = json_get(j, "resourceRules"), *m;
    int rc = 0;
    to->subjects = arena_zalloc(a, (json_count(subjects) + 1) * sizeof *to->subjects);
    to->rules =
        arena_zalloc(a, (json_count(plain) + json_count(resources) + 1) * sizeof *to->rules);
    if (!to->subjects || !to->rules)
        return -E_NOMEM;
    for (m = json_first(subjects); m; m = m->next)
        to->subjects[to->subject_count++] = read_subject(a, m);
    for (m = json_first(resources); m && rc == 0; m = m->next)
        rc = read_rule(a, m, true, &to->rules[to->rule_count++]);
    for (m = json_first(plain); m && rc == 0; m = m->next)
        rc = read_rule(a, m, false, &to->rules[to->rule_count++]);
    return rc;
}

int flow_class_read(struct arena *a, struct str name, const struct json *object,
                    struct flow_class *ret)
{
    const struct json *spec = json_get(object, "spec"), *rules = json_get(spec, "rules");
    struct str by = json_path_str(spec, "distinguisherMethod.type");
    struct str uid = json_path_str(object, "metadata.uid");
    *ret = (struct flow_class){
        .name = arena_str(a, name),
        .level = arena_str(a, json_path_str(spec, "priorityLevelConfiguration.name")),
        .uid = arena_strndup(a, uid.p, uid.n),
        .precedence = json_path_i64(spec, "matchingPrecedence", 1000),
        .by = str_is(by, "ByUser")        ? FLOW_BY_USER
              : str_is(by, "ByNamespace") ? FLOW_BY_NAMESPACE
                                          : FLOW_BY_NOTHING,
        .rules = arena_zalloc(a, (json_count(rules) + 1) * sizeof *ret->rules),
    };
    if (a->failed)
        return -E_NOMEM;
    for (const struct json *m = json_first(rules); m; m = m->next) {
        int rc = read_rules(a, m, &ret->rules[ret->rule_count++]);
        if (rc < 0)
            return rc;
    }
    return a->failed ? -E_NOMEM : 0;
}

static uint32_t number(const struct json *j, const char *path, int64_t otherwise)
{
    int64_t n = json_path_i64(j, path, otherwise);
    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

int flow_grade_read(struct arena *a, struct str name, const struct json *object,
                    struct flow_grade *ret)
{
    const struct json *spec = json_get(object, "spec");
    bool exempt = str_is(json_path_str(spec, "type"), "Exempt");
    const struct json *own = json_get(spec, exempt ? "exempt" : "limited");
    const struct json *response = json_get(own, "limitResponse");
    const struct json *borrowing = json_get(own, "borrowingLimitPercent");
    struct str uid = json_path_str(object, "metadata.uid");
    *ret = (struct flow_grade){
        .name = arena_str(a, name),
        .uid = arena_strndup(a, uid.p, uid.n),
        .shape.exempt = exempt,
        .shares = number(own, "nominalConcurrencyShares", exempt ? 0 : 30),
        .lendable = number(own, "lendablePercent", 0),
        .borrowing = json_absent(borrowing) ? FLOW_NO_LIMIT : number(own, "borrowingLimitPercent", 0),
    };
    if (str_is(json_path_str(response, "type"), "Queue")) {
        const struct json *queuing = json_get(response, "queuing");
        ret->shape.queues = number(queuing, "queues", 64);
        ret->shape.hand = number(queuing, "handSize", 8);
        ret->shape.length = number(queuing, "queueLengthLimit", 50);
    }
    return a->failed ? -E_NOMEM : 0;
}

int flow_class_order(const void *a, const void *b)
{
    const struct flow_class *x = a, *y = b;
    if (x->precedence != y->precedence)
        return x->precedence < y->precedence ? -1 : 1;
    return str_cmp(x->name, y->name);
}

/* ---- matching ---- */

static bool any_of(const struct strs *s, struct str wanted)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_is(s->at[i], "*") || str_eq(s->at[i], wanted))
            return true;
    return false;
}

static bool account_matches(const struct flow_subject *s, struct str user)
{
    static const char prefix[] = "system:serviceaccount:";
    if (!str_starts(user, STR("system:serviceaccount:")))
        return false;
    user = str_make(user.p + sizeof prefix - 1, user.n - (sizeof prefix - 1));
    if (!str_starts(user, s->ns) || user.n <= s->ns.n || user.p[s->ns.n] != ':')
        return false;
    return str_is(s->name, "*") ||
           str_eq(s->name, str_make(user.p + s->ns.n + 1, user.n - s->ns.n - 1));
}

static bool subject_matches(const struct flow_subject *s, const struct user *user)
{
    if (s->kind == 'S')
        return account_matches(s, str_of(user->name));
    if (s->kind == 'U')
        return str_is(s->name, "*") || str_is(s->name, user->name);
    if (str_is(s->name, "*"))
        return true;
    for (size_t i = 0; i < user->group_count; i++)
        if (str_is(s->name, user->groups[i]))
            return true;
    return false;
}

/* A namespace lies in itself. */
static struct str space_of(const struct url *u)
{
    return str_is(u->resource, "namespaces") && !u->group.n ? u->name : u->ns;
}

static bool resource_matches(const struct flow_rule *rule, const struct url *u)
{
    char name[600];
    if (!any_of(&rule->groups, u->group))
        return false;
    struct str full = u->resource;
    if (u->subresource.n && u->resource.n + u->subresource.n + 1 < sizeof name) {
        memcpy(name, u->resource.p, u->resource.n);
        name[u->resource.n] = '/';
        memcpy(name + u->resource.n + 1, u->subresource.p, u->subresource.n);
        full = str_make(name, u->resource.n + 1 + u->subresource.n);
    }
    if (!any_of(&rule->resources, full))
        return false;
    struct str space = space_of(u);
    return space.n ? any_of(&rule->namespaces, space) : rule->cluster;
}

static bool path_matches(const struct flow_rule *rule, struct str path)
{
    for (size_t i = 0; i < rule->paths.count; i++) {
        struct str p = rule->paths.at[i];
        if (str_is(p, "*") || str_eq(p, path))
            return true;
        if (p.n && p.p[p.n - 1] == '*')
            p.n--;
        bool slash = p.n && p.p[p.n - 1] == '/';
        if (str_starts(path, p) && (slash || (path.n > p.n && path.p[p.n] == '/')))
            return true;
    }
    return false;
}

static bool rules_match(const struct flow_rules *rules, const struct api_request *r)
{
    size_t i = 0;
    while (i < rules->subject_count && !subject_matches(&rules->subjects[i], &r->user))
        i++;
    if (i == rules->subject_count)
        return false;
    for (i = 0; i < rules->rule_count; i++) {
        const struct flow_rule *rule = &rules->rules[i];
        if (rule->is_resource == r->url.is_resource && any_of(&rule->verbs, str_of(r->url.verb)) &&
            (rule->is_resource ? resource_matches(rule, &r->url) : path_matches(rule, r->url.path)))
            return true;
    }
    return false;
}

bool flow_class_matches(const struct flow_class *c, const struct api_request *r)
{
    for (size_t i = 0; i < c->rule_count; i++)
        if (rules_match(&c->rules[i], r))
            return true;
    return false;
}

uint64_t flow_class_flow(const struct flow_class *c, const struct api_request *r)
{
    uint64_t h = str_hash(c->name);
    struct str by = c->by == FLOW_BY_USER        ? str_of(r->user.name)
                    : c->by == FLOW_BY_NAMESPACE ? space_of(&r->url)
                                                 : STR("");
    return h * 0x9e3779b97f4a7c15u + str_hash(by);
}

/* ---- seats ---- */

static unsigned part(unsigned nominal, unsigned percent)
{
    return (unsigned)(((uint64_t)nominal * percent + 50) / 100);
}

void flow_share_nominal(struct flow_grade *grades, size_t count, unsigned seats)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += grades[i].shares;
    for (size_t i = 0; i < count; i++) {
        struct flow_grade *g = &grades[i];
        g->nominal = sum ? (unsigned)(((int64_t)seats * g->shares + sum - 1) / sum) : 0;
        g->least = g->nominal - part(g->nominal, g->lendable > 100 ? 100 : g->lendable);
        g->most = g->borrowing == FLOW_NO_LIMIT ? seats
                  : g->nominal + part(g->nominal, g->borrowing);
        if (g->most < g->nominal)
            g->most = g->nominal;
        /* Without shares of its own a level is closed, not a borrower of all. */
        if (!g->shares && !g->shape.exempt)
            g->most = 0;
    }
}

static double given(struct flow_claim *c, double factor)
{
    double wanted = c->target * factor;
    return wanted < c->least ? c->least : wanted > c->most ? c->most : wanted;
}

void flow_share_current(struct flow_claim *claims, size_t count, double sum)
{
    double low = 0, high = 1;
    for (size_t i = 0; i < count; i++)
        if (claims[i].target > 0)
            high = high > claims[i].most / claims[i].target ? high
                                                            : claims[i].most / claims[i].target;
    for (int step = 0; step < 60; step++) {
        double middle = (low + high) / 2, total = 0;
        for (size_t i = 0; i < count; i++)
            total += given(&claims[i], middle);
        if (total > sum)
            high = middle;
        else
            low = middle;
    }
    for (size_t i = 0; i < count; i++)
        claims[i].ret_seats = given(&claims[i], low);
}
