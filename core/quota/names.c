/* Which names a quota may bound. See quota.h. */
#include "codec/names.h"
#include "quota/quota.h"

static const char *const compute[] = {"cpu",
                                      "memory",
                                      "ephemeral-storage",
                                      "requests.cpu",
                                      "requests.memory",
                                      "requests.storage",
                                      "requests.ephemeral-storage",
                                      "limits.cpu",
                                      "limits.memory",
                                      "limits.ephemeral-storage",
                                      NULL};
static const char *const counts[] = {"pods",
                                     "resourcequotas",
                                     "services",
                                     "replicationcontrollers",
                                     "secrets",
                                     "persistentvolumeclaims",
                                     "configmaps",
                                     "services.nodeports",
                                     "services.loadbalancers",
                                     NULL};

static bool among(const char *const *list, struct str name)
{
    for (; *list; list++)
        if (str_is(name, *list))
            return true;
    return false;
}

static bool is_huge_page(struct str name)
{
    return str_starts(name, STR("hugepages-")) || str_starts(name, STR("requests.hugepages-"));
}

bool quota_name_standard(struct str name)
{
    return among(compute, name) || among(counts, name) || is_huge_page(name);
}

bool quota_name_resource(struct str name)
{
    return quota_name_standard(name) || str_is(name, "storage");
}

/* Without a slash a name is Kubernetes' own. */
static bool is_native(struct str name)
{
    return str_find_byte(name, '/') < 0 || str_find(name, STR("kubernetes.io/")) >= 0;
}

bool quota_name_extended(struct str name)
{
    char text[400];
    if (is_native(name) || str_starts(name, STR("requests.")) || name.n > 320)
        return false;
    memcpy(text, "requests.", 9);
    memcpy(text + 9, name.p, name.n);
    return names_qualified(str_make(text, name.n + 9)) == NULL;
}

bool quota_name_whole(struct str name)
{
    return among(counts, name) || quota_name_extended(name);
}

const char *quota_count_name(struct arena *a, const char *group, const char *plural)
{
    return arena_printf(a, "count/%s%s%s", plural, group[0] ? "." : "", group);
}
