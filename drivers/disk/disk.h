/* port/disk.h on a directory of the machine. */
#ifndef DRIVERS_DISK_DISK_H
#define DRIVERS_DISK_DISK_H

#include "port/disk.h"

/* The files are those of the directory dirfd, which stays the caller's (it is duplicated). Names
 * are plain: no '/', not "." or "..", or -E_BAD_REQUEST. */
int disk_dir_open(int dirfd, struct disk *ret_disk) MUST_CHECK;

#endif
