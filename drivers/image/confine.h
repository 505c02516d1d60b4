/*
 * The processes that handle what strangers wrote: how they are started, and how each gives up what
 * it does not need.
 */
#ifndef DRIVERS_IMAGE_CONFINE_H
#define DRIVERS_IMAGE_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Runs this program again as the role. *ret_sock: our end of its socket, non-blocking, close-on-exec. */
int image_role_spawn(const char *role, int *ret_sock, pid_t *ret_pid, int *ret_pidfd, struct err *err) MUST_CHECK;

/* The role `pull`: root becomes uid in an empty directory, without capabilities. For others only
 * no_new_privs. */
int image_confine_network(int empty_dir_fd, uint32_t uid, struct err *err) MUST_CHECK;
/* The role `unpack`: "/" is the directory, no network, only what restoring files needs (without
 * restore nothing). For others than root only no_new_privs. */
int image_confine_files(int root_fd, bool restore, struct err *err) MUST_CHECK;

/* A file of an unpacked archive: links are followed inside the directory only. */
int image_file_open(int dir_fd, const char *path, int *ret_fd) MUST_CHECK;

/* The machine's bundle of certificate authorities, for reading. -E_NOT_FOUND. */
int image_authorities_open(int *ret_fd) MUST_CHECK;

#endif
