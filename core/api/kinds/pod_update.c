/*
 * What an update of a pod, or of its subresources, may change (ValidatePodUpdate and its
 * neighbours in pkg/apis/core/validation).
 */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

static const struct field *spec_field(void)
{
    static const struct field spec = {NULL, "spec", -1, {NULL, 0}};
    return &spec;
}

/* ---- parts ---- */

/* false: nothing else is worth comparing */
static bool check_containers(struct field_errors *e, const struct field *f, const struct json *now,
                             const struct json *was)
{
    int64_t i = 0;
    if (json_count(now) != json_count(was)) {
        field_forbidden(e, f, "pod updates may not add or remove containers");
        return false;
    }
    for (const struct json *c = json_first(now); c; c = c->next, i++) {
        struct str image = json_path_str(c, "image");
        if (!image.n)
            field_required(e, FIELD(FIELD_AT(f, i), "image"), NULL);
        if (str_trim(image).n != image.n)
            field_invalid_str(e, FIELD(FIELD_AT(f, i), "image"), image,
                              "must not have leading or trailing whitespace");
    }
    return true;
}

/* From nothing to a number, and from a number to a smaller one. */
static bool check_deadline(struct field_errors *e, const struct json *now, const struct json *was)
{
    const struct field *f = FIELD(spec_field(), "activeDeadlineSeconds");
    int64_t n = json_i64(now, 0);
    if (json_absent(now)) {
        if (!json_absent(was))
            field_invalid(e, f, NULL, "must not update from a positive integer to nil value");
        return true;
    }
    if (n < 0 || n > INT32_MAX)
        field_invalid_int(e, f, n, "must be between 0 and 2147483647, inclusive");
    else if (!json_absent(was) && json_i64(was, 0) < n)
        field_invalid_int(e, f, n, "must be less than or equal to previous value");
    else
        return true;
    return false;
}

static bool same_toleration(const struct json *a, const struct json *b)
{
    static const char *const members[] = {"key", "operator", "value", "effect"};
    for (size_t i = 0; i < 4; i++)
        if (!str_eq(json_str(json_get(a, members[i])), json_str(json_get(b, members[i]))))
            return false;
    return true;
}

static void check_tolerations(struct field_errors *e, const struct json *now,
                              const struct json *was)
{
    for (const struct json *o = json_first(was); o; o = o->next) {
        const struct json *n = json_first(now);
        while (n && !same_toleration(n, o))
            n = n->next;
        if (!n) {
            field_forbidden(e, FIELD(spec_field(), "tolerations"),
                            "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
}

static void check_gates(struct field_errors *e, const struct json *now, const struct json *was)
{
    int64_t i = 0;
    for (const struct json *n = json_first(now); n; n = n->next, i++) {
        struct str name = json_path_str(n, "name");
        const struct json *o = json_first(was);
        while (o && !str_eq(json_path_str(o, "name"), name))
            o = o->next;
        if (!o)
            field_forbidden(
                e, FIELD(FIELD_AT(FIELD(spec_field(), "schedulingGates"), i), "name"),
                arena_printf(e->arena,
                             "only deletion is allowed, but found new scheduling gate '" STR_FMT
                             "'",
                             STR_ARG(name)));
    }
}

/* ---- the pod ---- */

static void take(struct arena *a, struct json *to, const struct json *from, const char *name)
{
    if (json_absent(json_get(from, name)))
        json_remove(to, name);
    else
        json_set(a, to, name, json_clone(a, json_get(from, name)));
}

/* A pod behind gates may still get a narrower choice of nodes: labels to its selector. */
static void level_gated(struct field_errors *e, struct json *spec, const struct json *old)
{
    const struct json *now = json_get(spec, "nodeSelector"), *was = json_get(old, "nodeSelector");
    bool kept = true;
    if (!json_count(json_get(old, "schedulingGates")))
        return;
    for (const struct json *m = json_first(was); m; m = m->next)
        kept = kept && str_eq(json_str(json_get_str(now, m->key)), json_str(m));
    if (!kept)
        field_invalid(e, FIELD(spec_field(), "nodeSelector"), now,
                      "only additions are allowed (no mutations or deletions)");
    take(e->arena, spec, old, "nodeSelector");
    struct json *affinity = json_get(spec, "affinity");
    if (!json_absent(json_path(old, "affinity.nodeAffinity")))
        return; /* what is there may only be narrowed, which is for equality below to refuse */
    if (affinity && json_remove(affinity, "nodeAffinity") && !json_count(affinity) &&
        json_absent(json_get(old, "affinity")))
        json_remove(spec, "affinity");
}

/* Makes equal what may differ, so that all that still does may not. */
static struct json *level(struct field_errors *e, const struct json *now, const struct json *old)
{
    static const char *const checked[] = {"activeDeadlineSeconds", "tolerations",
                                          "schedulingGates"};
    static const char *const lists[] = {"containers", "initContainers"};
    struct json *spec = json_clone(e->arena, now);
    for (size_t i = 0; i < 3; i++)
        take(e->arena, spec, old, checked[i]);
    for (size_t i = 0; i < 2; i++) {
        struct json *c = json_first(json_get(spec, lists[i]));
        const struct json *o = json_first(json_get(old, lists[i]));
        for (; c && o; c = c->next, o = o->next)
            take(e->arena, c, o, "image");
    }
    if (json_path_i64(old, "terminationGracePeriodSeconds", 0) < 0 &&
        json_path_i64(spec, "terminationGracePeriodSeconds", 0) == 1)
        take(e->arena, spec, old, "terminationGracePeriodSeconds");
    level_gated(e, spec, old);
    return spec;
}

/* Members that differ, a line each, so that the message says what it is about. */
static void write_difference(struct buf *out, const struct json *old, const struct json *now)
{
    for (size_t turn = 0; turn < 2; turn++) {
        const struct json *from = turn ? now : old, *other = turn ? old : now;
        for (const struct json *m = json_first(from); m; m = m->next) {
            const struct json *o = json_get_str(other, m->key);
            if (json_equal(m, o) || (turn && o))
                continue;
            if (!turn) {
                buf_printf(out, "- " STR_FMT ": ", STR_ARG(m->key));
                json_write(out, m);
                buf_putc(out, '\n');
            }
            if (turn || o) {
                buf_printf(out, "+ " STR_FMT ": ", STR_ARG(m->key));
                json_write(out, turn ? m : o);
                buf_putc(out, '\n');
            }
        }
    }
}

static void refuse_difference(struct field_errors *e, const struct json *old,
                              const struct json *now)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 16384);
    write_difference(&text, old, now);
    field_forbidden(
        e, spec_field(),
        arena_printf(
            e->arena,
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
            "(allow it to be set to 1 if it was previously negative)\n%s",
            text.failed ? "" : buf_cstr(&text)));
}

static void check_update(struct field_errors *e, const struct json *now, const struct json *was)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t i = 0; i < 2; i++)
        if (!check_containers(e, FIELD(spec_field(), lists[i]), json_get(now, lists[i]),
                              json_get(was, lists[i])))
            return;
    if (!check_deadline(e, json_get(now, "activeDeadlineSeconds"),
                        json_get(was, "activeDeadlineSeconds")))
        return;
    check_tolerations(e, json_get(now, "tolerations"), json_get(was, "tolerations"));
    check_gates(e, json_get(now, "schedulingGates"), json_get(was, "schedulingGates"));
    const struct json *leveled = level(e, now, was);
    if (!json_equal(leveled, was))
        refuse_difference(e, was, leveled);
}

