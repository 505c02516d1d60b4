/* Requests and limits of containers (ValidateResourceRequirements in pkg/apis/core/validation). */
#include "api/kinds/kinds.h"
#include "codec/names.h"
#include "codec/quantity.h"

static const char huge[] = "hugepages-";

static bool is_huge(struct str name)
{
    return str_starts(name, str_of(huge));
}

/* Without a domain, or with Kubernetes' own. */
static bool is_native(struct str name)
{
    ptrdiff_t slash = str_find_byte(name, '/');
    if (slash < 0)
        return true;
    struct str domain = str_make(name.p, (size_t)slash + 1);
    return str_ends(domain, STR("kubernetes.io/"));
}

static bool is_extended(struct str name)
{
    return !is_native(name) && !str_starts(name, STR("requests.")) && name.n + 9 <= 316;
}

static bool is_standard(struct str name)
{
    static const char *const names[] = {"cpu",
                                        "memory",
                                        "ephemeral-storage",
                                        "requests.cpu",
                                        "requests.memory",
                                        "requests.ephemeral-storage",
                                        "limits.cpu",
                                        "limits.memory",
                                        "limits.ephemeral-storage",
                                        "pods",
                                        "resourcequotas",
                                        "services",
                                        "replicationcontrollers",
                                        "secrets",
                                        "configmaps",
                                        "persistentvolumeclaims",
                                        "storage",
                                        "requests.storage",
                                        "services.nodeports",
                                        "services.loadbalancers",
                                        NULL};
    for (size_t i = 0; names[i]; i++)
        if (str_is(name, names[i]))
            return true;
    return is_huge(name) || str_starts(name, STR("requests.hugepages-"));
}

static void check_name(struct field_errors *e, const struct field *f, struct str name)
{
    bool plain = str_find_byte(name, '/') < 0;
    const char *wrong = names_qualified(name);
    if (wrong)
        field_invalid_str(e, f, name, wrong);
    else if (plain && !is_standard(name))
        field_invalid_str(e, f, name, "must be a standard resource type or fully qualified");
    if (plain && !str_is(name, "cpu") && !str_is(name, "memory") &&
        !str_is(name, "ephemeral-storage") && !is_huge(name))
        field_invalid_str(e, f, name, "must be a standard resource for containers");
    else if (!plain && !is_native(name) && !is_extended(name))
        field_invalid_str(e, f, name, "doesn't follow extended resource name standard");
}

/* Huge pages come whole. */
static void check_huge(struct field_errors *e, const struct field *f, const struct json *m,
                       const struct quantity *q)
{
    struct quantity page;
    struct str size = str_make(m->key.p + sizeof huge - 1, m->key.n - (sizeof huge - 1));
    if (quantity_parse(size, &page, NULL) < 0 || page.nano <= 0 || q->nano % page.nano != 0)
        field_invalid(e, f, m,
                      arena_printf(e->arena,
                                   STR_FMT " is not positive integer multiple of " STR_FMT,
                                   STR_ARG(json_str(m)), STR_ARG(m->key)));
}

/* false: it cannot be compared */
static bool check_quantity(struct field_errors *e, const struct field *f, const struct json *m,
                           struct quantity *q)
{
    if (quantity_parse(json_str(m), q, NULL) < 0)
        return false; /* the decoder said so already */
    if (q->nano < 0)
        field_invalid(e, f, m, "must be greater than or equal to 0");
    if (is_extended(m->key) && q->nano % 1000000000 != 0)
        field_invalid(e, f, m, "must be an integer");
    if (is_huge(m->key))
        check_huge(e, f, m, q);
    return true;
}

static void check_against_limit(struct field_errors *e, const struct field *f,
                                const struct json *request, const struct quantity *q,
                                const struct json *limits)
{
    const struct json *most = json_get_str(limits, request->key);
    bool overcommit = is_native(request->key) && !is_huge(request->key);
    struct quantity limit;
    if (!most && !overcommit)
        field_required(e, FIELD(f, "limits"), "Limit must be set for non overcommitable resources");
    if (!most || quantity_parse(json_str(most), &limit, NULL) < 0)
        return;
    int order = quantity_cmp(q, &limit);
    if (order > 0 || (order && !overcommit))
        field_invalid(e, FIELD(f, "requests"), request,
                      arena_printf(e->arena, "must be %s to " STR_FMT " limit of " STR_FMT,
                                   overcommit ? "less than or equal" : "equal",
                                   STR_ARG(request->key), STR_ARG(json_str(most))));
}

void resources_validate(struct field_errors *e, const struct field *f, const struct json *resources)
{
    static const char *const parts[] = {"limits", "requests"};
    const struct json *limits = json_get(resources, "limits");
    bool pages = false, others = false;
    for (size_t i = 0; i < 2; i++)
        for (const struct json *m = json_first(json_get(resources, parts[i])); m; m = m->next) {
            const struct field *at = FIELD_KEY(FIELD(f, parts[i]), m->key);
            struct quantity q;
            check_name(e, at, m->key);
            pages = pages || is_huge(m->key);
            others = others || str_is(m->key, "cpu") || str_is(m->key, "memory");
            if (check_quantity(e, at, m, &q) && i == 1)
                check_against_limit(e, f, m, &q, limits);
        }
    if (pages && !others)
        field_forbidden(e, f, "HugePages require cpu or memory");
}
