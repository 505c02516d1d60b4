/* See confine.h. */
#include "drivers/image/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel-glue/abi/caps.h"
#include "kernel-glue/abi/path.h"
#include "kernel-glue/abi/process.h"

enum { ROLE_SOCKET_FD = 3 };

static void run_role(const char *role, int sock)
{
    char name[64];
    char *argv[] = {name, NULL};
    char *envp[] = {NULL};
    snprintf(name, sizeof name, "keelson: %s", role);
    process_die_with_parent();
    if (sock == ROLE_SOCKET_FD)
        fcntl(sock, F_SETFD, 0);
    else if (dup2(sock, ROLE_SOCKET_FD) < 0)
        _exit(127);
    if (process_close_from(ROLE_SOCKET_FD + 1, false) == 0)
        execve("/proc/self/exe", argv, envp);
    _exit(127);
}

int image_role_spawn(const char *role, int *ret_sock, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
    int pair[2], pidfd;
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, "cannot start the role %s", role);
    int rc = process_clone(0, -1, &pid, &pidfd);
    if (rc == 0 && pid == 0)
        run_role(role, pair[1]);
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        return err_set(err, -rc, "cannot start the role %s: %s", role, err_text(rc));
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *ret_sock = pair[0];
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

static int enter(int dir_fd, struct err *err)
{
    if (fchdir(dir_fd) < 0 || chroot(".") < 0)
        return err_set_errno(err, "cannot confine the role to its directory");
    return 0;
}

static int settle(struct err *err)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    umask(0);
    int rc = process_no_new_privs();
    return rc < 0 ? err_set(err, -rc, "cannot give up privileges: %s", err_text(rc)) : 0;
}

int image_confine_network(int empty_dir_fd, uint32_t uid, struct err *err)
{
    if (geteuid() == 0) {
        int rc = empty_dir_fd >= 0 ? enter(empty_dir_fd, err) : 0;
        if (rc == 0 && ((rc = caps_bound(0)) < 0 || (rc = caps_user(uid, uid, NULL, 0)) < 0 ||
                        (rc = caps_set(0, 0, 0)) < 0))
            err_set(err, -rc, "cannot give up privileges: %s", err_text(rc));
        if (rc < 0)
            return rc;
    }
    return settle(err);
}

int image_confine_files(int root_fd, bool restore, struct err *err)
{
    static const char *const kept[] = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"};
    if (geteuid() == 0) {
        uint64_t mask = 0;
        for (size_t i = 0; restore && i < sizeof kept / sizeof kept[0]; i++)
            mask |= CAPS_BIT(caps_number(str_of(kept[i])));
        int rc = enter(root_fd, err);
        if (rc == 0 && ((rc = process_unshare(PROCESS_NEW_NET)) < 0 || (rc = caps_bound(mask)) < 0 ||
                        (rc = caps_set(mask, mask, 0)) < 0))
            err_set(err, -rc, "cannot give up privileges: %s", err_text(rc));
        if (rc < 0)
            return rc;
    }
    return settle(err);
}

int image_file_open(int dir_fd, const char *path, int *ret_fd)
{
    struct stat st;
    int fd;
    int rc = path_open_in(dir_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd);
    if (rc < 0)
        return rc;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -E_NOT_FOUND;
    }
    *ret_fd = fd;
    return 0;
}

int image_authorities_open(int *ret_fd)
{
    static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                         "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int fd = open(places[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            *ret_fd = fd;
            return 0;
        }
    }
    return -E_NOT_FOUND;
}