/* ---- subresources ---- */

static const struct json *named(const struct json *list, struct str name)
{
    const struct json *c = json_first(list);
    while (c && !str_eq(json_path_str(c, "name"), name))
        c = c->next;
    return c;
}

/* Ephemeral containers come, and stay as they are. */
static void check_ephemeral(struct field_errors *e, const struct json *now, const struct json *was)
{
    const struct field *f = FIELD(spec_field(), "ephemeralContainers");
    for (const struct json *o = json_first(was); o; o = o->next) {
        struct str name = json_path_str(o, "name");
        const struct json *n = named(now, name);
        struct buf text CLEANUP_BUF;
        buf_init(&text, 8192);
        if (!n) {
            field_forbidden(e, f,
                            arena_printf(e->arena,
                                         "existing ephemeral containers \"" STR_FMT
                                         "\" may not be removed\n",
                                         STR_ARG(name)));
        } else if (!json_equal(n, o)) {
            write_difference(&text, o, n);
            field_forbidden(e, f,
                            arena_printf(e->arena,
                                         "existing ephemeral containers \"" STR_FMT
                                         "\" may not be changed\n%s",
                                         STR_ARG(name), text.failed ? "" : buf_cstr(&text)));
        }
    }
}

static void check_resize(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct json *now = json_get(w->object, "spec"), *was = json_get(w->old, "spec");
    const struct json *c = json_first(json_get(now, "containers")),
                      *o = json_first(json_get(was, "containers"));
    int64_t i = 0;
    const char *before = pod_qos_class(w->a, was), *after = pod_qos_class(w->a, now);
    if (!cstr_eq(before, after))
        field_invalid_str(e, spec_field(), str_of(after),
                          "Pod QOS Class may not change as a result of resizing");
    for (; c && o; c = c->next, o = o->next, i++) {
        static const char *const parts[] = {"limits", "requests"};
        const struct field *at = FIELD(FIELD_AT(FIELD(spec_field(), "containers"), i), "resources");
        for (size_t k = 0; k < 2; k++) {
            const struct json *n = json_get(json_get(c, "resources"), parts[k]),
                              *b = json_get(json_get(o, "resources"), parts[k]);
            for (const struct json *m = json_first(b); m; m = m->next) {
                bool scalable = str_is(m->key, "cpu") || str_is(m->key, "memory");
                const struct json *value = json_get_str(n, m->key);
                if (scalable && !value)
                    field_forbidden(e, FIELD(at, parts[k]),
                                    k ? "resource requests cannot be removed"
                                      : "resource limits cannot be removed");
                else if (!scalable && !json_equal(value, m))
                    field_forbidden(e, spec_field(), "only cpu and memory resources are mutable");
            }
        }
    }
}

void pod_update_validate(struct write *w)
{
    const struct json *now = json_get(w->object, "spec"), *was = json_get(w->old, "spec");
    const struct json *notes = json_path(w->old, "metadata.annotations");
    if (cstr_eq(w->subresource, "status")) {
        pod_status_validate(w);
    } else if (cstr_eq(w->subresource, "ephemeralcontainers")) {
        if (json_get(notes, "kubernetes.io/config.mirror"))
            field_forbidden(&w->errors, FIELD(NULL, ""),
                            "static pods do not support ephemeral containers");
        check_ephemeral(&w->errors, json_get(now, "ephemeralContainers"),
                        json_get(was, "ephemeralContainers"));
    } else if (cstr_eq(w->subresource, "resize")) {
        check_resize(w);
    } else if (!w->subresource[0]) {
        check_update(&w->errors, now, was);
    }
}
