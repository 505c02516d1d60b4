/* openat2(2), which libc lacks. See path.h. */
#include "kernel-glue/abi/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int path_open_in(int root_fd, const char *path, int flags, mode_t mode, int *ret_fd)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    do /* EAGAIN: a rename elsewhere made the kernel unsure whether ".." stayed inside */
        fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    if (fd < 0)
        return -err_from_errno(errno);
    *ret_fd = (int)fd;
    return 0;
}
