/* Block devices by what they are called: finding partitions, growing and mounting one. */
#ifndef KERNEL_GLUE_BOOT_DISKS_H
#define KERNEL_GLUE_BOOT_DISKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { DISK_NAME = 64 };

struct disk_partition {
    char name[DISK_NAME]; /* of the partition, or of the disk when it has none: "vda2" */
    char disk[DISK_NAME]; /* the disk it is on: "vda"; "" when it is a whole disk */
    unsigned number;      /* 0: a whole disk */
};

/* The first with this GPT name or, for ext4, this volume label; looks again until limit_ms have
 * passed. -E_NOT_FOUND. */
int disks_find(const char *label, int limit_ms, struct disk_partition *ret_partition, struct err *err) MUST_CHECK;
/* Extends the partition, if it is the last of its disk, up to the disk's end, in its GPT and in the
 * kernel. 0 also when there is nothing to gain. */
int disks_grow_partition(const struct disk_partition *p, struct err *err) MUST_CHECK;
/* Some disk that is there for good: no loop device, no memory. */
bool disks_any(void);
int disks_mount(const struct disk_partition *p, const char *type, const char *where, bool read_only,
                const char *options, struct err *err) MUST_CHECK;
/* A mounted ext4 takes all of its device. */
int disks_grow_ext4(const struct disk_partition *p, const char *where, struct err *err) MUST_CHECK;
int disks_unmount(const char *where) MUST_CHECK;
int disks_mount_memory(const char *where, struct err *err) MUST_CHECK;

#endif
