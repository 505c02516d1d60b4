/*
 * One create or update while it is decided: what kinds and admission see. Everything lives in the
 * request's work arena.
 */
#ifndef API_WRITE_H
#define API_WRITE_H

#include "api/api_int.h"
#include "api/field.h"

enum { WRITE_OPS = 128 };

struct hook_run;

struct write {
    struct api_request *r;
    struct api *api;
    struct arena *a;
    const struct kind *kind;
    const struct schema_resource *resource; /* whose form object has: of the main resource */
    struct str ns, name;
    struct str key;
    struct json *object;         /* new state */
    struct json *old;            /* NULL on create */
    struct store_value *current; /* referenced; NULL on create */
    const char *subresource;     /* "" or "status" ... */
    bool is_create, is_delete;
    bool applied; /* by server-side apply: managedFields are done */
    struct field_errors errors;
    int64_t now_us;
    char now[40]; /* as metav1.Time */
    /* Of the same command, behind the object's own. */
    struct store_compare compares[WRITE_OPS];
    size_t compare_count;
    struct store_op ops[WRITE_OPS];
    size_t op_count;
    /* Of compares and ops, before those that charge quotas; and how often they were taken anew. */
    size_t own_compares, own_ops;
    unsigned charges;
    struct quota_charge *charged;
    int64_t wanted_revision; /* that the client says it changes; 0: whatever there is */
    bool generated_name;
    bool
        chose; /* something free was taken (a name, an address): a conflict means to choose again */
    int status;        /* HTTP status of success */
    struct buf stored; /* the new state; empty when the object is removed */
    struct json *stored_form; /* of an object that a webhook converted for the store, or NULL */
    struct buf own_form;      /* and what is answered then: stored, in the request's version */
    bool removes;      /* this update takes the last hold off an object being deleted */
    void (*on_done)(struct write *w, struct str stored, int64_t revision); /* answers */
    void (*again)(struct api_request *r); /* from the start, on a conflict */
    struct hook_run *hooks;               /* webhooks that it goes through, or NULL */
    /* What admission sees instead of object and old (a Binding, a Scale), and how what it made of
     * that comes into object. NULL: the object itself. */
    struct json *view, *old_view;
    void (*take_view)(struct write *w);
    const char *operation;             /* of hooks_ask */
    void (*asked)(struct write *w);
};

/* Adds to the command; texts must live in the arena. Too many: an internal error in errors. */
void write_compare(struct write *w, struct str key, int64_t revision);
void write_compare_value(struct write *w, struct str key, struct str value);
void write_put(struct write *w, struct str key, struct str value);
void write_remove(struct write *w, struct str key);

/* ---- the steps ---- */
/* A write of r in its (cleared) work arena; NULL: answered. Freed by write_done. */
struct write *write_new(struct api_request *r, const struct schema_resource *main_resource,
                        struct str ns, struct str name);
int write_load(struct write *w); /* old and current; nonzero: answered (not found) */
/* Takes w->object through defaults, admission and validation to the store; answers through on_done,
 * or with an error. again: what to do on a conflict when the client named no revision. */
void write_decide(struct write *w);
/* Reads the body as the kind the resource speaks. nonzero: answered. */
int body_read(struct api_request *r, struct arena *a, const struct schema_resource *res,
              struct json **ret);
/* Parses the body as JSON or YAML without checking its type. */
int body_parse(struct api_request *r, struct arena *a, struct str body,
               struct schema_problems *problems, struct json **ret);
/* Of the kind and version that the resource speaks, or says neither. nonzero: answered. */
int body_check_kind(struct api_request *r, struct arena *a, const struct schema_resource *res,
                    struct json *object);
/* An empty managedFields means to reset it; checking would drop it. */
void body_keep_reset(struct arena *a, struct json *object);
enum schema_validation body_validation(const struct api_request *r);
/* w->stored of w->object, or of w->stored_form. -E_TOO_LARGE, -E_NOMEM. */
int write_encode(struct write *w) MUST_CHECK;
/* What of it is to be answered. */
struct str write_bytes(const struct write *w);
/* Frees what the write holds beside its arena; harmless when there is none. */
void write_done(struct api_request *r);
int fail_invalid(struct write *w);
/* The resource without its subresource. */
const struct schema_resource *resource_main(const struct schema_resource *res);
/* spec of new equals spec of old */
bool write_spec_same(const struct write *w);
const char *write_random_suffix(struct write *w);

/* admission/: changes the object or answers (nonzero). */
int admit(struct write *w);
int admit_result(struct write *w); /* after all that may change the object */
int admit_namespace(struct write *w);
int admit_node_restriction(struct write *w); /* of deletes and TokenRequests too */
int admit_node_taint(struct write *w);
int admit_topology_labels(struct write *w);
int admit_owner_references(struct write *w);
int admit_service_account(struct write *w);
int admit_limit_ranger(struct write *w);
int admit_tolerations(struct write *w);
int admit_pod_security(struct write *w);
int admit_priority(struct write *w);
int admit_validated(struct write *w); /* what only judges valid objects */
int admit_default_storage_class(struct write *w);
int admit_default_ingress_class(struct write *w);
int admit_runtime_class(struct write *w);
int admit_runtime_class_validated(struct write *w);
int admit_storage_object_in_use_protection(struct write *w);
int admit_persistent_volume_claim_resize(struct write *w);
/* Last of all, when the object stands: charges it to the quotas of its namespace. */
int admit_resource_quota(struct write *w);

/* meta.c */
void meta_prepare_create(struct write *w);
int meta_prepare_update(struct write *w); /* nonzero: answered */
void meta_validate(struct write *w);
void meta_validate_annotations(struct field_errors *e, const struct field *f,
                               const struct json *annotations);
void meta_validate_update(struct write *w);

/* manager.c: field managers. nonzero: answered. */
int manager_check_options(struct api_request *r, bool applying);
/* managedFields after an update; sent: what the request held, or NULL. */
int manager_track(struct write *w, const struct json *sent);
/* Server-side apply: w->object from w->old (NULL: there is none) and config, of the main kind. */
int manager_apply(struct write *w, const struct json *config);
/* Is there nothing to write? */
bool manager_unchanged(struct write *w);

/* patch.c */
bool patch_is_apply(const struct api_request *r);
/* Reads what is to be applied, of the kind that the resource speaks. nonzero: answered. */
int patch_read_config(struct api_request *r, struct arena *a, const struct schema_resource *res,
                      struct json **ret);
/* Brings what was applied into the form of its kind. nonzero: answered. */
int patch_settle(struct api_request *r, struct arena *a, const struct schema_resource *res,
                 struct json *object);
/* The object of a PATCH from the current one. nonzero: answered. */
int patch_apply(struct api_request *r, struct arena *a, const struct schema_resource *res,
                const struct json *current, struct json **ret);

#endif
