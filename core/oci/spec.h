/*
 * OCI runtime specification 1.2, config.json: decoding into struct container_spec. Unknown members
 * are ignored as the specification asks; known ones must have their type.
 */
#ifndef OCI_SPEC_H
#define OCI_SPEC_H

#include "port/container.h"

container_decode_fn oci_spec_decode;
container_decode_resources_fn oci_resources_decode;

#endif
