/* See machine.h. */
#include "main/machine.h"

#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-glue/boot/file.h"
#include "main/config.h"

static bool is_ours(const struct net_addr *a) /* the pods' and services' own networks */
{
    return a->family == 4 && a->ip[0] == 10 && (a->ip[1] == 244 || (a->ip[1] & 0xf0) == 96);
}

static bool usable(const struct net_addr *a)
{
    if (a->family == 4)
        return a->ip[0] != 127 && a->ip[0] != 0 && !(a->ip[0] == 169 && a->ip[1] == 254) && !is_ours(a);
    return a->family == 6 && (a->ip[0] & 0xe0) == 0x20; /* global unicast */
}

static void add(struct machine_net *n, const struct sockaddr *sa)
{
    struct net_addr a = {0};
    if (sa->sa_family == AF_INET) {
        a.family = 4;
        memcpy(a.ip, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        a.family = 6;
        memcpy(a.ip, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
    }
    if (!usable(&a) || n->addr_count == MACHINE_MAX_ADDRS)
        return;
    n->addrs[n->addr_count++] = a;
}

static void read_resolvers(struct machine_net *n)
{
    char text[4096];
    size_t size;
    struct str rest, line;
    if (file_read(FILE_HERE, "/etc/resolv.conf", text, sizeof text, &size, NULL) < 0)
        return;
    rest = str_make(text, size);
    while (str_split(&rest, '\n', &line)) {
        struct net_addr a;
        line = str_trim(line);
        if (str_starts(line, STR("nameserver ")) && n->resolver_count < MACHINE_MAX_RESOLVERS &&
            net_addr_parse(str_trim(str_make(line.p + 11, line.n - 11)), false, &a) == 0)
            n->resolvers[n->resolver_count++] = a;
        else if (str_starts(line, STR("search ")))
            str_copy(n->search, sizeof n->search, str_trim(str_make(line.p + 7, line.n - 7)));
    }
}

void machine_net_of_host(struct machine_net *ret_net)
{
    struct machine_net n = {0};
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) == 0) {
        for (int family = AF_INET; family; family = family == AF_INET ? AF_INET6 : 0)
            for (struct ifaddrs *i = list; i; i = i->ifa_next)
                if (i->ifa_addr && i->ifa_addr->sa_family == family && (i->ifa_flags & IFF_UP))
                    add(&n, i->ifa_addr);
        freeifaddrs(list);
    }
    read_resolvers(&n);
    *ret_net = n;
}

void machine_host_name(char ret_name[START_NAME])
{
    char name[256] = "";
    size_t n = 0;
    gethostname(name, sizeof name - 1);
    for (; name[n] && name[n] != '.' && n < START_NAME - 1; n++)
        ret_name[n] = (char)tolower((unsigned char)name[n]);
    ret_name[n] = 0;
    if (!config_name_ok(str_of(ret_name)))
        snprintf(ret_name, START_NAME, "keelson");
}

int machine_bind(const struct net_addr *at, bool stream, int *ret_fd, struct err *err)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(at->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(at->port)};
    char text[NET_ADDR_TEXT];
    int on = 1;
    memcpy(&in4.sin_addr, at->ip, 4);
    memcpy(&in6.sin6_addr, at->ip, 16);
    const struct sockaddr *sa = at->family == 6 ? (const struct sockaddr *)(const void *)&in6
                                                : (const struct sockaddr *)(const void *)&in4;
    int fd = socket(sa->sa_family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, "socket");
    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (stream)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, sa, at->family == 6 ? sizeof in6 : sizeof in4) < 0 || (stream && listen(fd, 1024) < 0)) {
        int rc = err_set_errno(err, "bind to %s", net_addr_format(at, true, text));
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int machine_hold(const struct net_addr *at, struct err *err)
{
    int fd, least = 1, rc = machine_bind(at, false, &fd, err);
    if (rc == 0) /* never read: full at once, and it stays so */
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    return rc;
}
