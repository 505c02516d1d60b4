/*
 * Volumes of a pod, each a directory below DATA/pods/<uid>/volumes.
 *
 * Files of a configMap, secret, projected or downwardAPI volume are laid out as upstream's
 * AtomicWriter does: `..data` -> `..<time>`, and for each first path component a link through
 * `..data`, so that an update becomes visible at once or not at all.
 */
#ifndef DRIVERS_VOLUME_VOLUME_H
#define DRIVERS_VOLUME_VOLUME_H

#include "port/runtime.h"

/* Makes or updates the volume below volumes_fd. */
int volume_set(int volumes_fd, const struct runtime_volume *v, struct err *err) MUST_CHECK;
/* Lets go of what is mounted on the volumes (memory ones). Follows no link. */
void volume_unmount_all(int volumes_fd);
/* hostPath: checks, or makes, what type asks for. */
int volume_host_path(const char *path, const char *type, struct err *err) MUST_CHECK;

#endif
