/* Formats of values (`format` in a schema), those that upstream looks at. */
#ifndef API_CRD_FORMAT_H
#define API_CRD_FORMAT_H

#include "codec/json.h"

/* An unknown format fits everything. */
bool crd_format_fits(struct str format, const struct json *value);

#endif
