/* See spawn.h. Between fork and exec only what is safe there: system calls. */
#include "kernel-glue/boot/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-glue/boot/file.h"

static void child_put(const char *path, const char *text)
{
    int rc = file_put(path, text, NULL);
    (void)rc; /* without memory accounting, or without rights on an ordinary host */
}

static _Noreturn void child(const struct spawn *s, pid_t parent)
{
    static char path[] = "PATH=/";
    static char *const environment[] = {path, NULL};
    char score[16];
    sigset_t none;

    if (s->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(125);
    }
    setsid();
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (s->cgroup_procs)
        child_put(s->cgroup_procs, "0");
    snprintf(score, sizeof score, "%d", s->oom_score_adj);
    child_put("/proc/self/oom_score_adj", score);

    int nothing = open("/dev/null", O_RDWR);
    /* The control socket may be 0, 1 or 2 itself when the parent has those closed. */
    int control = fcntl(s->control_fd, F_DUPFD, 10);
    int error = s->error_fd >= 0 ? fcntl(s->error_fd, F_DUPFD, 10) : -1;
    if (control < 0 || dup2(control, SPAWN_CONTROL_FD) < 0)
        _exit(125);
    if (error >= 0)
        dup2(error, 2);
    if (nothing >= 0) {
        dup2(nothing, 0);
        dup2(nothing, 1);
    }
    syscall(SYS_close_range, SPAWN_CONTROL_FD + 1, ~0U, 0);
    execve("/proc/self/exe", (char *const *)s->argv, environment);
    _exit(126);
}

int spawn_self(const struct spawn *s, pid_t *ret_pid, struct err *err)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_set_errno(err, "fork");
    if (pid == 0)
        child(s, parent);
    *ret_pid = pid;
    return 0;
}

void spawn_signal(pid_t pid, int sig)
{
    if (pid > 0)
        kill(pid, sig);
}
