/*
 * Growing the last partition of a disk (UEFI specification 2.10, chapter 5): the entry's end, the
 * place of the backup table at the disk's new end, both headers with their checksums. The backup is
 * written before the primary, so that a power cut at any moment leaves one good table.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"
#include "kernel-glue/boot/disks.h"

enum { SECTOR = 512, ENTRY_BYTES = 128, ENTRIES = 128, ENTRY_SECTORS = ENTRIES * ENTRY_BYTES / SECTOR, ALIGN = 2048 };
enum { LARGE_DISK = 1024 * 1024 * 2, SLOT = 64 * 1024 * 2 }; /* sectors */
/* Offsets within a header, little endian. */
enum { AT_HEADER_CRC = 16, AT_SELF = 24, AT_OTHER = 32, AT_LAST_USABLE = 48, AT_TABLE = 72, AT_COUNT = 80,
       AT_ENTRY_SIZE = 84, AT_TABLE_CRC = 88, HEADER_BYTES = 92, AT_ENTRY_FIRST = 32, AT_ENTRY_LAST = 40 };

struct gpt {
    int fd;
    uint64_t sectors;
    unsigned char header[SECTOR];
    unsigned char entries[ENTRIES * ENTRY_BYTES];
};

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void put(unsigned char *p, int bytes, uint64_t v)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t crc32(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0U;
    while (n--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

static int read_table(struct gpt *g, struct err *err)
{
    unsigned char copy[SECTOR];
    if (pread(g->fd, g->header, SECTOR, SECTOR) != SECTOR)
        return err_set_errno(err, "read the partition table");
    memcpy(copy, g->header, SECTOR);
    put(copy + AT_HEADER_CRC, 4, 0);
    if (memcmp(g->header, "EFI PART", 8) != 0 || get(g->header + AT_HEADER_CRC, 4) != crc32(copy, HEADER_BYTES) ||
        get(g->header + AT_COUNT, 4) != ENTRIES || get(g->header + AT_ENTRY_SIZE, 4) != ENTRY_BYTES ||
        get(g->header + AT_TABLE, 8) != 2)
        return err_set(err, E_CORRUPT, "the disk has no partition table of the usual form");
    if (pread(g->fd, g->entries, sizeof g->entries, 2 * SECTOR) != (ssize_t)sizeof g->entries)
        return err_set_errno(err, "read the partition table");
    if (get(g->header + AT_TABLE_CRC, 4) != crc32(g->entries, sizeof g->entries))
        return err_set(err, E_CORRUPT, "the partition table's checksum is wrong");
    return 0;
}

static int write_at(struct gpt *g, const void *p, size_t n, uint64_t sector, struct err *err)
{
    if (pwrite(g->fd, p, n, (off_t)(sector * SECTOR)) != (ssize_t)n)
        return err_set_errno(err, "write the partition table");
    return 0;
}

static int write_half(struct gpt *g, uint64_t self, uint64_t other, uint64_t table, struct err *err)
{
    put(g->header + AT_SELF, 8, self);
    put(g->header + AT_OTHER, 8, other);
    put(g->header + AT_TABLE, 8, table);
    put(g->header + AT_LAST_USABLE, 8, g->sectors - ENTRY_SECTORS - 2);
    put(g->header + AT_TABLE_CRC, 4, crc32(g->entries, sizeof g->entries));
    put(g->header + AT_HEADER_CRC, 4, 0);
    put(g->header + AT_HEADER_CRC, 4, crc32(g->header, HEADER_BYTES));
    int rc = write_at(g, g->entries, sizeof g->entries, table, err);
    if (rc == 0)
        rc = write_at(g, g->header, SECTOR, self, err);
    if (rc == 0 && fsync(g->fd) < 0)
        rc = err_set_errno(err, "write the partition table");
    return rc;
}

/* Tells the kernel without reading the table again, which it refuses while a partition is in use. */
static int tell_kernel(struct gpt *g, unsigned number, uint64_t first, uint64_t last, struct err *err)
{
    struct blkpg_partition part = {
        .start = (long long)(first * SECTOR), .length = (long long)((last - first + 1) * SECTOR), .pno = (int)number};
    struct blkpg_ioctl_arg arg = {.op = BLKPG_RESIZE_PARTITION, .datalen = sizeof part, .data = &part};
    if (ioctl(g->fd, BLKPG, &arg) < 0)
        return err_set_errno(err, "resize partition %u in the kernel", number);
    return 0;
}

/* A large disk keeps room behind it for a second ESP: the image carries one system, an upgrade needs
 * a place for the next. */
static int grow(struct gpt *g, unsigned number, struct err *err)
{
    uint64_t backup = g->sectors - 1, last_usable = g->sectors - ENTRY_SECTORS - 2;
    int rc = read_table(g, err);
    if (rc < 0)
        return rc;
    if (number < 1 || number > ENTRIES)
        return err_set(err, E_CORRUPT, "partition %u is not in the table", number);
    unsigned char *entry = g->entries + (number - 1) * ENTRY_BYTES;
    uint64_t first = get(entry + AT_ENTRY_FIRST, 8), last = get(entry + AT_ENTRY_LAST, 8);
    uint64_t left = g->sectors >= LARGE_DISK ? SLOT : 0;
    uint64_t want = (last_usable + 1 - left) / ALIGN * ALIGN - 1;
    for (unsigned i = 0; i < ENTRIES; i++)
        if (get(g->entries + i * ENTRY_BYTES + AT_ENTRY_FIRST, 8) > first)
            return 0; /* somebody comes behind it */
    if (want <= last)
        return 0;
    put(entry + AT_ENTRY_LAST, 8, want);
    rc = write_half(g, backup, 1, last_usable + 1, err);
    if (rc == 0)
        rc = write_half(g, 1, backup, 2, err);
    return rc < 0 ? rc : tell_kernel(g, number, first, want, err);
}

int disks_grow_partition(const struct disk_partition *p, struct err *err)
{
    struct gpt g = {.fd = -1};
    char device[DISK_NAME + 8];
    uint64_t bytes = 0;
    int sector = 0;
    if (!p->number)
        return 0;
    snprintf(device, sizeof device, "/dev/%s", p->disk);
    g.fd = open(device, O_RDWR | O_CLOEXEC);
    if (g.fd < 0 || ioctl(g.fd, BLKGETSIZE64, &bytes) < 0 || ioctl(g.fd, BLKSSZGET, &sector) < 0) {
        int rc = err_set_errno(err, "%s", device);
        if (g.fd >= 0)
            close(g.fd);
        return rc;
    }
    g.sectors = bytes / SECTOR;
    int rc = sector == SECTOR ? grow(&g, p->number, err) : 0; /* the image is made for 512-byte sectors */
    close(g.fd);
    return rc < 0 ? err_wrap(err, rc, "%s", device) : 0;
}
