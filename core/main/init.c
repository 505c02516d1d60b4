/* See init.h. After init_main's set-up nothing here allocates, waits or reads what came from a
 * network. */
#include "main/init.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/loop/epoll.h"
#include "kernel-glue/boot/button.h"
#include "kernel-glue/boot/disks.h"
#include "kernel-glue/boot/early.h"
#include "kernel-glue/boot/file.h"
#include "kernel-glue/boot/machine.h"
#include "kernel-glue/boot/power.h"
#include "main/boot_times.h"
#include "main/config.h"
#include "main/console.h"
#include "main/machine.h"
#include "main/supervisor.h"

enum {
    STEP_LIMIT_MS = 60000,
    ADDRESS_WAIT_MS = 15000, /* then the cluster starts without an address: DHCP may come later */
    WATCHDOG_S = 30,
    WATCHDOG_FEED_MS = 10000,
    DEVICE_DELAY_MS = 100,
    DEVICES_HELD_MS = 5000, /* what boot does not need waits for it, but not for ever */
    GRACE_MS = 4000, /* for pods at the end: many ignore SIGTERM, and who pulls a plug waits no longer */
};

/* No clock of this machine is right that says an earlier time: 2026-11-01. */
static const int64_t built_s = 1793491200;
static const char state_dir[] = "/state";

enum need { NEED_CONFIG = 1, NEED_STATE = 2, NEED_CONTAINERS = 4, NEED_ADDRESS = 8 };

static const struct {
    enum role_id role;
    unsigned needs;
} needs[] = {
    {ROLE_LEASE, NEED_CONFIG},
    {ROLE_JOURNAL, NEED_STATE},
    {ROLE_KEYS, NEED_CONFIG | NEED_STATE},
    {ROLE_RUNTIME, NEED_CONFIG | NEED_STATE | NEED_CONTAINERS},
    {ROLE_CONTROL, NEED_CONFIG | NEED_STATE | NEED_ADDRESS},
    {ROLE_FRONT, NEED_CONFIG | NEED_STATE | NEED_ADDRESS},
    {ROLE_NODE, NEED_CONFIG | NEED_STATE | NEED_ADDRESS},
    {ROLE_DNS, NEED_CONFIG | NEED_STATE | NEED_ADDRESS},
};

struct init {
    struct supervisor sup;
    struct console console;
    struct boot_times times;
    struct loop *loop;
    struct role_start start;
    unsigned met; /* enum need */
    unsigned fronts;
    int watchdog_fd, uevent_fd, button_fd;
    struct loop_fd uevents, button;
    struct loop_timer feed, address_wait, devices;
    bool devices_held; /* until the first pod runs: only virtio's are loaded, the rest would slow it */
    bool devices_running, devices_again, restart;
    struct config_network lease;
    char address_text[CONFIG_ADDRS * (NET_ADDR_TEXT + 5)], gateway_text[NET_ADDR_TEXT];
};

/* Of fronts as many as are wanted. */
static void start_role(struct init *i, enum role_id role)
{
    supervisor_start(&i->sup, role);
    for (unsigned n = 1; role == ROLE_FRONT && n < i->fronts; n++)
        supervisor_start(&i->sup, role_front(n));
}

static void meet(struct init *i, unsigned need)
{
    static const struct {
        unsigned need;
        enum boot_mark mark;
    } marks[] = {{NEED_CONFIG, BOOT_CONFIGURED},
                 {NEED_STATE, BOOT_STATE},
                 {NEED_CONTAINERS, BOOT_CONTAINERS},
                 {NEED_ADDRESS, BOOT_ADDRESS}};
    for (size_t n = 0; n < sizeof marks / sizeof marks[0]; n++)
        if (marks[n].need & need)
            boot_times_reached(&i->times, marks[n].mark);
    i->met |= need;
    for (size_t n = 0; n < sizeof needs / sizeof needs[0]; n++)
        if ((i->met & needs[n].needs) == needs[n].needs)
            start_role(i, needs[n].role);
}

static void step(struct init *i, struct setup_step s)
{
    s.limit_ms = STEP_LIMIT_MS;
    s.ctx = i;
    int rc = supervisor_setup(&i->sup, &s);
    if (rc < 0 && s.done)
        s.done(i, rc, err_text(rc), NULL);
}

