/*
 * The ConfigMaps and Secrets that pods of this node name: each fetched once, again every minute
 * while a pod holds it, and at once when another pod begins to. Few objects, so no watches: a
 * change is seen within SOURCE_REFRESH_MS, as with upstream's kubelet by default.
 */
#ifndef NODE_SOURCES_H
#define NODE_SOURCES_H

#include "node/node_int.h"

enum source_kind { SOURCE_CONFIG_MAP, SOURCE_SECRET };
enum { SOURCE_REFRESH_MS = 60 * 1000 };

int sources_new(struct node *n, struct sources **ret_sources) MUST_CHECK;
void sources_free(struct sources *s);
/* The object, decoded into the arena; the pod holds the source from the first time it asks and is
 * woken when it changes. -E_AGAIN: being fetched; -E_NOT_FOUND; -E_UNAVAILABLE with the reason. */
int sources_read(struct pod *p, struct arena *a, enum source_kind kind, const char *name,
                 struct json **ret_object, struct err *err) MUST_CHECK;
void sources_drop(struct pod *p); /* all that it holds */
/* The credentials for an image out of the pod's imagePullSecrets: JSON in the arena, or empty.
 * -E_AGAIN: being fetched. Missing secrets are passed over, as upstream does. */
int sources_pull_auth(struct pod *p, struct arena *a, const struct json *spec, const char *image,
                      struct str *ret_auth) MUST_CHECK;

#endif
