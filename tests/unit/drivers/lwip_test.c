/*
 * The lease: DHCP, renewal, expiry, conflict and time on a real wire, a veth pair between two network
 * namespaces. On the far side are a DHCP server, an owner of an address that was leased, and a time
 * server of our own; Debian's dnsmasq is asked too. Needs root. The clock of the loop runs 30 times
 * as fast as the world's, so that minutes pass in seconds.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/lwip/lwip.h"
#include "kernel-glue/boot/packet.h"

enum { FASTER = 30, PORT_SERVER = 67, PORT_CLIENT = 68, PORT_TIME = 123 };
enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE };

/* ---- a clock that hurries ---- */

static struct poll real;

static int64_t fast_now(void *ctx)
{
    return real.ops->monotonic_ns(ctx) * FASTER;
}

static int fast_wait(void *ctx, int timeout_ms, struct poll_event *events, int max)
{
    int ms = timeout_ms > 0 ? (timeout_ms + FASTER - 1) / FASTER : timeout_ms;
    return real.ops->wait(ctx, ms, events, max);
}

static struct loop *fast_loop(void)
{
    static struct poll_ops ops;
    struct loop *l;
    assert_int_equal(poll_epoll_open(&real), 0);
    ops = *real.ops;
    ops.monotonic_ns = fast_now;
    ops.wait = fast_wait;
    assert_int_equal(loop_new((struct poll){&ops, real.ctx}, &l), 0);
    return l;
}

/* ---- the far side ---- */

static int home, far; /* namespaces */
static pid_t servers[4];
static size_t server_count;

static void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s", command);
}

static int make_wire(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNET) < 0)
        return -1;
    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (unshare(CLONE_NEWNET) < 0)
        return -1;
    far = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    char command[300];
    snprintf(command, sizeof command,
             "ip link set lo up; ip link add far0 type veth peer name near0 netns /proc/%d/fd/%d && ip addr add "
             "192.168.7.1/24 dev far0 && ip link set far0 up",
             getpid(), home);
    run(command);
    setns(home, CLONE_NEWNET);
    run("ip link set near0 up");
    return 0;
}

/* Runs fn in a child on the far side until the end of the test. */
static void serve(void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setns(far, CLONE_NEWNET);
        fn();
        _exit(0);
    }
    servers[server_count++] = pid;
}

static int stop_servers(void **state)
{
    (void)state;
    while (server_count) {
        kill(servers[--server_count], SIGKILL);
        waitpid(servers[server_count], NULL, 0);
    }
    return 0;
}

/* A DHCP server that tells what it heard through a pipe: one byte a message. It leases
 * 192.168.7.(50 + n) for two minutes, n growing with each DECLINE; `silent_after` ACKs it falls
 * silent. */
static int heard[2], silent_after;

static size_t option(const unsigned char *m, size_t n, uint8_t code)
{
    for (size_t i = 240; i + 1 < n && m[i] != 255; i += m[i] ? 2u + m[i + 1] : 1)
        if (m[i] == code)
            return i + 2;
    return 0;
}

static size_t answer(unsigned char *m, uint8_t type, uint8_t last)
{
    static const unsigned char fixed[] = {54, 4, 192, 168, 7, 1, 1, 4, 255, 255, 255, 0, 3, 4, 192, 168, 7, 1,
                                          6, 4, 192, 168, 7, 1, 51, 4, 0, 0, 0, 120, 42, 4, 192, 168, 7, 1, 255};
    m[0] = 2;
    memcpy(m + 16, (unsigned char[]){192, 168, 7, last}, 4);
    memcpy(m + 236, (unsigned char[]){0x63, 0x82, 0x53, 0x63, 53, 1, type}, 7);
    memcpy(m + 243, fixed, sizeof fixed);
    return 243 + sizeof fixed;
}

static void dhcp_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT_SERVER)},
                       all = {.sin_family = AF_INET, .sin_port = htons(PORT_CLIENT), .sin_addr.s_addr = INADDR_BROADCAST};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, acks = 0;
    uint8_t last = 50;
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "far0", 5);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        _exit(1);
    for (;;) {
        unsigned char m[1024] = {0};
        ssize_t n = recv(fd, m, sizeof m, 0);
        size_t type = n > 240 ? option(m, (size_t)n, 53) : 0;
        if (!type)
            continue;
        unsigned char what = m[type];
        if (write(heard[1], &what, 1) != 1)
            _exit(1);
        if (what == DECLINE)
            last++;
        if ((what != DISCOVER && what != REQUEST) || (silent_after && acks >= silent_after))
            continue;
        acks += what == REQUEST;
        size_t size = answer(m, what == DISCOVER ? OFFER : ACK, last);
        sendto(fd, m, size, 0, (struct sockaddr *)&all, sizeof all);
    }
}

