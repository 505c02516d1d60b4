/* An API object as bytes with what every consumer asks for at hand. Immutable, reference-counted.
 */
#ifndef CLIENT_OBJECT_H
#define CLIENT_OBJECT_H

#include "codec/json.h"

struct object {
    uint32_t refs;
    uint32_t size;
    int64_t resource_version;
    const char *namespace; /* "" for cluster scope; points into this allocation */
    const char *name;
    const char *uid;
    const char *controller_uid; /* metadata.ownerReferences[controller=true].uid or "" */
    bool deleting;              /* has a deletionTimestamp */
    struct str json;            /* points into this allocation */
};

/* From a decoded tree; bytes are written anew, without metadata.managedFields. -E_INVALID without
 * metadata.name. */
int object_new(const struct json *tree, struct object **ret_object) MUST_CHECK;
struct object *object_ref(struct object *o);
void object_unref(struct object *o);
/* Decodes into the arena; NULL when memory ran out (the bytes are known to be well formed). */
struct json *object_json(const struct object *o, struct arena *a) MUST_CHECK;

#endif