/* ---- devices ---- */

static void devices_loaded(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    uint64_t held = 0;
    if (rc < 0)
        console_error(&i->console, message);
    i->devices_running = false;
    if (i->devices_held && result && imsg_get_u64(result, TAG_STEP_FIRST, &held) && held) {
        loop_timer_set(i->loop, &i->devices, DEVICES_HELD_MS);
        return;
    }
    i->devices_held = false;
    early_hurry(false);
    boot_times_reached(&i->times, BOOT_DEVICES);
    if (i->devices_again)
        loop_timer_set(i->loop, &i->devices, DEVICE_DELAY_MS);
    if (i->watchdog_fd < 0)
        i->watchdog_fd = machine_watchdog_open(WATCHDOG_S);
}

static void later_loaded(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    (void)result;
    if (rc < 0)
        console_error(&i->console, message);
}

static void load_devices(void *ctx)
{
    struct init *i = ctx;
    i->devices_again = i->devices_running;
    if (i->devices_running)
        return;
    i->devices_running = true;
    if (i->devices_held && loop_timer_armed(&i->devices))
        loop_timer_cancel(i->loop, &i->devices);
    i->devices_held = false;
    step(i, (struct setup_step){.argv = {"modules", "devices"}, .fd = -1, .done = devices_loaded});
    step(i, (struct setup_step){.argv = {"modules", "later"}, .fd = -1, .done = later_loaded});
}

static void load_virtio(struct init *i)
{
    i->devices_held = i->devices_running = true;
    step(i, (struct setup_step){.argv = {"modules", "virtio"}, .fd = -1, .done = devices_loaded});
}

static void device_event(void *ctx, unsigned events)
{
    struct init *i = ctx;
    bool added = false;
    int rc;
    (void)events;
    for (int n = 0; n < 64 && (rc = machine_uevent_read(i->uevent_fd)) >= 0; n++)
        added |= rc > 0;
    if (added && !i->devices_held && !loop_timer_armed(&i->devices))
        loop_timer_set(i->loop, &i->devices, DEVICE_DELAY_MS);
}

static void containers_loaded(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    (void)result;
    if (rc < 0)
        console_error(&i->console, message);
    meet(i, NEED_CONTAINERS);
}

/* ---- state and configuration ---- */

static void seeded(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    uint64_t saved;
    if (rc < 0)
        console_error(&i->console, message);
    else if (result && imsg_get_u64(result, TAG_STEP_FIRST, &saved) && machine_clock_at_least((int64_t)saved))
        log_warn("the machine's clock was behind the last boot: set to that");
}

static void state_there(struct init *i)
{
    struct err err = {0};
    int fd, rc = file_open_dir(FILE_HERE, state_dir, &fd, &err);
    if (rc == 0) {
        rc = supervisor_make_dirs(&i->sup, fd, &err);
        close(fd);
    }
    if (rc < 0) {
        log_err("%s", err.text);
        console_error(&i->console, err.text);
        return;
    }
    early_root_read_only();
    meet(i, NEED_STATE);
    step(i, (struct setup_step){.argv = {"seed", state_dir}, .fd = -1, .done = seeded});
}

static void state_mounted(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    struct err err = {0};
    (void)result;
    if (rc < 0) {
        char text[192];
        snprintf(text, sizeof text, "NO STATE DISK: all is kept in memory and lost at the next boot (%s)", message);
        log_err("%s", text);
        console_notice(&i->console, text);
        if (disks_mount_memory(state_dir, &err) < 0) {
            log_err("%s", err.text);
            console_error(&i->console, err.text);
            return;
        }
    }
    state_there(i);
}

