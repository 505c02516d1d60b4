/* Small files and directories of the machine's own, by path or below a directory descriptor. */
#ifndef KERNEL_GLUE_BOOT_FILE_H
#define KERNEL_GLUE_BOOT_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

enum { FILE_HERE = -100 }; /* AT_FDCWD: paths are absolute, or below the working directory */

/* Opens a directory, making it and what leads to it. mode and owner are those of the last
 * part, set also when it was there already, unless uid is (uid_t)-1. */
int file_make_dir(int at_fd, const char *path, mode_t mode, uid_t uid, int *ret_fd, struct err *err) MUST_CHECK;
/* Opens an existing directory for reading and for use with the functions below. */
int file_open_dir(int at_fd, const char *path, int *ret_fd, struct err *err) MUST_CHECK;
/* Opens for reading. */
int file_open(int at_fd, const char *path, int *ret_fd, struct err *err) MUST_CHECK;
/* The same, without ever waiting for data. */
int file_open_nonblocking(int at_fd, const char *path, int *ret_fd, struct err *err) MUST_CHECK;
/* Opens for appending, made when missing. */
int file_open_append(int at_fd, const char *path, mode_t mode, int *ret_fd, struct err *err) MUST_CHECK;

/* The whole file into buffer, terminated; -E_TOO_LARGE when it does not fit. */
int file_read(int at_fd, const char *path, char *buffer, size_t size, size_t *ret_n, struct err *err) MUST_CHECK;
/* Reads all of an open file from its beginning, terminated. */
int file_read_fd(int fd, char *buffer, size_t size, size_t *ret_n, struct err *err) MUST_CHECK;
/* Replaces the file atomically: the old or the new content, also across a power cut. */
int file_write_atomic(int at_fd, const char *path, struct str content, mode_t mode, struct err *err) MUST_CHECK;
/* Writes in place, for files of /proc and /sys; no message when err is NULL. */
int file_put(const char *path, const char *text, struct err *err) MUST_CHECK;
int file_rename(int at_fd, const char *from, const char *to) MUST_CHECK;
/* The absolute path of an open directory, when it fits. */
bool file_real_path(int fd, char *path, size_t size);
int64_t file_time(int at_fd, const char *path); /* of its last change, seconds; 0: none */
bool file_exists(int at_fd, const char *path);

/* An anonymous file that holds content; for handing over what is too big or too secret otherwise. */
int file_memory(const char *name, struct str content, int *ret_fd, struct err *err) MUST_CHECK;

#endif
