/*
 * Messages between roles that start them and set them up: what init takes from a confined child, what
 * a role takes from init, what the runtime takes from the roles that read strangers' images.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "main/config.h"
#include "main/images_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With "{}" as the image's configuration. */
static void check_plan(struct imsg_in *m)
{
    struct image_plan *plan;
    struct err err = {0};
    m->fds[0] = memfd_create("configuration", MFD_CLOEXEC);
    m->fd_count = 1;
    ASSERT(write(m->fds[0], "{}", 2) == 2);
    if (image_plan_take(m, &plan, &err) < 0) {
        ASSERT(err.code);
    } else {
        ASSERT(plan->size_bytes >= 0 && plan->layer_count <= LIMIT_IMAGE_LAYERS);
        image_plan_free(plan);
    }
    imsg_close_fds(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config c;
    static struct role_start start; /* both too large for the stack */
    static struct machine_net net;
    struct imsg_in m = {0};
    if (imsg_parse(&m, data, size) < 0)
        return 0;
    if (config_get(&m, &c) == 0)
        ASSERT(strlen(c.name) < sizeof c.name && c.network.addr_count <= CONFIG_ADDRS && !c.ca_pem[0]);
    if (start_msg_get(&m, &start) == 0)
        ASSERT(strlen(start.node_name) < sizeof start.node_name && strlen(start.data_dir) < sizeof start.data_dir &&
               start.net.addr_count <= MACHINE_MAX_ADDRS);
    if (machine_net_get(&m, &net) == 0)
        ASSERT(net.addr_count <= MACHINE_MAX_ADDRS && net.resolver_count <= MACHINE_MAX_RESOLVERS);
    check_plan(&m);
    return 0;
}
