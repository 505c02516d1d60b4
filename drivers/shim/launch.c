/*
 * From clone to exec, in this order: own session, limits, root (or the joined namespaces), terminal,
 * user, working directory, capabilities, seccomp, exec. Nothing of the host is open any more when
 * the working directory is entered.
 */
#include "drivers/shim/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/shim/users.h"
#include "kernel-glue/abi/caps.h"
#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"
#include "kernel-glue/abi/process.h"
#include "kernel-glue/abi/seccomp.h"

enum { CODE_NOT_FOUND = 127, CODE_NOT_EXECUTABLE = 126, CODE_SETUP = 128, REPORT_FD = 3 };

static void fail(int report, int exit_code, const struct err *err) __attribute__((noreturn));
static void fail(int report, int exit_code, const struct err *err)
{
    char text[sizeof err->text + 4];
    size_t n = strlen(err->text);
    text[0] = LAUNCH_FAILED;
    text[1] = (char)err->code;
    text[2] = (char)exit_code;
    memcpy(text + 3, err->text, n);
    send(report, text, n + 3, MSG_NOSIGNAL);
    _exit(exit_code);
}

static int set_streams(const struct launch *l, struct err *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[3] = {l->in, l->out, l->error};
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i] >= 0 ? fds[i] : null, i) < 0)
            return err_set_errno(err, "standard streams");
    return 0;
}

static int set_limits(const struct plan *p, struct err *err)
{
    char text[16];
    for (size_t i = 0; i < p->rlimit_count; i++) {
        struct rlimit r = {p->rlimits[i].soft, p->rlimits[i].hard};
        if (setrlimit((int)p->rlimits[i].resource, &r) < 0)
            return err_set_errno(err, "resource limit %d", (int)p->rlimits[i].resource);
    }
    if (p->oom_adjust < -1000)
        return 0;
    int n = snprintf(text, sizeof text, "%d", p->oom_adjust), fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)n) != n)
        err_set_errno(err, "oom_score_adj");
    else
        n = 0;
    if (fd >= 0)
        close(fd);
    return n ? -E_IO : 0;
}

static int enter(struct launch *l, struct err *err)
{
    const struct plan *p = l->plan;
    process_new_keyring();
    if (p->flags & PLAN_EXEC) {
        if (process_enter(l->join_pidfd, PROCESS_NEW_MOUNT | PROCESS_NEW_CGROUP) < 0)
            return err_set_errno(err, "join the container");
        return 0;
    }
    if (p->flags & PLAN_NEW_CGROUP && process_unshare(PROCESS_NEW_CGROUP) < 0)
        return err_set_errno(err, "cgroup namespace");
    return launch_rootfs(l, err);
}

/* ---- the working directory ---- */

static int set_directory(const struct plan *p, struct err *err)
{
    char path[4096];
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, rc;
    if (root < 0)
        return err_set_errno(err, "working directory %s", p->cwd);
    rc = p->flags & PLAN_MAKE_CWD ? path_make_dirs(root, p->cwd, 0755, 0, 0, &fd)
                                  : path_open_in(root, p->cwd, O_PATH | O_DIRECTORY, 0, &fd);
    if (rc < 0)
        err_set_errno(err, "working directory %s", p->cwd);
    close(root);
    if (rc < 0)
        return rc;
    rc = fchdir(fd) < 0 ? err_set_errno(err, "working directory %s", p->cwd) : 0;
    close(fd);
    /* A directory outside of the root shows as "(unreachable)..." (CVE-2024-21626). */
    if (rc == 0 && (!getcwd(path, sizeof path) || path[0] != '/'))
        rc = err_set(err, E_PERM, "working directory %s is outside of the container", p->cwd);
    return rc;
}

/* ---- rights ---- */

static int set_rights(const struct plan *p, const struct users_identity *who, struct err *err)
{
    bool early = p->seccomp.n && !(p->flags & PLAN_NO_NEW_PRIVS);
    if (p->flags & PLAN_NO_NEW_PRIVS && process_no_new_privs() < 0)
        return err_set_errno(err, "no_new_privs");
    /* Without no_new_privs a filter needs CAP_SYS_ADMIN: it goes in while that is still there. */
    if (early && seccomp_install(p->seccomp) < 0)
        return err_set_errno(err, "seccomp");
    if (caps_bound(p->bounding) < 0 || caps_keep() < 0)
        return err_set_errno(err, "bounding capabilities");
    if (caps_user(who->uid, who->gid, who->groups, who->group_count) < 0)
        return err_set_errno(err, "user %u:%u", who->uid, who->gid);
    if (caps_set(p->effective, p->permitted, p->inheritable) < 0 || caps_set_ambient(p->ambient) < 0)
        return err_set_errno(err, "capabilities");
    if (p->seccomp.n && !early && seccomp_install(p->seccomp) < 0)
        return err_set_errno(err, "seccomp");
    return 0;
}

