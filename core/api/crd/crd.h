/*
 * Resources that clients defined. A CustomResourceDefinition in the store becomes a struct crd when
 * it is first asked for, and another one when it changed in a way that matters; requests hold the
 * one they began with. The stored definition is looked at each time, so that what was just created
 * is served and what was just deleted is not.
 *
 * A map of the folder
 *   crd.c          definitions from the store; catalog.c: all resources there are
 *   definition.c   the kind CustomResourceDefinition; names.c: its conditions
 *   schema_check.c what a schema must be; node.h, node.c: a schema made ready for use
 *   value.c        objects against schemas; prune.c: unknown fields and defaults
 *   object.c       the behaviour of custom objects
 *   conversion.c   versions that a webhook converts
 *   cleanup.c      what follows when definitions change or go
 */
#ifndef API_CRD_CRD_H
#define API_CRD_CRD_H

#include "api/api_int.h"
#include "api/write.h"
#include "schema/apply.h"
#include "schema/runtime.h"

#define CRD_GROUP     "apiextensions.k8s.io"
#define CRD_RESOURCE  "customresourcedefinitions"
#define CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

enum { CRD_VERSIONS = 64, CRD_SELECTABLE = 8 };

struct crd_node;
struct conversion_hook;

struct crd_version {
    struct kind kind;
    const struct crd *crd;
    struct schema_runtime_names names;
    const char *name;
    bool served, storage;
    const char *deprecation;          /* what to warn with, or NULL */
    const struct json *schema;        /* openAPIV3Schema, or NULL */
    const struct crd_node *root;      /* of it */
    const struct json *selectable;    /* selectableFields, or NULL */
    const struct json *subresources;  /* {"status": {}, "scale": {...}} or NULL */
    const struct schema_resource *main, *status, *scale; /* the last two may be NULL */
};

struct crd {
    uint32_t refs;
    struct arena arena;
    int64_t revision;   /* of the definition as last seen */
    struct str essence; /* of what this was made from */
    const char *name, *group, *uid;
    const struct json *webhook;   /* spec.conversion.webhook; NULL: versions differ by name only */
    struct conversion_hook *hook; /* once it was called */
    bool established, terminating, namespaced, preserves_unknown;
    struct crd_version versions[CRD_VERSIONS];
    size_t version_count, storage; /* storage: index */
    bool seen;                     /* by the last look at all of them */
};

struct crd *crd_ref(struct crd *c);
void crd_unref(struct crd *c);

/* From the definition as stored. -E_INVALID: not one that could be served; -E_NOMEM. */
int crd_new(struct str stored, int64_t revision, struct crd **ret) MUST_CHECK;

struct crds; /* api->crds */
int crds_new(struct api *api) MUST_CHECK;
void crds_free(struct api *api);

/* The established definition of a resource, with a reference for the caller; NULL: there is none.
 */
struct crd *crd_get(struct api *api, struct str group, struct str plural);
/* All established ones, by name, borrowed until the next call. -E_NOMEM. */
int crd_all(struct api *api, struct crd *const **ret, size_t *ret_count) MUST_CHECK;
const struct crd_version *crd_version_find(const struct crd *c, struct str version);

/* Sets r->resource and r->crd for a path that the tables do not know. */
void crd_find_resource(struct api_request *r);

/* Of a resource made from a definition; else NULL. */
static inline const struct crd_version *crd_of(const struct schema_resource *r)
{
    return (const struct crd_version *)schema_runtime_owner(r);
}

/* ---- object.c ---- */
void crd_kind_init(struct crd_version *v, struct arena *a);
/* As schema_check, for an object of a definition's resource; another's without a type: 0. */
int crd_check(struct arena *a, const struct schema_resource *res, struct json *object,
              enum schema_validation mode, struct schema_problems *problems,
              struct err *err) MUST_CHECK;
int crd_from_stored(struct arena *a, const struct schema_resource *res,
                    struct json *object) MUST_CHECK;
struct apply_node crd_apply_node(const struct schema_resource *res);

/* ---- catalog.c: resources of the tables, then those of definitions ---- */
struct catalog {
    const struct schema_group_version *versions;
    size_t version_count;
    const struct schema_resource *const *resources;
    size_t resource_count;
};
/* In the arena; the resources live until the end of this turn of the loop. -E_NOMEM. */
int catalog_make(struct api *api, struct arena *a, struct catalog *ret) MUST_CHECK;

/* ---- cleanup.c ---- */
int crd_cleanup_new(struct api *api) MUST_CHECK;
void crd_cleanup_free(struct api *api);
void crd_cleanup_tick(struct api *api);

/* ---- openapi.c ---- */
/* OpenAPI v3 of a group version that definitions serve. -E_NOT_FOUND, -E_NOMEM. */
int crd_openapi_v3(struct api *api, struct str group, struct str version,
                   struct buf *out) MUST_CHECK;
/* The whole v2 document, definitions included. */
int crd_openapi_v2(struct api *api, bool protobuf, struct buf *out) MUST_CHECK;

#endif