static void configured(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    struct config c;
    config_default(&c);
    if (rc < 0 || !result || config_get(result, &c) < 0) {
        config_default(&c);
        if (rc != -E_NOT_FOUND) {
            log_err("%s", rc < 0 ? message : "keelson.yaml: malformed result");
            console_notice(&i->console, message);
        }
    }
    int ca = result ? imsg_take_fd(result) : -1;
    if (ca >= 0)
        supervisor_give_socket(&i->sup, ROLE_SOCKET_CA, ca);
    str_copy(i->sup.start.node_name, START_NAME, str_of(c.name));
    str_copy(i->sup.start.endpoint, START_ENDPOINT, str_of(c.endpoint));
    str_copy(i->sup.start.registries, START_REGISTRIES, str_of(c.registries));
    str_copy(i->sup.start.oidc, START_OIDC, str_of(c.oidc));
    str_copy(i->sup.start.audit, START_AUDIT, str_of(c.audit));
    i->fronts = config_fronts(&c);
    i->sup.start.network = c.network;
    early_host_name(c.name);
    console_changed(&i->console);
    meet(i, NEED_CONFIG);
    loop_timer_set(i->loop, &i->address_wait, ADDRESS_WAIT_MS);
}

/* ---- addresses ---- */

static void no_address(void *ctx)
{
    struct init *i = ctx;
    if (i->met & NEED_ADDRESS)
        return;
    console_error(&i->console, "no address yet: neither DHCP nor keelson.yaml gives one");
    meet(i, NEED_ADDRESS);
}

static void address_set(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    struct machine_net net = {0};
    (void)result;
    if (rc < 0) {
        log_err("%s", message);
        console_error(&i->console, message);
        return;
    }
    for (size_t n = 0; n < i->lease.addr_count; n++)
        net.addrs[net.addr_count++] = i->lease.addrs[n];
    for (size_t n = 0; n < i->lease.dns_count; n++)
        net.resolvers[net.resolver_count++] = i->lease.dns[n];
    str_copy(net.search, sizeof net.search, str_of(i->lease.search));
    /* A restarted lease tells again what is known: nobody needs to hear that. */
    if (memcmp(&net, &i->sup.start.net, sizeof net) != 0)
        supervisor_set_net(&i->sup, &net);
    console_changed(&i->console);
    meet(i, NEED_ADDRESS);
}

static void leased(struct init *i, const struct imsg_in *m)
{
    struct config_network n;
    if (config_network_get(m, &n) < 0 || !n.interface[0])
        return;
    i->lease = n;
    i->address_text[0] = 0;
    i->gateway_text[0] = 0;
    for (size_t a = 0; a < n.addr_count; a++) {
        char text[NET_ADDR_TEXT];
        size_t at = strlen(i->address_text);
        snprintf(i->address_text + at, sizeof i->address_text - at, "%s%s/%u", a ? "," : "",
                 net_addr_format(&n.addrs[a], false, text), n.prefix_lens[a]);
    }
    if (!n.addr_count) /* lost: what there is goes */
        snprintf(i->address_text, sizeof i->address_text, "none");
    struct setup_step s = {.argv = {"address", i->lease.interface, i->address_text}, .fd = -1, .done = address_set};
    if (n.gateway.family)
        s.argv[3] = net_addr_format(&n.gateway, false, i->gateway_text);
    step(i, s);
}

/* ---- what roles tell ---- */

static void delivered(void *ctx, int rc, const char *message, struct imsg_in *result)
{
    struct init *i = ctx;
    unsigned char buffer[64];
    struct imsg_out m;
    (void)result;
    if (rc < 0) {
        log_warn("admin.kubeconfig on the ESP: %s", message);
        console_error(&i->console, message);
        return;
    }
    imsg_begin(&m, buffer, sizeof buffer, MSG_DELIVERED, 0);
    supervisor_send(&i->sup, ROLE_KEYS, &m);
}

static void told_ca(struct init *i, struct imsg_in *m)
{
    struct str print;
    int fd = imsg_take_fd(m);
    if (imsg_get(m, TAG_TEXT, &print))
        str_copy(i->console.fingerprint, sizeof i->console.fingerprint, print);
    console_changed(&i->console);
    if (fd >= 0)
        step(i, (struct setup_step){.argv = {"deliver-esp"}, .fd = fd, .done = delivered});
}

static void node_reached(struct init *i, uint64_t mark)
{
    boot_times_reached(&i->times, mark ? BOOT_POD : BOOT_READY);
    if (mark && i->devices_held && !i->devices_running)
        load_devices(i);
}