/* ---- exec ---- */

static const char *variable(char **env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static bool executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Looks through PATH as execvp does, and says what was wrong as other runtimes do. */
static const char *find_program(struct arena *a, const char *name, const char *path, int *ret_code, struct err *err)
{
    struct str rest = str_of(path ? path : ""), dir;
    struct stat st;
    *ret_code = CODE_NOT_FOUND;
    if (strchr(name, '/')) {
        if (stat(name, &st) < 0) {
            err_set_errno(err, "exec: \"%s\": stat %s", name, name);
            return NULL;
        }
        if (executable(name))
            return name;
        *ret_code = CODE_NOT_EXECUTABLE;
        err_set(err, E_PERM, "exec: \"%s\": %s", name, S_ISDIR(st.st_mode) ? "is a directory" : "permission denied");
        return NULL;
    }
    while (name[0] && str_split(&rest, ':', &dir)) {
        char *full = arena_printf(a, STR_FMT "/%s", dir.n ? (int)dir.n : 1, dir.n ? dir.p : ".", name);
        if (full && executable(full))
            return full;
    }
    err_set(err, E_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
    return NULL;
}

static void default_signals(void)
{
    sigset_t none;
    for (int i = 1; i < 65; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* HOME as login would set it, unless the container says otherwise. */
static int add_home(struct launch *l, const struct users_identity *who)
{
    const struct plan *p = l->plan;
    if (variable(p->env, "HOME"))
        return 0;
    char *home = arena_printf(l->a, "HOME=%s", who->home);
    char **env = arena_zalloc(l->a, (p->env_count + 2) * sizeof *env);
    if (!home || !env)
        return -E_NOMEM;
    memcpy(env, p->env, p->env_count * sizeof *env);
    env[p->env_count] = home;
    l->plan->env = env;
    return 0;
}

/* Only the report stays, at a known number, and goes with exec. */
static int close_rest(struct launch *l)
{
    if (l->report != REPORT_FD) {
        if (dup3(l->report, REPORT_FD, O_CLOEXEC) < 0)
            return -1;
        l->report = REPORT_FD;
    }
    return process_close_from(REPORT_FD + 1, false);
}

static void execute(struct launch *l, const struct users_identity *who) __attribute__((noreturn));
static void execute(struct launch *l, const struct users_identity *who)
{
    const struct plan *p = l->plan;
    struct err err = {0};
    int code = CODE_SETUP;
    if (set_directory(p, &err) < 0 || set_rights(p, who, &err) < 0)
        fail(l->report, code, &err);
    process_die_with_parent(); /* the change of user has cleared it */
    umask(p->umask);
    const char *program = find_program(l->a, p->args[0], variable(p->env, "PATH"), &code, &err);
    if (!program)
        fail(l->report, code, &err);
    execve(program, p->args, p->env);
    code = errno == ENOENT ? CODE_NOT_FOUND : CODE_NOT_EXECUTABLE;
    err_set_errno(&err, "exec %s", program);
    fail(l->report, code, &err);
}

void launch_child(struct launch *l)
{
    const struct plan *p = l->plan;
    struct users_identity who;
    struct err err = {0};
    default_signals();
    process_die_with_parent();
    setsid();
    if (set_limits(p, &err) < 0)
        fail(l->report, CODE_SETUP, &err);
    /* Processes that share the namespace must not look into this one before it is theirs. */
    if (process_set_dumpable(false) < 0)
        err_set_errno(&err, "dumpable");
    if (err.code || (!(p->flags & PLAN_TERMINAL) && set_streams(l, &err) < 0) || enter(l, &err) < 0)
        fail(l->report, CODE_SETUP, &err);
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (users_find(l->a, root, p->user, p->uid, p->gid, p->groups, p->group_count, &who, &err) < 0)
        fail(l->report, CODE_SETUP, &err);
    if (p->flags & PLAN_TERMINAL && launch_terminal(l, who.uid, &err) < 0)
        fail(l->report, CODE_SETUP, &err);
    if (close_rest(l) < 0 || add_home(l, &who) < 0) {
        err_set_errno(&err, "close descriptors");
        fail(l->report, CODE_SETUP, &err);
    }
    execute(l, &who);
}