/* Somebody who has 192.168.7.50 already and answers for it. */
static void owner(void)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ARP)};
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE_ARP));
    at.sll_ifindex = (int)if_nametoindex("far0");
    bind(fd, (struct sockaddr *)&at, sizeof at);
    for (;;) {
        static const unsigned char mine[] = {2, 0, 0, 0, 0, 9}, ip[] = {192, 168, 7, 50};
        unsigned char f[64];
        if (recv(fd, f, sizeof f, 0) < 42 || f[21] != 1 || memcmp(f + 38, ip, 4) != 0)
            continue;
        memcpy(f, f + 6, 6);
        memcpy(f + 6, mine, 6);
        f[21] = 2;
        memcpy(f + 32, f + 22, 10); /* to who asked */
        memcpy(f + 22, mine, 6);
        memcpy(f + 28, ip, 4);
        send(fd, f, 42, 0) == 42 ? (void)0 : _exit(1);
    }
}

/* SNTP (RFC 4330): always the first second of 2030. */
static void time_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT_TIME)}, from;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        _exit(1);
    for (;;) {
        unsigned char m[48];
        socklen_t size = sizeof from;
        if (recvfrom(fd, m, sizeof m, 0, (struct sockaddr *)&from, &size) < 48)
            continue;
        uint32_t seconds = htonl(2208988800u + 1893456000u);
        m[0] = 0x24; /* version 4, server */
        m[1] = 1;
        memcpy(m + 24, m + 40, 8); /* what it said its time was */
        memcpy(m + 32, &seconds, 4);
        memcpy(m + 40, &seconds, 4);
        sendto(fd, m, sizeof m, 0, (struct sockaddr *)&from, size);
    }
}

/* ---- the near side ---- */

struct near {
    struct loop *loop;
    struct lwip_stack *stack;
    struct lwip_lease lease;
    int leases, losses;
    int64_t time_ns;
};

static void leased(void *ctx, const struct lwip_lease *l)
{
    struct near *n = ctx;
    n->lease = *l;
    n->leases++;
}

static void lost(void *ctx, const char *why)
{
    struct near *n = ctx;
    (void)why;
    n->losses++;
}

static void told_time(void *ctx, int64_t ns)
{
    ((struct near *)ctx)->time_ns = ns;
}

static const struct lwip_events events = {leased, lost, told_time};

static void begin(struct near *n)
{
    struct packet_card card;
    struct err err = {0};
    *n = (struct near){.loop = fast_loop()};
    struct lwip_options o = {.loop = n->loop, .host_name = "near", .events = &events, .ctx = n};
    if (packet_open("near0", &o.packet_fd, &card, &err) < 0)
        fail_msg("%s", err.text);
    memcpy(o.mac, card.mac, 6);
    o.mtu = card.mtu;
    assert_int_equal(lwip_stack_new(&o, &n->stack), 0);
}

/* Turns the loop for this many of its own seconds, or until *what is at least `least`. */
static void turn(struct near *n, int seconds, const int *what, int least)
{
    int64_t end = loop_now_ms(n->loop) + (int64_t)seconds * 1000;
    while (loop_now_ms(n->loop) < end && !(what && *what >= least))
        assert_int_equal(loop_turn(n->loop, 100), 0);
}

static void end(struct near *n)
{
    lwip_stack_free(n->stack);
    loop_free(n->loop);
}

/* How often the server heard this kind of message until now. */
static int count_heard(unsigned char what)
{
    unsigned char m[256];
    int count = 0;
    ssize_t n = read(heard[0], m, sizeof m);
    for (ssize_t i = 0; i < n; i++)
        count += m[i] == what;
    return count;
}

static void with_server(int silent)
{
    assert_int_equal(pipe2(heard, O_NONBLOCK | O_CLOEXEC), 0);
    silent_after = silent;
    serve(dhcp_server);
    usleep(100000);
}

static void a_lease_is_told_and_renewed(void **state)
{
    struct near n;
    (void)state;
    with_server(0);
    begin(&n);
    assert_int_equal(lwip_dhcp_start(n.stack), 0);
    turn(&n, 30, &n.leases, 1);
    char text[NET_ADDR_TEXT];
    assert_int_equal(n.leases, 1);
    assert_string_equal(net_addr_format(&n.lease.addr, false, text), "192.168.7.50");
    assert_string_equal(net_addr_format(&n.lease.gateway, false, text), "192.168.7.1");
    assert_int_equal(n.lease.prefix_len, 24);
    assert_int_equal(n.lease.dns_count, 1);
    assert_int_equal(count_heard(REQUEST), 1);
    turn(&n, 200, NULL, 0); /* longer than the lease */
    assert_true(count_heard(REQUEST) >= 1);
    assert_int_equal(n.losses, 0);
    assert_int_equal(n.leases, 1); /* the same again is no news */
    end(&n);
}

static void a_lease_that_nobody_renews_ends(void **state)
{
    struct near n;
    (void)state;
    with_server(1);
    begin(&n);
    assert_int_equal(lwip_dhcp_start(n.stack), 0);
    turn(&n, 30, &n.leases, 1);
    assert_int_equal(n.leases, 1);
    turn(&n, 400, &n.losses, 1);
    assert_int_equal(n.losses, 1);
    end(&n);
}

