/* What holds for the metadata of every object (apimachinery/pkg/api/validation, registry/rest). */
#include <stdio.h>

#include "api/write.h"
#include "codec/names.h"

enum { ANNOTATIONS_BYTES = 256 * 1024, GENERATED_BASE = 58, SUFFIX = 5 };

const char *write_random_suffix(struct write *w)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char text[SUFFIX + 1];
    for (size_t i = 0; i < SUFFIX; i++)
        text[i] = letters[prng_below(&w->api->prng, sizeof letters - 1)];
    text[SUFFIX] = 0;
    const char *kept = arena_strdup(w->a, text);
    return kept ? kept : "";
}

void meta_prepare_create(struct write *w)
{
    static const char *const dropped[] = {"deletionTimestamp", "deletionGracePeriodSeconds",
                                          "selfLink",          "resourceVersion",
                                          "managedFields",     "generation"};
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    char uid[37];
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
        json_remove(meta, dropped[i]);
    struct str base = json_str(json_get(meta, "generateName"));
    if (!w->name.n && base.n) {
        if (base.n > GENERATED_BASE)
            base.n = GENERATED_BASE;
        const char *name = arena_printf(w->a, STR_FMT "%s", STR_ARG(base), write_random_suffix(w));
        w->name = str_of(name);
        w->generated_name = true;
    }
    if (w->name.n)
        json_set_str(w->a, meta, "name", w->name);
    if (w->ns.n)
        json_set_str(w->a, meta, "namespace", w->ns);
    else
        json_remove(meta, "namespace");
    crypto_uuid(uid);
    json_set_cstr(w->a, meta, "uid", uid);
    json_set_cstr(w->a, meta, "creationTimestamp", w->now);
    if (w->kind->flags & KIND_GENERATION)
        json_set_i64(w->a, meta, "generation", 1);
}

static void keep_old(struct write *w, struct json *meta, const struct json *old, const char *name)
{
    const struct json *was = json_get(old, name);
    if (was)
        json_set(w->a, meta, name, json_clone(w->a, was));
    else
        json_remove(meta, name);
}

int meta_prepare_update(struct write *w)
{
    static const char *const kept[] = {"name",
                                       "namespace",
                                       "uid",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "generation"};
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    const struct json *old = json_get(w->old, "metadata");
    struct str uid = json_path_str(meta, "uid"), was = json_path_str(old, "uid");
    if (uid.n && !str_eq(uid, was)) {
        const char *why = arena_printf(w->a,
                                       "Precondition failed: UID in precondition: " STR_FMT
                                       ", UID in object meta: " STR_FMT,
                                       STR_ARG(uid), STR_ARG(was));
        return fail_conflict(w->r, w->resource, w->name, why ? why : "");
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        keep_old(w, meta, old, kept[i]);
    json_remove(meta, "selfLink");
    json_remove(meta, "managedFields");
    return w->a->failed ? fail_memory(w->r) : 0;
}

void meta_validate_annotations(struct field_errors *e, const struct field *f,
                               const struct json *annotations)
{
    size_t bytes = 0;
    for (const struct json *m = json_first(annotations); m; m = m->next) {
        char lower[512];
        str_copy(lower, sizeof lower, m->key);
        for (char *c = lower; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
        const char *wrong = names_qualified(m->key.n < sizeof lower ? str_of(lower) : m->key);
        if (wrong)
            field_invalid_str(e, f, m->key, wrong);
        bytes += m->key.n + json_str(m).n;
    }
    if (bytes > ANNOTATIONS_BYTES)
        field_too_long(e, f, ANNOTATIONS_BYTES);
}

static void validate_owners(struct field_errors *e, const struct field *f,
                            const struct json *owners)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    int64_t i = 0, controllers = 0;
    for (const struct json *o = json_first(owners); o; o = o->next, i++) {
        for (size_t k = 0; k < 4; k++)
            if (!json_str(json_get(o, needed[k])).n)
                field_invalid_str(e, FIELD(FIELD_AT(f, i), needed[k]), STR(""),
                                  "must not be empty");
        controllers += json_path_bool(o, "controller", false);
    }
    if (controllers > 1)
        field_invalid(
            e, f, owners,
            "Only one reference can have Controller set to true. Found \"true\" in references");
}

static void validate_finalizers(struct field_errors *e, const struct field *f,
                                const struct json *finalizers)
{
    for (const struct json *m = json_first(finalizers); m; m = m->next)
        field_check_name(e, f, json_str(m), names_qualified);
}

static void validate_name(struct write *w, const struct field *meta)
{
    const char *(*rule)(struct str) =
        w->kind->name_rule ? w->kind->name_rule : names_dns1123_subdomain;
    struct str base = json_path_str(w->object, "metadata.generateName");
    if (base.n && w->generated_name) {
        /* A trailing dash becomes part of a longer name. */
        char probe[300];
        snprintf(probe, sizeof probe, STR_FMT "a", (int)(base.n < 250 ? base.n : 250), base.p);
        field_check_name(&w->errors, FIELD(meta, "generateName"), str_of(probe), rule);
        return;
    }
    if (!w->name.n)
        field_required(&w->errors, FIELD(meta, "name"), "name or generateName is required");
    else
        field_check_name(&w->errors, FIELD(meta, "name"), w->name, rule);
}

void meta_validate(struct write *w)
{
    const struct field *meta = FIELD(NULL, "metadata");
    const struct json *m = json_get(w->object, "metadata");
    if (w->is_create)
        validate_name(w, meta);
    field_check_labels(&w->errors, FIELD(meta, "labels"), json_get(m, "labels"));
    meta_validate_annotations(&w->errors, FIELD(meta, "annotations"), json_get(m, "annotations"));
    validate_owners(&w->errors, FIELD(meta, "ownerReferences"), json_get(m, "ownerReferences"));
    validate_finalizers(&w->errors, FIELD(meta, "finalizers"), json_get(m, "finalizers"));
}

static bool holds(const struct json *list, struct str s)
{
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_eq(json_str(m), s))
            return true;
    return false;
}

void meta_validate_update(struct write *w)
{
    const struct json *now = json_path(w->object, "metadata.finalizers");
    const struct json *before = json_path(w->old, "metadata.finalizers");
    if (json_absent(json_path(w->old, "metadata.deletionTimestamp")))
        return;
    for (const struct json *m = json_first(now); m; m = m->next)
        if (!holds(before, json_str(m))) {
            const char *text =
                arena_printf(w->a,
                             "no new finalizers can be added if the object is being deleted, found "
                             "new finalizers []string{\"" STR_FMT "\"}",
                             STR_ARG(json_str(m)));
            field_forbidden(&w->errors, FIELD(FIELD(NULL, "metadata"), "finalizers"),
                            text ? text : "");
        }
}
