/* The steps of setup that only the appliance has: modules, partitions, addresses. See setup.h. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "kernel-glue/boot/disks.h"
#include "kernel-glue/boot/early.h"
#include "kernel-glue/boot/file.h"
#include "kernel-glue/boot/machine.h"
#include "kernel-glue/boot/modules.h"
#include "kernel-glue/netlink/netlink.h"
#include "kernel-glue/netlink/route.h"
#include "main/setup_int.h"
#include "port/crypto.h"

enum { SEED_BYTES = 256, FIND_DISK_MS = 10000 };

/* ---- modules ---- */

/* What pods and services need whatever the machine: no device asks for these. The first set is what
 * the node's network is set up with and every pod needs; of the second nothing is used before there
 * are pods: sticky services, IPv6 ones, flows to forget. */
static const char *const container_modules[] = {
    "bridge",  "nf_tables",  "nft_chain_nat", "nft_masq", "nft_nat",     "nft_numgen", "nft_reject_ipv4",
    "nft_fib_ipv4", "veth", "overlay",  "br_netfilter", NULL,
};
static const char *const later_modules[] = {
    "nf_conntrack_netlink", "nft_hash", "nft_reject_ipv6", "nft_fib_ipv6", NULL,
};

static int load_all(struct modules *m, const char *const *names, struct err *err)
{
    int rc = 0;
    for (; *names; names++) {
        struct err why = {0};
        if (modules_load(m, *names, &why) == 0)
            continue;
        log_warn("%s", why.text);
        rc = err_set(err, E_NOT_FOUND, "some modules for pods are missing");
    }
    return rc;
}

/* A disk and a card are there, so the cluster can start: the answer says that the rest is left. */
static void load_virtio(struct setup *s, struct modules *m)
{
    char card[16];
    modules_load_for_virtio(m);
    machine_cards_up();
    if (disks_any() && machine_wired_card(card))
        imsg_put_u64(s->result, TAG_STEP_FIRST, 1);
    else
        modules_load_for_devices(m);
}

int setup_modules(struct setup *s, struct err *err)
{
    struct modules m;
    int rc = modules_open(&m, err);
    if (rc < 0 || s->argc < 2)
        return rc < 0 ? rc : err_set(err, E_INVALID, "modules wants a set");
    struct str set = str_of(s->argv[1]);
    if (str_is(set, "virtio"))
        load_virtio(s, &m);
    else if (str_is(set, "devices"))
        modules_load_for_devices(&m);
    else
        rc = load_all(&m, str_is(set, "later") ? later_modules : container_modules, err);
    machine_cards_up();
    early_limits(); /* some settings are there only with their module */
    modules_close(&m);
    return rc;
}

/* ---- the state partition ---- */

static int load_file_system(const char *name)
{
    struct modules m;
    struct err err = {0};
    int rc = modules_open(&m, &err);
    if (rc < 0)
        return rc;
    rc = modules_load(&m, name, &err);
    modules_close(&m);
    return rc; /* without it the mount says what is missing */
}

int setup_state(struct setup *s, struct err *err)
{
    struct disk_partition p;
    struct err grown = {0};
    int rc = load_file_system("ext4");
    if (s->argc < 2)
        return err_set(err, E_INVALID, "state wants a directory");
    rc = disks_find("KEELSON-STATE", FIND_DISK_MS, &p, err);
    if (rc < 0)
        return rc;
    /* A disk that cannot be grown is still a disk. */
    if (disks_grow_partition(&p, &grown) < 0)
        log_warn("%s", grown.text);
    rc = disks_mount(&p, "ext4", s->argv[1], false, "errors=remount-ro", err);
    if (rc < 0)
        return rc;
    if (disks_grow_ext4(&p, s->argv[1], &grown) < 0)
        log_warn("%s", grown.text);
    return 0;
}

/* ---- the ESP ---- */

static int mount_esp(bool read_only, struct err *err)
{
    const struct timespec nap = {0, 20 * 1000 * 1000};
    struct disk_partition p;
    int rc = -E_IO;
    /* More than once: much happens at the same time in these first moments. */
    for (int i = 0; i < 25 && rc < 0; i++) {
        (void)load_file_system("vfat");
        (void)load_file_system("nls_cp437");
        (void)load_file_system("nls_ascii");
        if ((rc = disks_find("KEELSON-ESP", FIND_DISK_MS, &p, err)) < 0)
            return rc;
        if ((rc = disks_mount(&p, "vfat", "/esp", read_only, "umask=0077", err)) < 0)
            nanosleep(&nap, NULL);
    }
    /* Not found means that there is no ESP, or no file on it: never that it cannot be read. */
    return rc == -E_NOT_FOUND ? -(err->code = E_IO) : rc;
}

