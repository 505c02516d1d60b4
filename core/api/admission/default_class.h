/* Classes of which one is the default. */
#ifndef API_ADMISSION_DEFAULT_CLASS_H
#define API_ADMISSION_DEFAULT_CLASS_H

#include "api/write.h"

/* The newest object (of equals the first by name) that has one of these annotations, which end with
 * NULL, at "true"; NULL in *ret: there is none. nonzero: answered. */
int default_class(struct write *w, const char *group, const char *resource,
                  const char *const *annotations, const struct json **ret);

#endif
