/*
 * Opening a store whose files an enemy wrote. The first byte chooses: 0 a raw log file, 1 the
 * payload of a frame with good checksums, 2 a raw snapshot, 3 the payload of a good snapshot
 * block, 4 a raw hard file. It may refuse; a store that opens must take a command and open again.
 */
#include <stdlib.h>

#include "store/crc32c.h"
#include "store/format.h"
#include "store/journal_int.h"
#include "tests/unit/store/sim_disk.c" /* test programs of two folders, one disk */
#include "tests/unit/store/sim_node.c"

static const char log_name[] = "log-0000000000000001";
static const char snapshot_name[] = "snap-0000000000000005";

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void file_write(struct sim_disk *disk, const char *name, uint64_t at, const void *p,
                       size_t n)
{
    struct disk d = sim_disk_port(disk);
    struct disk_file *f;
    require(d.ops->open(d.ctx, name, true, &f) == 0);
    require(d.ops->write(d.ctx, f, at, p, n) == 0);
    d.ops->close(d.ctx, f);
}

static void file_clear(struct sim_disk *disk, const char *name)
{
    struct disk d = sim_disk_port(disk);
    (void)d.ops->unlink(d.ctx, name);
}

static uint64_t log_id_of(struct sim_disk *disk)
{
    for (size_t i = 0; i < sim_disk_file_count(disk); i++) {
        size_t n;
        if (strcmp(sim_disk_file_name(disk, i), "hard") == 0)
            return get_u64(sim_disk_file_bytes(disk, i, &n) + 16);
    }
    abort();
}

static void frame_put(struct sim_disk *disk, const uint8_t *p, size_t n)
{
    char head[FRAME_HEAD];
    struct frame_head h = {1, SEGMENT_DATA_AT, (uint32_t)n, crc32c(0, p, n)};
    frame_head_encode(head, log_id_of(disk), &h);
    file_write(disk, log_name, SEGMENT_DATA_AT, head, FRAME_HEAD);
    file_write(disk, log_name, SEGMENT_DATA_AT + FRAME_HEAD, p, n);
}

static uint64_t block_put(struct sim_disk *disk, uint64_t at, uint64_t number, const uint8_t *p,
                          size_t n)
{
    char *block = calloc(1, 16 + n), salt[8];
    require(block != NULL);
    put_u32(block + 4, (uint32_t)n);
    put_u64(block + 8, number);
    if (n)
        memcpy(block + 16, p, n);
    put_u64(salt, log_id_of(disk));
    put_u32(block, crc32c(crc32c(0, salt, 8), block + 4, 12 + n));
    file_write(disk, snapshot_name, at, block, 16 + n);
    free(block);
    return at + 16 + n;
}

static void snapshot_put(struct sim_disk *disk, const uint8_t *p, size_t n)
{
    char head[1024] = "KEELSNP1";
    uint64_t keys = n ? p[0] % 8 : 0;
    put_u32(head + 8, 2);
    put_u64(head + 16, log_id_of(disk));
    put_u64(head + 24, 5);
    put_u64(head + 32, 1);
    put_u64(head + 40, 7);
    put_u64(head + 48, keys);
    put_u32(head + 56, 14); /* of the members: this store */
    put_u32(head + 64, 1);
    put_u64(head + 68, log_id_of(disk));
    put_u32(head + 12, crc32c(crc32c(0, head, 12), head + 16, sizeof(head) - 16));
    file_write(disk, snapshot_name, 0, head, sizeof(head));
    uint64_t at = sizeof(head), number = 0;
    if (n > 1)
        at = block_put(disk, at, number++, p + 1, n - 1);
    block_put(disk, at, number, NULL, 0);
}

static void plant(struct sim_disk *disk, unsigned kind, const uint8_t *p, size_t n)
{
    switch (kind) {
    case 0:
        file_clear(disk, log_name);
        file_write(disk, log_name, 0, p, n);
        break;
    case 1:
        frame_put(disk, p, n);
        break;
    case 2:
        file_write(disk, snapshot_name, 0, p, n);
        break;
    case 3:
        snapshot_put(disk, p, n);
        break;
    default:
        file_clear(disk, "hard");
        file_write(disk, "hard", 0, p, n);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 256 * 1024)
        return 0;
    struct sim_disk *disk = sim_disk_new(1);
    struct sim_node node;
    node_init(&node);
    sim_disk_allocate_off(disk);
    require(node_open(&node, sim_disk_port(disk)) == 0);
    node_close(&node);
    plant(disk, data[0] % 5, data + 1, size - 1);
    if (node_open(&node, sim_disk_port(disk)) == 0) {
        int64_t revision = store_revision(node.store);
        int rc = node_put(&node, "fuzz", "value");
        require(rc == 0 && store_revision(node.store) == revision + 1);
        node_close(&node);
        require(node_open(&node, sim_disk_port(disk)) == 0);
        require(store_revision(node.store) == revision + 1);
    } else {
        require(node.err.text[0] != 0);
    }
    node_done(&node);
    sim_disk_free(disk);
    return 0;
}