int setup_config_esp(struct setup *s, struct err *err)
{
    int fd = -1, rc = mount_esp(true, err);
    if (rc < 0)
        return rc;
    rc = file_open(FILE_HERE, "/esp/keelson.yaml", &fd, err);
    /* Read to memory: the ESP is let go before anything of it is looked at. */
    if (rc == 0) {
        CLEANUP_FREE char *text = mem_alloc(CONFIG_TEXT_MOST);
        size_t n = 0;
        rc = text ? file_read_fd(fd, text, CONFIG_TEXT_MOST, &n, err) : err_set(err, E_NOMEM, "out of memory");
        close(fd);
        fd = -1;
        if (rc == 0)
            rc = file_memory("keelson.yaml", str_make(text, n), &fd, err);
        if (text)
            mem_wipe(text, CONFIG_TEXT_MOST);
    }
    int released = disks_unmount("/esp");
    if (released < 0)
        log_warn("/esp: %s", err_text(released));
    return rc < 0 ? rc : setup_parse_config(s, fd, "keelson.yaml", err);
}

int setup_deliver_esp(struct setup *s, struct err *err)
{
    CLEANUP_FREE char *text = mem_alloc(CONFIG_TEXT_MOST);
    size_t n;
    int rc = text ? mount_esp(false, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc < 0)
        return rc;
    rc = file_read_fd(s->fd, text, CONFIG_TEXT_MOST, &n, err);
    if (rc == 0)
        rc = file_write_atomic(FILE_HERE, "/esp/admin.kubeconfig", str_make(text, n), 0600, err);
    mem_wipe(text, CONFIG_TEXT_MOST);
    int released = disks_unmount("/esp");
    return rc < 0 ? rc : released;
}

/* ---- addresses ---- */

/* *ret_ip points into *ret_own. */
static int take_address(struct str text, struct net_addr *ret_own, struct route_ip *ret_ip, struct err *err)
{
    uint64_t prefix = 0;
    ptrdiff_t slash = str_find_byte(text, '/');
    if (slash < 0 || net_addr_parse(str_make(text.p, (size_t)slash), false, ret_own) < 0 ||
        str_to_u64(str_make(text.p + slash + 1, text.n - (size_t)slash - 1), &prefix) < 0 || prefix > 128)
        return err_set(err, E_INVALID, "malformed address");
    *ret_ip = (struct route_ip){ret_own->family, ret_own->ip, (uint8_t)prefix};
    return 0;
}

/* address INTERFACE ADDRESS/PREFIX[,...]|none [GATEWAY]: these and no others. */
int setup_address(struct setup *s, struct err *err)
{
    int fd, index = 0, rc = netlink_open(NETLINK_ROUTE_FAMILY, -1, &fd, err);
    struct str rest, one;
    struct net_addr gateway, own[CONFIG_ADDRS];
    struct route_ip keep[CONFIG_ADDRS];
    size_t count = 0;
    if (rc < 0 || s->argc < 3)
        return rc < 0 ? rc : err_set(err, E_INVALID, "address wants an interface and addresses");
    rc = route_link_index(fd, s->argv[1], &index, err);
    if (rc == 0)
        rc = route_link_up(fd, index, err);
    rest = str_of(cstr_eq(s->argv[2], "none") ? "" : s->argv[2]);
    while (rc == 0 && rest.n && count < CONFIG_ADDRS && str_split(&rest, ',', &one)) {
        rc = take_address(one, &own[count], &keep[count], err);
        count++;
    }
    /* The old ones first: with the first address of a network the kernel removes its others. */
    if (rc == 0)
        rc = route_address_keep(fd, index, keep, count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = route_address_add(fd, index, keep[i], false, err);
        if (rc == -E_EXISTS)
            rc = 0;
    }
    if (rc == 0 && s->argc > 3 && net_addr_parse(str_of(s->argv[3]), false, &gateway) == 0) {
        rc = route_add(fd, index, (struct route_ip){gateway.family, NULL, 0},
                       (struct route_ip){gateway.family, gateway.ip, 0}, err);
        if (rc == -E_EXISTS)
            rc = 0;
    }
    close(fd);
    return rc;
}

/* ---- chance and time ---- */

/* seed DIRECTORY: what the last boot saved goes into the pool, and at once there is a new one for
 * the next boot, so that none is used twice. The file's time is the clock's last known value. */
int setup_seed(struct setup *s, struct err *err)
{
    char seed[SEED_BYTES];
    size_t n;
    int dir_fd, rc;
    if (s->argc < 2)
        return err_set(err, E_INVALID, "seed wants a directory");
    if ((rc = file_open_dir(FILE_HERE, s->argv[1], &dir_fd, err)) < 0)
        return rc;
    char old[SEED_BYTES + 1];
    if (file_read(dir_fd, "random-seed", old, sizeof old, &n, NULL) == 0 && n > 0) {
        struct err why = {0};
        if (machine_entropy_add(old, (unsigned)n, &why) < 0)
            log_warn("%s", why.text);
        imsg_put_u64(s->result, TAG_STEP_FIRST, (uint64_t)file_time(dir_fd, "random-seed"));
    }
    crypto_random(seed, sizeof seed);
    rc = file_write_atomic(dir_fd, "random-seed", str_make(seed, sizeof seed), 0600, err);
    mem_wipe(seed, sizeof seed);
    mem_wipe(old, sizeof old);
    close(dir_fd);
    return rc;
}
