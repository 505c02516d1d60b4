/*
 * Custom resources whose versions a webhook converts (apiextensions-apiserver,
 * pkg/apiserver/conversion).
 *
 * What is stored of a custom object ends with the version that it was stored as. Reading it as
 * another one takes a call of the webhook, which no reader can wait for: a verb first prepares the
 * values that it is going to decode, and is called again when they are there. What was converted is
 * held by the requests that asked for it, and found by object_decode.
 *
 * Metadata alone never asks the webhook: the garbage collector and the end of a namespace must not
 * depend on it. Selectors look at labels and fields as stored.
 *
 *   conversion.c         values for readers, objects for the store
 *   conversion_review.c  ConversionReview: one call for several objects
 */
#ifndef API_CRD_CONVERSION_H
#define API_CRD_CONVERSION_H

#include "api/admission/webhook.h"
#include "api/crd/crd.h"

enum {
    CONVERSION_BATCH = 500,                /* objects in one call */
    CONVERSION_BATCH_BYTES = 1024 * 1024,  /* of them as stored; one larger object goes alone */
    CONVERSION_TIMEOUT_S = 30,
};

int conversions_new(struct api *api) MUST_CHECK; /* api->conversions */
void conversions_free(struct api *api);

/* Does reading that resource in this form ever ask a webhook? */
bool conversion_asks(const struct api_request *r, const struct schema_resource *res);
/* Can the bytes be decoded as res now? */
bool conversion_ready(const struct schema_resource *res, struct str stored);
/*
 * Makes values ready, of which the caller keeps no reference. 0: all are, until the request prepares
 * others or ends. Else the caller returns: the request was answered with an error, or again(r) comes
 * later. A failed conversion is told to failed(r, message) when that is given.
 */
int conversion_prepare(struct api_request *r, const struct schema_resource *res,
                       struct store_value *const *values, size_t count,
                       void (*again)(struct api_request *r),
                       void (*failed)(struct api_request *r, const char *message)) MUST_CHECK;
/* The object as the storage version has it becomes w->stored_form. 0: it needs no webhook; else as
 * above with go_on. */
int conversion_for_store(struct write *w, void (*go_on)(struct write *w)) MUST_CHECK;
/* The resource in whose version custom objects are stored; others are their own. */
const struct schema_resource *conversion_storage(const struct schema_resource *res);
/* Lets go of what was prepared, and of what is under way. */
void conversion_release(struct api_request *r);

/* Stored bytes in the form of the version; -E_UNAVAILABLE: not prepared. */
int conversion_find(const struct crd_version *to, struct str stored, struct str *ret) MUST_CHECK;

/* ---- the webhook of a definition ---- */
struct conversion_hook {
    struct conversions *owner; /* NULL: the API server is gone */
    struct list link;          /* of the owner's; its dead ones until the loop has freed them */
    struct webhook hook;
};
void conversion_hook_drop(struct conversion_hook *h); /* accepts NULL */

/* ---- conversion_review.c ---- */
struct conversion_review;
/* converted: as many as were asked about, in their order, in an arena that lives until the call
 * ends; or NULL and why, as upstream words it. */
typedef void conversion_done_fn(void *ctx, const struct json *converted, const char *message);
/* objects: an array of objects with apiVersion and kind, copied. Nonzero: done does not come; err
 * holds the whole message. */
int conversion_review_new(struct api *api, struct crd *crd, struct conversion_hook *h,
                          const struct crd_version *to, const struct json *objects,
                          conversion_done_fn *done, void *ctx, struct conversion_review **ret,
                          struct err *err) MUST_CHECK;
void conversion_review_free(struct conversion_review *c); /* accepts NULL; cancels */

struct conversion_question { /* what an answer is held against */
    const char *version;        /* of the review: "apiextensions.k8s.io/v1" */
    const char *uid;
    const char *desired;        /* "example.com/v2" */
    const char *kind;           /* "example.com/v1, Kind=Widget" of the first object */
    const struct json *objects; /* at least one */
};
/* What a webhook sent, whatever it is: the converted objects, as many as were asked about, each of
 * the desired version, with the metadata that it had but for labels and annotations, and within
 * what can be read back. NULL: why not; that is NULL too without memory. */
const struct json *conversion_answer(const struct conversion_question *q, struct arena *a,
                                     struct str body, const char **ret_message);

#endif
