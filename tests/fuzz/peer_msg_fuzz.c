/* What another replica sends, whatever it is: refused or taken, and the store stands. The input is
 * messages, each behind its size in two bytes; a store that waits to join takes them in turn, and a
 * store that leads a cluster of one beside it. */
#include <stdlib.h>
#include <string.h>

#include "store/format.h"
#include "store/store.h"
#include "tests/unit/store/sim_disk.c" /* test programs of two folders, one disk */
#include "tests/unit/store/sim_node.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEER = 7 };

static void ignore_send(void *ctx, uint64_t to, const struct str *parts, size_t count)
{
    size_t *sum = ctx;
    for (size_t i = 0; i < count; i++)
        *sum += parts[i].n + to;
}

static const struct store_transport_ops transport = {.send = ignore_send};

static void feed(bool join, const uint8_t *data, size_t size)
{
    struct sim_node node;
    size_t sum = 0;
    struct sim_disk *disk = sim_disk_new(1);
    sim_disk_allocate_off(disk);
    node_init(&node);
    node.options.transport = (struct store_transport){&transport, &sum};
    node.options.join = join;
    if (node_open(&node, sim_disk_port(disk)))
        abort();
    while (size >= 2 && !node.fatal_count) {
        size_t n = get_u16(data);
        data += 2;
        size -= 2;
        if (n > size)
            n = size;
        int rc = store_receive(node.store, PEER, str_make((const char *)data, n));
        if (rc && rc != -E_CORRUPT)
            abort();
        data += n;
        size -= n;
        if (loop_turn(node.loop, 0) || loop_turn(node.loop, 0))
            abort();
    }
    node_done(&node);
    sim_disk_free(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    feed(true, data, size);
    feed(false, data, size);
    return 0;
}
