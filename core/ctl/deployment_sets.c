/* The ReplicaSets of a Deployment: which is today's, its revision, its size, which to forget. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/deployment.h"

int64_t set_i64(const struct ctl_item *set, const char *path)
{
    return json_path_i64(set->tree, path, 0);
}

int64_t rollout_sum(const struct rollout *r, const char *path)
{
    int64_t sum = 0;
    for (size_t i = 0; i < r->sets.count; i++)
        sum += set_i64(&r->sets.at[i], path);
    return sum;
}

/* Templates are compared without the label that tells the sets apart. */
static struct json *plain_template(struct rollout *r, const struct json *owner)
{
    struct json *t = json_clone(r->arena, json_path(owner, "spec.template"));
    json_remove(json_path(t, "metadata.labels"), DEPLOYMENT_HASH);
    json_remove(json_get(t, "metadata"), "creationTimestamp");
    return t;
}

void rollout_find_current(struct rollout *r)
{
    struct json *wanted = plain_template(r, r->tree);
    r->current = NULL;
    for (size_t i = 0; i < r->sets.count; i++) /* oldest first, as upstream picks on a tie */
        if (json_equal(plain_template(r, r->sets.at[i].tree), wanted)) {
            r->current = &r->sets.at[i];
            return;
        }
}

static int64_t revision_of(const struct json *object)
{
    int64_t v = 0;
    struct json *notes = json_path(object, "metadata.annotations");
    if (str_to_i64(json_str(json_get(notes, DEPLOYMENT_REVISION)), &v) < 0)
        return 0;
    return v;
}

static int64_t highest_revision(const struct rollout *r, bool with_current)
{
    int64_t most = 0;
    for (size_t i = 0; i < r->sets.count; i++) {
        if (!with_current && &r->sets.at[i] == r->current)
            continue;
        int64_t v = revision_of(r->sets.at[i].tree);
        most = v > most ? v : most;
    }
    return most;
}

static void set_note(struct rollout *r, struct json *object, const char *key, int64_t v)
{
    struct json *meta = json_object_at(r->arena, object, "metadata");
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    json_set_cstr(r->arena, json_object_at(r->arena, meta, "annotations"), key, text);
}

static int64_t surge(const struct rollout *r)
{
    return cstr_eq(json_path_cstr(r->tree, "spec.strategy.type"), "Recreate") ? 0 : r->max_surge;
}

static void note_size(struct rollout *r, struct json *set)
{
    set_note(r, set, DEPLOYMENT_DESIRED, r->replicas);
    set_note(r, set, DEPLOYMENT_MAX, r->replicas + surge(r));
}

/* The Deployment carries the revision of its current set. */
static void note_revision(struct rollout *r, int64_t revision)
{
    struct arena *a = r->arena;
    if (revision_of(r->tree) == revision)
        return;
    struct json *patch = json_new(a, JSON_OBJECT);
    set_note(r, patch, DEPLOYMENT_REVISION, revision);
    char *path = ctl_object_path(a, "apps", "v1", "deployments", r->tree, NULL);
    if (path)
        plan_patch(r->plan, path, "application/merge-patch+json", patch, r->ctl->deployments,
                   PLAN_TOLERATE_NOT_FOUND);
    r->waiting = true; /* its new resourceVersion must be seen before its status is written */
}

/* Annotations that belong to the Deployment alone do not go to its sets. */
static bool own_annotation(struct str key)
{
    return str_is(key, "kubectl.kubernetes.io/last-applied-configuration") ||
           str_starts(key, STR("deployment.kubernetes.io/")) ||
           str_is(key, "deprecated.deployment.rollback.to");
}

static bool copy_annotations(struct rollout *r, struct json *set)
{
    struct json *notes = json_object_at(r->arena, json_object_at(r->arena, set, "metadata"), "annotations");
    bool changed = false;
    for (struct json *n = json_first(json_path(r->tree, "metadata.annotations")); n; n = n->next) {
        if (own_annotation(n->key) || str_eq(json_str(json_get_str(notes, n->key)), json_str(n)))
            continue;
        json_set_key(r->arena, notes, n->key, json_new_str(r->arena, json_str(n)));
        changed = true;
    }
    return changed;
}

