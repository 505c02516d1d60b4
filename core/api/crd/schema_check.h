/* What the schema of a definition must be: structural, and within what the API server checks. */
#ifndef API_CRD_SCHEMA_CHECK_H
#define API_CRD_SCHEMA_CHECK_H

#include "api/field.h"

void schema_check_structure(struct field_errors *e, const struct field *path,
                            const struct json *schema);

#endif
