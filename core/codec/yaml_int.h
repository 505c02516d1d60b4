/* Between the reader's events and its scalars. */
#ifndef CODEC_YAML_INT_H
#define CODEC_YAML_INT_H

#include "codec/json.h"

/* The value of a plain scalar by YAML 1.1's implicit types, as goyaml v2 has them. The node's text
 * may be used for a string. False for values that JSON cannot hold (.inf, .nan). */
bool yaml_resolve(struct str text, struct json *ret);

#endif