static void heard(void *ctx, enum role_id from, struct imsg_in *m)
{
    struct init *i = ctx;
    uint64_t now, mark;
    if (m->type == MSG_CA && from == ROLE_KEYS)
        told_ca(i, m);
    else if (m->type == MSG_LEASE && from == ROLE_LEASE)
        leased(i, m);
    else if (m->type == MSG_CLOCK && from == ROLE_LEASE && imsg_get_u64(m, TAG_VALUE, &now) &&
             (int64_t)(now / 1000000000) >= built_s && machine_clock_set((int64_t)now) < 0)
        log_warn("the clock cannot be set");
    else if (m->type == MSG_REACHED && from == ROLE_NODE && imsg_get_u64(m, TAG_VALUE, &mark))
        node_reached(i, mark);
}

static void changed(void *ctx)
{
    struct init *i = ctx;
    const struct supervised *roles = i->sup.roles;
    if (roles[ROLE_FRONT].state == ROLE_RUNNING && roles[ROLE_CONTROL].state == ROLE_RUNNING)
        boot_times_reached(&i->times, BOOT_API);
    console_changed(&i->console);
}

/* ---- the end ---- */

static void signalled(void *ctx, int sig)
{
    struct init *i = ctx;
    if (sig == SIGHUP)
        return;
    i->restart = sig == SIGINT; /* Ctrl-Alt-Del */
    console_line(&i->console, "Keelson: %s", i->restart ? "restarting" : "powering off");
    supervisor_stop(&i->sup);
}

static void button_event(void *ctx, unsigned events)
{
    struct init *i = ctx;
    (void)events;
    if (button_pressed(i->button_fd))
        signalled(i, SIGTERM);
}

static void watch_button(struct init *i)
{
    struct err err = {0};
    loop_fd_init(&i->button, button_event, i);
    if (button_open(&i->button_fd, &err) < 0)
        log_info("%s", err.text);
    else if (loop_fd_add(i->loop, &i->button, i->button_fd, POLL_IN) < 0)
        log_warn("the power button is not watched");
}

static void stopped(void *ctx)
{
    struct init *i = ctx;
    loop_stop(i->loop);
}

static _Noreturn void finish(struct init *i)
{
    machine_watchdog_feed(i->watchdog_fd);
    supervisor_done(&i->sup); /* lets go of directories on the state partition */
    power_end_processes(GRACE_MS);
    power_unmount_all();
    machine_watchdog_disarm(i->watchdog_fd);
    power_off(i->restart);
    for (;;)
        pause();
}

static void feed(void *ctx)
{
    struct init *i = ctx;
    machine_watchdog_feed(i->watchdog_fd);
    loop_timer_set(i->loop, &i->feed, WATCHDOG_FEED_MS);
}

/* ---- the beginning ---- */

/* The kernel would answer that nobody is there, while lwIP reads the same packets. */
static const uint16_t lease_ports[] = {68, 5353};

static void bind_sockets(struct init *i)
{
    static const struct {
        enum role_socket which;
        struct net_addr at;
        bool stream;
    } sockets[] = {
        {ROLE_SOCKET_API, {.family = 4, .port = 6443}, true},
        {ROLE_SOCKET_KUBELET, {.family = 4, .port = 10250}, true},
        {ROLE_SOCKET_DNS_UDP, {.family = 4, .ip = {10, 96, 0, 10}, .port = 53}, false},
        {ROLE_SOCKET_DNS_TCP, {.family = 4, .ip = {10, 96, 0, 10}, .port = 53}, true},
    };
    for (size_t n = 0; n < sizeof sockets / sizeof sockets[0]; n++) {
        struct err err = {0};
        int fd;
        if (machine_bind(&sockets[n].at, sockets[n].stream, &fd, &err) < 0)
            log_err("%s", err.text);
        else
            supervisor_give_socket(&i->sup, sockets[n].which, fd);
    }
    for (size_t n = 0; n < sizeof lease_ports / sizeof lease_ports[0]; n++) {
        struct net_addr at = {.family = 4, .port = lease_ports[n]};
        struct err err = {0};
        if (machine_hold(&at, &err) < 0)
            log_warn("%s", err.text);
    }
}

