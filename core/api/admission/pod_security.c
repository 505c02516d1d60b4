/*
 * PodSecurity: a namespace's labels say which level of the Pod Security Standards its pods must
 * keep (enforce), and of which breaches the client is warned (warn), for pods and for what makes
 * pods; a namespace that becomes stricter is told which of its pods would not be let in any more
 * (k8s.io/pod-security-admission/admission). The mode audit tells the audit log and not the client.
 */
#include "api/admission/pod_security.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/audit/audit.h"
#include "api/write.h"

#define LABEL "pod-security.kubernetes.io/"

enum { PODS_MOST = 3000, KINDS_MOST = 16, TEXT_MOST = 64 * 1024 };
enum mode { ENFORCE, AUDIT, WARN, MODES };

static const char *const modes[MODES] = {"enforce", "audit", "warn"};

/* What a namespace's labels ask for. */
struct policies {
    struct pod_security_policy of[MODES];
};

static bool is(const struct write *w, const char *group, const char *plural)
{
    return cstr_eq(schema_resource_group(w->resource), group) &&
           cstr_eq(schema_resource_plural(w->resource), plural);
}

/* ---- labels ---- */

static const struct json *label_of(const struct json *labels, enum mode m, const char *more)
{
    char key[64];
    snprintf(key, sizeof key, LABEL "%s%s", modes[m], more);
    return json_get(labels, key);
}

/* What cannot be read is the strictest level when enforced and none otherwise, as of now. */
static struct policies read_policies(const struct json *labels)
{
    struct policies p;
    bool good[MODES] = {false}, said[MODES] = {false};
    for (enum mode m = ENFORCE; m < MODES; m++) {
        const struct json *level = label_of(labels, m, ""),
                          *version = label_of(labels, m, "-version");
        p.of[m] = (struct pod_security_policy){POD_SECURITY_PRIVILEGED, POD_SECURITY_LATEST};
        said[m] = level != NULL;
        good[m] = level && pod_security_level_of(json_str(level), &p.of[m].level);
        if (m == ENFORCE && said[m] && !good[m])
            p.of[m].level = POD_SECURITY_RESTRICTED;
        if (version && !pod_security_version_of(json_str(version), &p.of[m].minor))
            p.of[m].minor = POD_SECURITY_LATEST;
    }
    /* Unless told otherwise, warn of what will be refused later. */
    if (!said[WARN] && good[ENFORCE] && p.of[ENFORCE].level > p.of[WARN].level) {
        p.of[WARN].level = p.of[ENFORCE].level;
        if (!label_of(labels, WARN, "-version"))
            p.of[WARN].minor = p.of[ENFORCE].minor;
    }
    return p;
}

static void check_labels(struct write *w, const struct json *labels, const struct json *old)
{
    const struct field *f = FIELD(FIELD(NULL, "metadata"), "labels");
    for (enum mode m = ENFORCE; m < MODES; m++)
        for (size_t i = 0; i < 2; i++) {
            const char *more = i ? "-version" : "";
            const struct json *value = label_of(labels, m, more), *was = label_of(old, m, more);
            enum pod_security_level level;
            unsigned minor;
            bool good = i ? pod_security_version_of(json_str(value), &minor)
                          : pod_security_level_of(json_str(value), &level);
            if (!value || good || (was && json_equal(value, was)))
                continue;
            char key[64];
            snprintf(key, sizeof key, LABEL "%s%s", modes[m], more);
            field_invalid_str(&w->errors, FIELD_KEY(f, str_of(key)), json_str(value),
                              i ? "must be \"latest\" or \"v1.x\""
                                : "must be one of privileged, baseline, restricted");
        }
}

/* ---- pods that are there already ---- */

struct breach { /* of one kind */
    const char *reasons;
    struct str first; /* of its pods, by name */
    unsigned pods;
};

struct survey {
    struct write *w;
    const struct pod_security_policy *policy;
    struct breach at[KINDS_MOST];
    size_t count, seen, all;
};

static void note(struct survey *s, const char *reasons, struct str name)
{
    struct breach *b = s->at, *end = s->at + s->count;
    while (b < end && !cstr_eq(b->reasons, reasons))
        b++;
    if (b == end && s->count == KINDS_MOST)
        return;
    if (b == end) {
        *b = (struct breach){reasons, arena_str(s->w->a, name), 0};
        s->count++;
    } else if (str_cmp(name, b->first) < 0) {
        b->first = arena_str(s->w->a, name);
    }
    b->pods++;
}

