/* See button.h. The group's number is looked up in a dump of all generic netlink families. */
#include "kernel-glue/boot/button.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-glue/netlink/netlink.h"

enum { GENERIC_FAMILY = 16, HEAD_BYTES = 4, EVENT_ATTRIBUTE = 1, CLASS_BYTES = 20 };

struct search {
    uint32_t group;
    bool found;
};

static uint32_t number_of(struct str bytes)
{
    uint32_t v = 0;
    if (bytes.n >= sizeof v)
        memcpy(&v, bytes.p, sizeof v);
    return v;
}

static void take_groups(struct str groups, struct search *s)
{
    struct str group, value;
    uint16_t type;
    while (!s->found && netlink_next_attribute(&groups, &type, &group))
        while (netlink_next_attribute(&group, &type, &value))
            if (type == CTRL_ATTR_MCAST_GRP_ID) {
                s->group = number_of(value);
                s->found = true;
            }
}

static int take_family(void *ctx, uint16_t message, struct str payload)
{
    struct search *s = ctx;
    struct str value, groups = STR("");
    uint16_t type;
    bool ours = false;
    (void)message;
    if (payload.n < HEAD_BYTES)
        return 0;
    payload = str_make(payload.p + HEAD_BYTES, payload.n - HEAD_BYTES);
    while (netlink_next_attribute(&payload, &type, &value)) {
        if (type == CTRL_ATTR_FAMILY_NAME)
            ours = str_starts(value, STR("acpi_event\0"));
        else if (type == CTRL_ATTR_MCAST_GROUPS)
            groups = value;
    }
    if (ours)
        take_groups(groups, s);
    return 0;
}

static int find_group(uint32_t *ret_group, struct err *err)
{
    const struct genlmsghdr head = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
    struct search s = {0};
    struct buf out;
    int fd, rc = netlink_open(GENERIC_FAMILY, -1, &fd, err);
    if (rc < 0)
        return rc;
    buf_init(&out, 256);
    size_t at = netlink_begin(&out, GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_DUMP, 1, &head, sizeof head);
    netlink_end(&out, at);
    rc = netlink_dump(fd, &out, take_family, &s, err);
    buf_done(&out);
    close(fd);
    if (rc == 0 && !s.found)
        rc = err_set(err, E_NOT_FOUND, "the kernel tells of no power button");
    if (rc == 0)
        *ret_group = s.group;
    return rc;
}

int button_open(int *ret_fd, struct err *err)
{
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    uint32_t group;
    int rc = find_group(&group, err);
    if (rc < 0)
        return rc;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, GENERIC_FAMILY);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
        rc = err_set_errno(err, "power button");
        if (fd >= 0)
            close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

bool button_pressed(int fd)
{
    char text[2048];
    ssize_t n;
    bool pressed = false;
    while ((n = recv(fd, text, sizeof text, 0)) > 0) {
        struct str in = str_make(text, (size_t)n), payload, value;
        uint16_t type;
        while (netlink_next(&in, &type, &payload)) {
            if (payload.n < HEAD_BYTES)
                continue;
            payload = str_make(payload.p + HEAD_BYTES, payload.n - HEAD_BYTES);
            while (netlink_next_attribute(&payload, &type, &value))
                pressed |= type == EVENT_ATTRIBUTE && value.n >= CLASS_BYTES && str_starts(value, STR("button/power"));
        }
    }
    return pressed;
}