static void an_address_of_somebody_else_is_declined(void **state)
{
    struct near n;
    char text[NET_ADDR_TEXT];
    (void)state;
    serve(owner);
    with_server(0);
    begin(&n);
    assert_int_equal(lwip_dhcp_start(n.stack), 0);
    turn(&n, 30, &n.leases, 1);
    assert_string_equal(net_addr_format(&n.lease.addr, false, text), "192.168.7.50"); /* used at once */
    turn(&n, 30, &n.losses, 1);
    assert_int_equal(n.losses, 1);
    turn(&n, 60, &n.leases, 2);
    assert_int_equal(n.leases, 2);
    assert_string_equal(net_addr_format(&n.lease.addr, false, text), "192.168.7.51");
    unsigned char m[256];
    ssize_t got = read(heard[0], m, sizeof m);
    int declines = 0, releases = 0;
    for (ssize_t i = 0; i < got; i++) {
        declines += m[i] == DECLINE;
        releases += m[i] == RELEASE;
    }
    assert_int_equal(declines, 1);
    assert_int_equal(releases, 0);
    end(&n);
}

static void the_time_comes_from_the_server_that_dhcp_names(void **state)
{
    struct near n;
    (void)state;
    serve(time_server);
    with_server(0);
    begin(&n);
    lwip_time_start(n.stack, NULL, 0);
    assert_int_equal(lwip_dhcp_start(n.stack), 0);
    turn(&n, 30, &n.leases, 1);
    for (int i = 0; i < 100 && !n.time_ns; i++)
        turn(&n, 1, NULL, 0);
    assert_int_equal(n.time_ns / 1000000000, 1893456000);
    end(&n);
}

static void a_fixed_address_asks_its_own_time_server(void **state)
{
    struct near n;
    struct net_addr own, server;
    (void)state;
    serve(time_server);
    begin(&n);
    assert_int_equal(net_addr_parse(STR("192.168.7.77"), false, &own), 0);
    assert_int_equal(net_addr_parse(STR("192.168.7.1"), false, &server), 0);
    lwip_static_address(n.stack, &own, 24, &server);
    lwip_time_start(n.stack, &server, 1);
    for (int i = 0; i < 100 && !n.time_ns; i++)
        turn(&n, 1, NULL, 0);
    assert_int_equal(n.time_ns / 1000000000, 1893456000);
    assert_int_equal(n.losses, 0);
    end(&n);
}

static void nothing_ticks_while_nothing_is_under_way(void **state)
{
    struct near n;
    int turns = 0;
    (void)state;
    with_server(0);
    begin(&n);
    assert_int_equal(lwip_dhcp_start(n.stack), 0);
    turn(&n, 30, &n.leases, 1);
    turn(&n, 20, NULL, 0); /* the conflict detection's probes and announcements */
    int64_t until = loop_now_ms(n.loop) + 20000;
    while (loop_now_ms(n.loop) < until) {
        assert_int_equal(loop_turn(n.loop, 5000), 0);
        turns++;
    }
    assert_in_range(turns, 1, 40);
    end(&n);
}

static void dnsmasq(void)
{
    char *argv[] = {"dnsmasq", "-k", "--port=0", "--interface=far0", "--bind-interfaces", "--user=root", "--leasefile-ro",
                    "--dhcp-range=192.168.7.100,192.168.7.110,255.255.255.0,2m", "--no-ping", "--conf-file=/dev/null",
                    "--pid-file=", NULL};
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    execvp(argv[0], argv);
    execv("/usr/sbin/dnsmasq", argv);
    _exit(127);
}

static void a_real_server_leases_too(void **state)
{
    struct near n;
    char text[NET_ADDR_TEXT];
    (void)state;
    serve(dnsmasq);
    usleep(500000);
    begin(&n);
    assert_int_equal(lwip_dhcp_start(n.stack), 0);
    turn(&n, 120, &n.leases, 1);
    assert_int_equal(n.leases, 1);
    net_addr_format(&n.lease.addr, false, text);
    assert_int_equal(strncmp(text, "192.168.7.1", 11), 0);
    turn(&n, 200, NULL, 0);
    assert_int_equal(n.losses, 0);
    end(&n);
}

/* lwIP keeps its state in globals: a process for each. */
int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, stop_servers)
    const struct CMUnitTest tests[] = {
        T(a_lease_is_told_and_renewed),
        T(a_lease_that_nobody_renews_ends),
        T(an_address_of_somebody_else_is_declined),
        T(the_time_comes_from_the_server_that_dhcp_names),
        T(a_fixed_address_asks_its_own_time_server),
        T(nothing_ticks_while_nothing_is_under_way),
        T(a_real_server_leases_too),
    };
    int failed = 0, status;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        const struct CMUnitTest one[] = {tests[i]};
        pid_t pid = fork();
        if (pid == 0)
            exit(cmocka_run_group_tests_name(tests[i].name, one, make_wire, NULL));
        failed += pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
    }
    return failed;
}
