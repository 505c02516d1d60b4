/* See power.h. */
#include "kernel-glue/boot/power.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"

enum { MOUNTS_TEXT = 64 * 1024, MOUNTS_MOST = 512 };

void power_catch_keys(void)
{
    reboot(RB_DISABLE_CAD);
}

static bool reap_all(void)
{
    pid_t pid;
    do
        pid = waitpid(-1, NULL, WNOHANG);
    while (pid > 0);
    return pid < 0 && errno == ECHILD;
}

void power_end_processes(int grace_ms)
{
    const struct timespec nap = {0, 10 * 1000 * 1000};
    kill(-1, SIGTERM);
    for (int waited = 0; waited < grace_ms && !reap_all(); waited += 10)
        nanosleep(&nap, NULL);
    kill(-1, SIGKILL);
    for (int waited = 0; waited < 2000 && !reap_all(); waited += 10)
        nanosleep(&nap, NULL);
}

/* "ID PARENT MAJ:MIN ROOT WHERE ...": the fifth word; escapes are undone. */
static bool where_of(struct str line, char *where, size_t size)
{
    struct str word = {0};
    size_t n = 0;
    for (int i = 0; i < 5; i++)
        if (!str_split(&line, ' ', &word))
            return false;
    for (size_t i = 0; i < word.n && n + 1 < size; i++) {
        const char *p = word.p + i;
        if (*p == '\\' && i + 3 < word.n) {
            where[n++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            i += 3;
        } else {
            where[n++] = *p;
        }
    }
    where[n] = 0;
    return n > 0;
}

static bool keep(const char *where)
{
    static const char *const kept[] = {"/", "/dev", "/proc", "/sys"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcmp(where, kept[i]) == 0)
            return true;
    return false;
}

void power_unmount_all(void)
{
    static char text[MOUNTS_TEXT];
    static struct str lines[MOUNTS_MOST];
    size_t n, count = 0;
    struct str rest, line;
    char where[4096];
    sync();
    if (file_read(FILE_HERE, "/proc/self/mountinfo", text, sizeof text, &n, NULL) < 0)
        n = 0;
    rest = str_make(text, n);
    while (count < MOUNTS_MOST && str_split(&rest, '\n', &line))
        if (line.n)
            lines[count++] = line;
    while (count > 0) { /* what was mounted last goes first */
        if (!where_of(lines[--count], where, sizeof where) || keep(where))
            continue;
        if (umount2(where, UMOUNT_NOFOLLOW) < 0 && mount(NULL, where, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
            umount2(where, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    sync();
}

void power_off(bool restart)
{
    bool acpi = access("/sys/firmware/acpi", F_OK) == 0;
    reboot(!restart && acpi ? RB_POWER_OFF : RB_AUTOBOOT);
    reboot(RB_AUTOBOOT);
    log_err("the machine can neither power off nor restart: %s", strerror(errno));
    for (;;)
        pause();
}