static void make_cgroups(void)
{
    for (int r = 1; r < ROLE__COUNT; r++) {
        const struct role *role = role_get((enum role_id)r);
        if (role->run)
            early_cgroup(role->name, role->memory_min_bytes);
    }
}

static int open_all(struct init *i, int kmsg_fd, struct err *err)
{
    struct poll poll;
    int rc = poll_epoll_open(&poll);
    if (rc == 0)
        rc = loop_new(poll, &i->loop);
    if (rc < 0)
        return err_set(err, -rc, "event loop: %s", err_text(rc));
    struct supervisor_options o = {
        .loop = i->loop,
        .start = &i->start,
        .on = ROLE_ON_CONTROL | ROLE_ON_NODE | ROLE_ON_APPLIANCE,
        .error_fd = kmsg_fd,
        .cgroups = true,
        .changed = changed,
        .message = heard,
        .signal = signalled,
        .stopped = stopped,
        .ctx = i,
    };
    return supervisor_init(&i->sup, &o, err);
}

static void init_timers(struct init *i)
{
    loop_timer_init(&i->feed, feed, i);
    loop_timer_init(&i->address_wait, no_address, i);
    loop_timer_init(&i->devices, load_devices, i);
    loop_timer_set(i->loop, &i->feed, WATCHDOG_FEED_MS);
    /* Armed and disarmed once, so that the loop has room for them. */
    loop_timer_set(i->loop, &i->address_wait, ADDRESS_WAIT_MS);
    loop_timer_set(i->loop, &i->devices, DEVICE_DELAY_MS);
    loop_timer_cancel(i->loop, &i->address_wait);
    loop_timer_cancel(i->loop, &i->devices);
    loop_fd_init(&i->uevents, device_event, i);
    i->uevent_fd = machine_uevent_open();
    if (i->uevent_fd >= 0 && loop_fd_add(i->loop, &i->uevents, i->uevent_fd, POLL_IN) < 0)
        log_warn("devices that come later are not seen");
}

static void set_start(struct role_start *s)
{
    *s = (struct role_start){
        .node_name = "keelson",
        .registries = "[]",
        .listen = {.family = 4, .port = 6443},
        .api = {.family = 4, .ip = {127, 0, 0, 1}, .port = 6443},
        .appliance = true,
        .root = true,
        .with_node = true,
        .with_control = true,
    };
    str_copy(s->data_dir, sizeof s->data_dir, str_of(state_dir));
}

_Noreturn void init_main(void)
{
    static struct init init; /* the one process that is its own world */
    struct init *i = &init;
    struct err err = {0};
    boot_times_start(&i->times);
    early_mounts();
    int kmsg_fd = early_open_kmsg();
    char debug[8];
    bool verbose = early_cmdline("keelson.debug", debug, sizeof debug);
    log_init("init", kmsg_fd >= 0 ? kmsg_fd : 2, verbose ? LOG_DEBUG : LOG_INFO);
    early_limits();
    early_hurry(true);
    early_loopback_up();
    power_catch_keys();
    machine_clock_at_least(built_s);
    i->watchdog_fd = -1;
    set_start(&i->start);
    if (open_all(i, kmsg_fd, &err) < 0) {
        log_err("%s", err.text);
        power_off(true);
    }
    console_init(&i->console, i->loop, &i->sup, early_open_console());
    i->times.console = &i->console;
    console_line(&i->console, "Keelson %s", i->console.version);
    boot_times_reached(&i->times, BOOT_MOUNTED);
    init_timers(i);
    load_virtio(i);
    step(i, (struct setup_step){.argv = {"state", state_dir}, .fd = -1, .done = state_mounted});
    step(i, (struct setup_step){.argv = {"config-esp"}, .fd = -1, .done = configured});
    step(i, (struct setup_step){.argv = {"modules", "containers"}, .fd = -1, .done = containers_loaded});
    make_cgroups();
    bind_sockets(i);
    watch_button(i);
    int rc = loop_run(i->loop);
    if (rc < 0)
        log_err("event loop: %s", err_text(rc));
    finish(i);
}
