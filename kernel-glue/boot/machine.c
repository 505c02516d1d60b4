/* See machine.h. */
#include "kernel-glue/boot/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/watchdog.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"

bool machine_clock_at_least(int64_t seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    return time(NULL) < (time_t)seconds && clock_settime(CLOCK_REALTIME, &t) == 0;
}

int machine_clock_set(int64_t nanoseconds)
{
    struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
    struct tm tm;
    if (clock_settime(CLOCK_REALTIME, &t) < 0)
        return -err_from_errno(errno);
    int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && gmtime_r(&t.tv_sec, &tm)) {
        struct rtc_time rtc = {.tm_sec = tm.tm_sec, .tm_min = tm.tm_min, .tm_hour = tm.tm_hour,
                               .tm_mday = tm.tm_mday, .tm_mon = tm.tm_mon, .tm_year = tm.tm_year};
        if (ioctl(fd, RTC_SET_TIME, &rtc) < 0)
            log_debug("clock of the machine: %s", strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

int machine_watchdog_open(int timeout_s)
{
    int fd = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        ioctl(fd, WDIOC_SETTIMEOUT, &timeout_s);
    return fd;
}

void machine_watchdog_feed(int fd)
{
    if (fd >= 0 && write(fd, "k", 1) != 1)
        log_debug("watchdog: %s", strerror(errno));
}

void machine_watchdog_disarm(int fd)
{
    if (fd < 0)
        return;
    if (write(fd, "V", 1) != 1) /* the magic letter of a close on purpose */
        log_debug("watchdog: %s", strerror(errno));
    close(fd);
}

int machine_entropy_add(const void *p, unsigned n, struct err *err)
{
    struct {
        int bits, bytes;
        unsigned char data[512];
    } add = {.bits = (int)n * 8, .bytes = (int)n};
    if (n > sizeof add.data)
        return err_set(err, E_LIMIT, "a seed of %u bytes", n);
    memcpy(add.data, p, n);
    int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    int rc = fd < 0 || ioctl(fd, RNDADDENTROPY, &add) < 0 ? err_set_errno(err, "seed of the random pool") : 0;
    if (fd >= 0)
        close(fd);
    explicit_bzero(&add, sizeof add);
    return rc;
}

/* ---- devices that come later ---- */

int machine_uevent_open(void)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int machine_uevent_read(int fd)
{
    char text[8192];
    struct sockaddr_nl from;
    socklen_t n = sizeof from;
    ssize_t got = recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &n);
    if (got < 0)
        return errno == ENOBUFS ? 1 : -E_AGAIN; /* events were lost: as if one had been seen */
    if (from.nl_pid != 0) /* not the kernel */
        return 0;
    struct str rest = str_make(text, (size_t)got), word;
    bool added = str_starts(rest, STR("add@")), driver = false;
    while (str_split(&rest, 0, &word))
        driver |= str_starts(word, STR("MODALIAS="));
    return added && driver;
}

/* ---- network cards ---- */

static bool is_wired(int fd, const char *name)
{
    struct ifreq r = {0};
    char path[80];
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    snprintf(path, sizeof path, "/sys/class/net/%s/device", name);
    if (!file_exists(FILE_HERE, path))
        return false; /* bridges, pods' links, tunnels */
    snprintf(path, sizeof path, "/sys/class/net/%s/wireless", name);
    return !file_exists(FILE_HERE, path) && ioctl(fd, SIOCGIFHWADDR, &r) == 0 &&
           r.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

bool machine_wired_card(char ret_name[16])
{
    struct if_nameindex *list = if_nameindex();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char best[16] = "";
    for (struct if_nameindex *i = list; i && i->if_name; i++)
        if (is_wired(fd, i->if_name) && (!best[0] || strcmp(i->if_name, best) < 0))
            snprintf(best, sizeof best, "%s", i->if_name);
    if (list)
        if_freenameindex(list);
    if (fd >= 0)
        close(fd);
    if (best[0])
        memcpy(ret_name, best, sizeof best);
    return best[0] != 0;
}

bool machine_card_ready(const char *name)
{
    char path[80], carrier[8];
    size_t n;
    snprintf(path, sizeof path, "/sys/class/net/%s/carrier", name);
    return file_read(FILE_HERE, path, carrier, sizeof carrier, &n, NULL) == 0 && n > 0 && carrier[0] == '1';
}

void machine_cards_up(void)
{
    struct if_nameindex *list = if_nameindex();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (struct if_nameindex *i = list; i && i->if_name; i++) {
        struct ifreq r = {0};
        if (!is_wired(fd, i->if_name))
            continue;
        snprintf(r.ifr_name, sizeof r.ifr_name, "%s", i->if_name);
        if (ioctl(fd, SIOCGIFFLAGS, &r) < 0 || (r.ifr_flags & IFF_UP))
            continue;
        r.ifr_flags |= IFF_UP;
        if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
            log_warn("%s cannot be brought up: %s", i->if_name, strerror(errno));
    }
    if (list)
        if_freenameindex(list);
    if (fd >= 0)
        close(fd);
}
