/* The sources of PersistentVolumes: hostPath, nfs, csi ... */
#ifndef API_KINDS_VOLUME_SOURCE_H
#define API_KINDS_VOLUME_SOURCE_H

#include "api/write.h"

void volume_source_default(struct arena *a, struct json *spec);
/* f: of the spec; volume: the name of the PersistentVolume. */
void volume_source_validate(struct field_errors *e, const struct field *f, const struct json *spec,
                            struct str volume);
/* May an annotation give mount options? */
bool volume_source_mount_options(const struct json *spec);
void volume_source_warn(struct api_request *r, const struct json *spec);
/* The spec's sources and nothing else. */
struct json *volume_source_of(struct arena *a, const struct json *spec);
/* The name of a CSI driver. */
void driver_name_validate(struct field_errors *e, const struct field *f, struct str name);

#endif