static void update_set(struct rollout *r, struct ctl_item *set)
{
    char *path = ctl_object_path(r->arena, "apps", "v1", "replicasets", set->tree, NULL);
    if (path)
        plan_update(r->plan, path, set->tree, r->ctl->sets);
    r->waiting = true;
}

/* The set that becomes current again after a rollback gets a new revision and keeps its old ones
 * in the history annotation. */
static void renew_current(struct rollout *r)
{
    struct json *set = r->current->tree;
    int64_t next = highest_revision(r, false) + 1, have = revision_of(set);
    bool changed = copy_annotations(r, set);

    if (have < next) {
        struct json *notes = json_path(set, "metadata.annotations");
        const char *history = json_cstr(json_get(notes, DEPLOYMENT_HISTORY));
        char *text = arena_printf(r->arena, "%s%s%lld", history, history[0] ? "," : "", (long long)have);
        if (have > 0 && text)
            json_set_cstr(r->arena, notes, DEPLOYMENT_HISTORY, text);
        set_note(r, set, DEPLOYMENT_REVISION, next);
        have = next;
        changed = true;
    }
    if (json_path_i64(set, "spec.minReadySeconds", 0) != r->min_ready_s) {
        json_set_i64(r->arena, json_get(set, "spec"), "minReadySeconds", r->min_ready_s);
        changed = true;
    }
    if (changed)
        update_set(r, r->current);
    note_revision(r, have);
}

static uint32_t fnv1a(uint32_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h;
}

/* A name part from the template, in the alphabet without vowels. */
static char *template_hash(struct rollout *r, const struct json *template)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    struct buf text CLEANUP_BUF;
    int64_t collisions = json_path_i64(r->tree, "status.collisionCount", 0);
    char *out = arena_alloc(r->arena, 16);

    buf_init(&text, 2 * 1024 * 1024);
    json_write(&text, template);
    if (collisions)
        buf_put_i64(&text, collisions);
    if (text.failed || !out)
        return NULL;
    uint32_t h = fnv1a(2166136261u, buf_str(&text));
    size_t n = 0;
    for (int i = 0; i < 10 && (h || n == 0); i++, h /= 10)
        out[n++] = alphabet[h % 10 + (i & 1) * 10];
    out[n] = 0;
    return out;
}

/* Another set has the name already: a different template must get a different one. */
static bool name_taken(struct rollout *r, const char *name)
{
    const char *ns = json_path_cstr(r->tree, "metadata.namespace");
    if (!cache_get(r->ctl->sets, ns, name))
        return false;
    struct arena *a = r->arena;
    struct json *patch = json_new(a, JSON_OBJECT);
    json_set_i64(a, json_object_at(a, patch, "status"), "collisionCount",
                 json_path_i64(r->tree, "status.collisionCount", 0) + 1);
    char *path = ctl_object_path(a, "apps", "v1", "deployments", r->tree, "status");
    if (path)
        plan_patch(r->plan, path, "application/merge-patch+json", patch, r->ctl->deployments,
                   PLAN_TOLERATE_NOT_FOUND);
    r->waiting = true;
    return true;
}

static int64_t first_size(const struct rollout *r)
{
    if (cstr_eq(json_path_cstr(r->tree, "spec.strategy.type"), "Recreate"))
        return r->replicas;
    int64_t room = r->replicas + r->max_surge - rollout_sum(r, "spec.replicas");
    if (room < 0)
        room = 0;
    return room < r->replicas ? room : r->replicas;
}

