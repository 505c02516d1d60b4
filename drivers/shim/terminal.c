/* A terminal for the process: from the container's own devpts, so that its name means something there. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "drivers/shim/launch.h"
#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"

enum { GET_PEER = 0x5441 /* TIOCGPTPEER */, MAGIC_DEVPTS = 0x1cd1 };

static int send_terminal(int report, int master)
{
    char kind = LAUNCH_TERMINAL;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {&kind, 1};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &master, sizeof master);
    return sendmsg(report, &h, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* The multiplexer through its descriptor: a character device 5:2 on a devpts, or not at all. */
static int open_master(int root, int *ret_fd, struct err *err)
{
    struct stat st;
    int rc = path_open_in(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, ret_fd);
    if (rc < 0)
        return err_set_errno(err, "open terminal");
    if (fstat(*ret_fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) ||
        mount_magic(*ret_fd) != MAGIC_DEVPTS) {
        close(*ret_fd);
        return err_set(err, E_PERM, "open terminal: /dev/pts/ptmx of the container is no terminal multiplexer");
    }
    return 0;
}

static int bind_console(int root, int slave)
{
    int target, copy, rc = path_make_file(root, "/dev/console", 0600, &target);
    if (rc < 0)
        return rc;
    if ((rc = mount_clone(slave, false, &copy)) == 0) {
        rc = mount_magic(target) == MOUNT_MAGIC_TMPFS ? mount_attach(copy, target) : 0;
        close(copy);
    }
    close(target);
    return rc;
}

int launch_terminal(struct launch *l, uint32_t uid, struct err *err)
{
    struct winsize size = {.ws_col = (unsigned short)l->plan->columns, .ws_row = (unsigned short)l->plan->rows};
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), master, slave, unlock = 0, rc;
    if (root < 0)
        return err_set_errno(err, "open terminal");
    if ((rc = open_master(root, &master, err)) == 0) {
        if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || (slave = ioctl(master, GET_PEER, O_RDWR | O_NOCTTY)) < 0)
            rc = err_set_errno(err, "open terminal");
        else if ((size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0) || fchown(slave, uid, (gid_t)-1) < 0 ||
                 (!(l->plan->flags & PLAN_EXEC) && bind_console(root, slave) < 0) ||
                 send_terminal(l->report, master) < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 ||
                 dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
            rc = err_set_errno(err, "set up terminal");
        close(master);
    }
    close(root);
    return rc;
}
