/* Between the files of the kind CustomResourceDefinition. */
#ifndef API_CRD_DEFINITION_H
#define API_CRD_DEFINITION_H

#include "api/crd/crd.h"

/* names.c: status of w->object */
void definition_set_condition(struct write *w, const char *type, bool is, const char *reason,
                              const char *message);
void definition_drop_condition(struct write *w, const char *type);
void definition_settle_names(struct write *w);

#endif
