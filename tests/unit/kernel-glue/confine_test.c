/* A confined process does its work and nothing else: no program started, no process made, no mount,
 * no trace of another; rights do not come back. Each case runs in a child, which has them to lose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel-glue/boot/confine.h"

/* What fn returns in a confined child. */
static int in_child(const struct confine *c, int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};
        _exit(confine_apply(c, &err) < 0 ? 99 : fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static const struct confine filtered = {.syscall_filter = true, .name = "confined"};

static int starts_a_program(void)
{
    static char name[] = "true";
    char *argv[] = {name, NULL}, *env[] = {NULL};
    execve("/bin/true", argv, env);
    return errno == EPERM ? 0 : 1;
}

static int forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 && errno == EPERM ? 0 : 1;
}

static int mounts(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM ? 0 : 1;
}

static int traces(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM ? 0 : 1;
}

static int unshares(void)
{
    return unshare(CLONE_NEWUSER) < 0 && errno == EPERM ? 0 : 1; /* a user namespace, which needs no rights */
}

static void *thread(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static int works(void)
{
    pthread_t t;
    int ran = 0, pair[2];
    char c = 'x';
    if (pthread_create(&t, NULL, thread, &ran) != 0 || pthread_join(t, NULL) != 0 || !ran)
        return 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 || write(pair[0], &c, 1) != 1 || read(pair[1], &c, 1) != 1)
        return 2;
    int fd = open("/proc/self/stat", O_RDONLY);
    if (fd < 0 || read(fd, &c, 1) != 1)
        return 3;
    return 0;
}

static void what_a_server_needs_goes_on(void **state)
{
    (void)state;
    assert_int_equal(in_child(&filtered, works), 0);
}

static void what_it_never_needs_is_refused(void **state)
{
    (void)state;
    assert_int_equal(in_child(&filtered, starts_a_program), 0);
    assert_int_equal(in_child(&filtered, forks), 0);
    assert_int_equal(in_child(&filtered, mounts), 0);
    assert_int_equal(in_child(&filtered, traces), 0);
    assert_int_equal(in_child(&filtered, unshares), 0);
}

static int has_nothing_left(void)
{
    struct rlimit core;
    if (getuid() != 2000000050 || getgid() != 2000000050 || getgroups(0, NULL) != 0)
        return 1;
    if (setresuid(0, 0, 0) == 0)
        return 2;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 3;
    for (int cap = 0; cap < 40; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            return 4;
    return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : 5;
}

static void root_is_given_up_for_good(void **state)
{
    static const struct confine user = {.uid = 2000000050, .name = "nobody"};
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(&user, has_nothing_left), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_server_needs_goes_on),
        cmocka_unit_test(what_it_never_needs_is_refused),
        cmocka_unit_test(root_is_given_up_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