static bool survey_pod(void *ctx, struct store_value *v)
{
    struct survey *s = ctx;
    struct arena a CLEANUP_ARENA;
    struct buf why CLEANUP_BUF;
    struct json *pod;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    buf_init(&why, TEXT_MOST);
    if (s->seen == PODS_MOST)
        return false;
    s->seen++;
    if (json_parse(&a, store_value_bytes(v), NULL, &pod, NULL) < 0)
        return true;
    const struct json *meta = json_get(pod, "metadata");
    if (pod_security_check(&a, s->policy, meta, json_get(pod, "spec"), NULL, &why)) {
        const char *reasons = arena_strdup(s->w->a, buf_cstr(&why));
        if (reasons)
            note(s, reasons, json_path_str(meta, "name"));
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void tell(struct survey *s)
{
    struct write *w = s->w;
    const char *lines[KINDS_MOST];
    if (s->seen < s->all)
        request_warn(w->r,
                     "new PodSecurity enforce level only checked against the first %zu of %zu "
                     "existing pods",
                     s->seen, s->all);
    if (s->count)
        request_warn(w->r,
                     "existing pods in namespace \"" STR_FMT
                     "\" violate the new PodSecurity enforce level \"%s\"",
                     STR_ARG(w->name), pod_security_policy_text(w->a, s->policy));
    for (size_t i = 0; i < s->count; i++) {
        const struct breach *b = &s->at[i];
        char others[64] = "";
        if (b->pods > 1)
            snprintf(others, sizeof others, " (and %u other pod%s)", b->pods - 1,
                     b->pods > 2 ? "s" : "");
        lines[i] = arena_printf(w->a, STR_FMT "%s: %s", STR_ARG(b->first), others, b->reasons);
        if (!lines[i])
            return;
    }
    qsort(lines, s->count, sizeof lines[0], by_text);
    for (size_t i = 0; i < s->count; i++)
        request_warn(w->r, "%s", lines[i]);
}

static int survey_pods(struct write *w, const struct pod_security_policy *p)
{
    struct store_snapshot *snap;
    struct survey *s = arena_zalloc(w->a, sizeof *s);
    struct str from = object_key_of(w->a, "", "pods", w->name, STR(""));
    char *to = from.p ? arena_strndup(w->a, from.p, from.n) : NULL;
    if (!s || !to || store_snapshot_take(w->api->store, &snap) < 0)
        return fail_memory(w->r);
    to[from.n - 1] = '/' + 1;
    s->w = w;
    s->policy = p;
    s->all = store_snapshot_count(snap, from, str_make(to, from.n));
    store_snapshot_range(snap, from, str_make(to, from.n), survey_pod, s);
    store_snapshot_release(snap);
    tell(s);
    return w->a->failed ? fail_memory(w->r) : 0;
}

static int judge_namespace(struct write *w)
{
    const struct json *labels = json_path(w->object, "metadata.labels"),
                      *before = json_path(w->old, "metadata.labels");
    check_labels(w, labels, before);
    if (w->is_create || w->errors.count)
        return 0;
    struct policies now = read_policies(labels), was = read_policies(before);
    const struct pod_security_policy *p = &now.of[ENFORCE], *q = &was.of[ENFORCE];
    if (p->level == POD_SECURITY_PRIVILEGED || (p->minor == q->minor && p->level <= q->level))
        return 0;
    return survey_pods(w, p);
}

/* ---- pods, and what makes them ---- */

static int judge(struct write *w, const struct json *metadata, const struct json *spec, bool pod)
{
    struct buf why CLEANUP_BUF;
    buf_init(&why, TEXT_MOST);
    const struct json *ns = object_load(w->api, w->a, "", "namespaces", STR(""), w->ns, NULL);
    struct policies p = read_policies(json_path(ns, "metadata.labels"));
    if (pod)
        audit_annotate(w->r, LABEL "enforce-policy",
                       pod_security_policy_text(w->a, &p.of[ENFORCE]));
    if (pod_security_check(w->a, &p.of[AUDIT], metadata, spec, &why, NULL)) {
        const char *text = arena_printf(w->a, "would violate PodSecurity \"%s\": %s",
                                        pod_security_policy_text(w->a, &p.of[AUDIT]),
                                        buf_cstr(&why));
        audit_annotate(w->r, LABEL "audit-violations", text ? text : "");
    }
    buf_clear(&why);
    if (pod && pod_security_check(w->a, &p.of[ENFORCE], metadata, spec, &why, NULL)) {
        const char *text =
            arena_printf(w->a, "violates PodSecurity \"%s\": %s",
                         pod_security_policy_text(w->a, &p.of[ENFORCE]), buf_cstr(&why));
        return fail_forbidden(w->r, w->resource, w->name, text ? text : "violates PodSecurity");
    }
    buf_clear(&why);
    if (pod_security_check(w->a, &p.of[WARN], metadata, spec, &why, NULL))
        request_warn(w->r, "would violate PodSecurity \"%s\": %s",
                     pod_security_policy_text(w->a, &p.of[WARN]), buf_cstr(&why));
    return w->a->failed ? fail_memory(w->r) : 0;
}

static bool same_images(const struct json *now, const struct json *was)
{
    const struct json *n = json_first(now), *o = json_first(was);
    for (; n && o; n = n->next, o = o->next)
        if (!str_eq(json_path_str(n, "image"), json_path_str(o, "image")))
            return false;
    return !n && !o;
}

/* Of what an update may change in a pod, only its containers and their images matter. */
static bool is_significant(const struct write *w)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    const struct json *now = json_get(w->object, "spec"), *was = json_get(w->old, "spec");
    for (size_t i = 0; i < 3; i++)
        if (!same_images(json_get(now, lists[i]), json_get(was, lists[i])))
            return true;
    return false;
}

int admit_pod_security(struct write *w)
{
    static const struct {
        const char *group, *plural, *template;
    } makers[] = {
        {"", "pods", ""},
        {"", "replicationcontrollers", "spec.template"},
        {"", "podtemplates", "template"},
        {"apps", "deployments", "spec.template"},
        {"apps", "replicasets", "spec.template"},
        {"apps", "statefulsets", "spec.template"},
        {"apps", "daemonsets", "spec.template"},
        {"batch", "jobs", "spec.template"},
        {"batch", "cronjobs", "spec.jobTemplate.spec.template"},
    };
    bool of_pod =
        cstr_eq(w->subresource, "ephemeralcontainers") || cstr_eq(w->subresource, "resize");
    if (w->is_delete || (w->subresource[0] && !of_pod))
        return 0;
    if (is(w, "", "namespaces"))
        return judge_namespace(w);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (!is(w, makers[i].group, makers[i].plural))
            continue;
        if (i == 0 && !w->is_create && !is_significant(w))
            return 0;
        const struct json *of = i ? json_path(w->object, makers[i].template) : w->object;
        const struct json *spec = json_get(of, "spec");
        return spec ? judge(w, json_get(of, "metadata"), spec, i == 0) : 0;
    }
    return 0;
}
