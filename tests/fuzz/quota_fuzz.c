/*
 * Any document as a quota and as an object: what it costs has sorted names that can be bounded, a
 * difference is never negative, and what baseline refuses restricted refuses too.
 */
#include "api/admission/pod_security.h"
#include "base/assert.h"
#include "quota/quota.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *group, *plural;
} resources[] = {{"", "pods"},
                 {"", "services"},
                 {"", "persistentvolumeclaims"},
                 {"resource.k8s.io", "resourceclaims"},
                 {"", "configmaps"},
                 {"apps", "deployments"}};

static void look(struct arena *a, const struct json *doc, size_t i)
{
    struct quota_item item = {resources[i].group, resources[i].plural, json_get(doc, "object"), 1000};
    struct amounts used, twice, hard;
    amounts_init(&used, a);
    amounts_init(&twice, a);
    amounts_init(&hard, a);
    quota_usage(&item, &used);
    for (size_t k = 0; k < used.count; k++) {
        ASSERT(k == 0 || str_cmp(used.at[k - 1].name, used.at[k].name) < 0);
        ASSERT(a->failed || quota_counts(item.group, item.plural, used.at[k].name));
    }
    amounts_add(&twice, &used);
    amounts_add(&twice, &used);
    amounts_less(&twice, &used);
    for (size_t k = 0; k < twice.count; k++)
        ASSERT(twice.at[k].quantity.nano >= 0);
    amounts_read(&hard, json_get(doc, "hard"));
    for (size_t k = 0; k < hard.count; k++) {
        quota_name_whole(hard.at[k].name);
        quota_counts(item.group, item.plural, hard.at[k].name);
    }
    quota_missing(&item, &hard);
    quota_in_scope(json_get(doc, "spec"), &item);
    amounts_text(&hard);
}

static void judge(struct arena *a, const struct json *doc)
{
    const struct json *pod = json_get(doc, "object");
    struct pod_security_policy p = {POD_SECURITY_PRIVILEGED, POD_SECURITY_LATEST};
    unsigned found[3];
    pod_security_version_of(json_path_str(doc, "version"), &p.minor);
    for (int level = POD_SECURITY_PRIVILEGED; level <= POD_SECURITY_RESTRICTED; level++) {
        struct buf out CLEANUP_BUF;
        buf_init(&out, 1024 * 1024);
        p.level = (enum pod_security_level)level;
        found[level] = pod_security_check(a, &p, json_get(pod, "metadata"), json_get(pod, "spec"),
                                          &out, NULL);
        ASSERT((found[level] != 0) == (buf_len(&out) != 0));
    }
    ASSERT(found[POD_SECURITY_PRIVILEGED] == 0);
    /* What baseline refuses, restricted refuses: of our own version, but for Windows' exemptions. */
    ASSERT(p.minor != POD_SECURITY_LATEST || !found[POD_SECURITY_BASELINE] ||
           found[POD_SECURITY_RESTRICTED] ||
           str_is(json_path_str(pod, "spec.os.name"), "windows"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a CLEANUP_ARENA;
    struct json *doc;
    arena_init(&a, 64 * 1024 * 1024);
    if (json_parse(&a, str_make(data, size), NULL, &doc, NULL) < 0)
        return 0;
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++)
        look(&a, doc, i);
    judge(&a, doc);
    return 0;
}