static void make_current(struct rollout *r)
{
    struct arena *a = r->arena;
    const char *name = json_path_cstr(r->tree, "metadata.name");
    const char *ns = json_path_cstr(r->tree, "metadata.namespace");
    struct json *template = json_clone(a, json_path(r->tree, "spec.template"));
    char *hash = template_hash(r, template);
    char *set_name = hash ? arena_printf(a, "%.240s-%s", name, hash) : NULL;
    char *path = client_path(a, "apps", "v1", ns, "replicasets", NULL, NULL);
    int64_t revision = highest_revision(r, true) + 1, size = first_size(r);

    if (!set_name || !path || name_taken(r, set_name))
        return;
    struct json *set = json_new(a, JSON_OBJECT), *meta = json_object_at(a, set, "metadata");
    struct json *spec = json_object_at(a, set, "spec"), *selector;
    json_set_cstr(a, set, "apiVersion", "apps/v1");
    json_set_cstr(a, set, "kind", "ReplicaSet");
    json_set_cstr(a, meta, "name", set_name);
    json_set_cstr(a, meta, "namespace", ns);
    struct json *template_meta = json_object_at(a, template, "metadata");
    json_set_cstr(a, json_object_at(a, template_meta, "labels"), DEPLOYMENT_HASH, hash);
    json_set(a, meta, "labels", json_clone(a, json_get(template_meta, "labels")));
    json_append(a, json_array_at(a, meta, "ownerReferences"),
                ctl_owner_reference(a, "apps/v1", "Deployment", name, r->object->uid));
    json_set_i64(a, spec, "replicas", size);
    if (r->min_ready_s)
        json_set_i64(a, spec, "minReadySeconds", r->min_ready_s);
    selector = json_set(a, spec, "selector", json_clone(a, json_path(r->tree, "spec.selector")));
    json_set_cstr(a, json_object_at(a, selector, "matchLabels"), DEPLOYMENT_HASH, hash);
    json_set(a, spec, "template", template);
    copy_annotations(r, set);
    set_note(r, set, DEPLOYMENT_REVISION, revision);
    note_size(r, set);
    plan_create(r->plan, path, set, r->ctl->sets, PLAN_TOLERATE_NOTHING);
    if (size > 0) {
        char *message = arena_printf(a, "Scaled up replica set %s from 0 to %lld", set_name, (long long)size);
        plan_event(r->plan, r->tree, "Normal", "ScalingReplicaSet", "deployment-controller", message);
    }
    note_revision(r, revision);
    r->waiting = true;
}

void rollout_ensure_current(struct rollout *r)
{
    if (r->current)
        renew_current(r);
    else
        make_current(r);
}

void rollout_scale(struct rollout *r, struct ctl_item *set, int64_t replicas)
{
    int64_t have = set_i64(set, "spec.replicas");
    json_set_i64(r->arena, json_get(set->tree, "spec"), "replicas", replicas);
    note_size(r, set->tree);
    update_set(r, set);
    if (replicas == have)
        return;
    char *message = arena_printf(r->arena, "Scaled %s replica set %s from %lld to %lld",
                                 replicas > have ? "up" : "down", set->object->name,
                                 (long long)have, (long long)replicas);
    plan_event(r->plan, r->tree, "Normal", "ScalingReplicaSet", "deployment-controller", message);
}

static int by_revision(const void *pa, const void *pb)
{
    int64_t a = revision_of((*(struct ctl_item *const *)pa)->tree);
    int64_t b = revision_of((*(struct ctl_item *const *)pb)->tree);
    return (a > b) - (a < b);
}

void rollout_cleanup(struct rollout *r)
{
    int64_t keep = json_path_i64(r->tree, "spec.revisionHistoryLimit", 10);
    struct ctl_item **old = arena_alloc(r->arena, (r->sets.count + 1) * sizeof *old);
    size_t count = 0;

    for (size_t i = 0; i < r->sets.count && old; i++) {
        struct ctl_item *set = &r->sets.at[i];
        if (set != r->current && !set->object->deleting)
            old[count++] = set;
    }
    if (!old || (int64_t)count <= keep)
        return;
    qsort(old, count, sizeof old[0], by_revision);
    for (size_t i = 0; i < count - (size_t)keep; i++) {
        if (set_i64(old[i], "status.replicas") || set_i64(old[i], "spec.replicas") ||
            json_path_i64(old[i]->tree, "metadata.generation", 0) >
                set_i64(old[i], "status.observedGeneration"))
            continue;
        char *path = ctl_object_path(r->arena, "apps", "v1", "replicasets", old[i]->tree, NULL);
        if (path)
            plan_delete(r->plan, path, old[i]->object, NULL, r->ctl->sets);
    }
}
