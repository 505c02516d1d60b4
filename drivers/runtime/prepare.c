/* From a specification to a launch plan. See plan.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drivers/runtime/cgroup.h"
#include "drivers/runtime/engine_int.h"
#include "kernel-glue/abi/caps.h"
#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"
#include "kernel-glue/abi/process.h"
#include "kernel-glue/abi/seccomp.h"

enum { PLAN_BYTES = 3 * 1024 * 1024, SPEC_ARENA = 16 * 1024 * 1024, SECCOMP_BYTES = 64 * 1024 };

void prepared_done(struct prepared *p)
{
    while (p->count)
        close(p->fds[--p->count]);
}

static int load(struct engine *e, struct container *c, struct arena *a, struct container_spec *ret_spec, struct err *err)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, PLAN_BYTES);
    int rc = record_read(c->dir, "config.json", &text, err);
    return rc == 0 ? e->o.decode(a, buf_str(&text), ret_spec, err) : rc;
}

/* ---- process ---- */

static int mask_of(const char *const *names, uint64_t *ret_mask, struct err *err)
{
    uint64_t mask = 0;
    for (; *names; names++) {
        int n = caps_number(str_of(*names));
        if (n < 0)
            return err_set(err, E_INVALID, "unknown capability %s", *names);
        mask |= CAPS_BIT(n);
    }
    *ret_mask = mask;
    return 0;
}

static int put_capabilities(struct buf *plan, const struct container_capabilities *c, uint64_t *ret_bounding,
                            struct err *err)
{
    const struct {
        uint8_t tag;
        const char *const *names;
    } sets[] = {{PLAN_BOUNDING, c->bounding}, {PLAN_EFFECTIVE, c->effective}, {PLAN_PERMITTED, c->permitted},
                {PLAN_INHERITABLE, c->inheritable}, {PLAN_AMBIENT, c->ambient}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        uint64_t mask = 0;
        int rc = mask_of(sets[i].names, &mask, err);
        if (rc < 0)
            return rc;
        field_put_u64(plan, sets[i].tag, mask);
        if (sets[i].tag == PLAN_BOUNDING)
            *ret_bounding = mask;
    }
    return 0;
}

static int put_rlimits(struct buf *plan, const struct container_spec *s, struct err *err)
{
    static const struct {
        const char *name;
        int number;
    } table[] = {{"RLIMIT_CPU", RLIMIT_CPU}, {"RLIMIT_FSIZE", RLIMIT_FSIZE}, {"RLIMIT_DATA", RLIMIT_DATA},
                 {"RLIMIT_STACK", RLIMIT_STACK}, {"RLIMIT_CORE", RLIMIT_CORE}, {"RLIMIT_RSS", RLIMIT_RSS},
                 {"RLIMIT_NPROC", RLIMIT_NPROC}, {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                 {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_AS", RLIMIT_AS}, {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                 {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                 {"RLIMIT_NICE", RLIMIT_NICE}, {"RLIMIT_RTPRIO", RLIMIT_RTPRIO}, {"RLIMIT_RTTIME", RLIMIT_RTTIME}};
    for (size_t i = 0; i < s->rlimit_count; i++) {
        unsigned char p[24];
        uint64_t v[3] = {UINT64_MAX, s->rlimits[i].soft, s->rlimits[i].hard};
        for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
            if (cstr_eq(table[k].name, s->rlimits[i].type))
                v[0] = (uint64_t)table[k].number;
        if (v[0] == UINT64_MAX)
            return err_set(err, E_INVALID, "unknown resource limit %s", s->rlimits[i].type);
        for (int k = 0; k < 24; k++)
            p[k] = (unsigned char)(v[k / 8] >> (8 * (k % 8)));
        field_put(plan, PLAN_RLIMIT, str_make(p, sizeof p));
    }
    return 0;
}

static int put_seccomp(struct buf *plan, const struct container_spec *s, uint64_t bounding, struct err *err)
{
    struct buf program CLEANUP_BUF;
    const char *profile = container_annotation(s, "dev.keelson.seccomp");
    buf_init(&program, SECCOMP_BYTES);
    if (s->has_seccomp || strncmp(profile, "Localhost:", 10) == 0)
        return err_set(err, E_UNSUPPORTED, "seccomp profile %s: only RuntimeDefault and Unconfined are supported", profile);
    if (!profile[0] || cstr_eq(profile, "Unconfined"))
        return 0;
    if (!cstr_eq(profile, "RuntimeDefault"))
        return err_set(err, E_INVALID, "seccomp profile %s: unknown", profile);
    int rc = seccomp_default_filter(bounding, &program);
    if (rc == 0)
        field_put(plan, PLAN_SECCOMP, buf_str(&program));
    return rc;
}

static void put_user(struct buf *plan, const struct container_user *u)
{
    field_put_cstr(plan, PLAN_USER, u->name);
    if (u->uid >= 0)
        field_put_u64(plan, PLAN_UID, (uint64_t)u->uid);
    if (u->gid >= 0)
        field_put_u64(plan, PLAN_GID, (uint64_t)u->gid);
    for (size_t i = 0; i < u->group_count; i++)
        field_put_u64(plan, PLAN_GROUP, u->groups[i]);
    if (u->umask >= 0)
        field_put_u64(plan, PLAN_UMASK, (uint64_t)u->umask);
}

static int put_process(struct buf *plan, const struct container_spec *s, const char *const *args, struct err *err)
{
    uint64_t bounding = 0;
    if (!*args)
        return err_set(err, E_INVALID, "no command");
    for (const char *const *p = args; *p; p++)
        field_put_cstr(plan, PLAN_ARG, *p);
    for (const char *const *p = s->env; *p; p++)
        field_put_cstr(plan, PLAN_ENV, *p);
    field_put_cstr(plan, PLAN_CWD, s->cwd[0] ? s->cwd : "/");
    put_user(plan, &s->user);
    int rc = put_capabilities(plan, &s->capabilities, &bounding, err);
    if (rc == 0)
        rc = put_rlimits(plan, s, err);
    if (rc == 0)
        rc = put_seccomp(plan, s, bounding, err);
    if (s->oom_score_adj >= -1000)
        field_put_u64(plan, PLAN_OOM_ADJUST, (uint64_t)(s->oom_score_adj + 1000));
    return rc;
}

/* ---- container ---- */

static unsigned start_flags(const struct container *c, const struct container_spec *s)
{
    unsigned flags = PLAN_MAKE_CWD | PLAN_STDOUT | PLAN_STDERR;
    flags |= c->tty || s->terminal ? PLAN_TERMINAL : 0;
    flags |= s->no_new_privs ? PLAN_NO_NEW_PRIVS : 0;
    flags |= c->read_only_root || s->root_read_only ? PLAN_ROOT_READ_ONLY : 0;
    flags |= c->stdin_open ? PLAN_STDIN : 0;
    flags |= c->stdin_once ? PLAN_STDIN_ONCE : 0;
    for (size_t i = 0; i < s->namespace_count; i++) {
        if (cstr_eq(s->namespaces[i].type, "pid"))
            flags |= PLAN_NEW_PID;
        if (cstr_eq(s->namespaces[i].type, "cgroup"))
            flags |= PLAN_NEW_CGROUP;
    }
    for (size_t i = 0; i < s->mount_count; i++)
        if (cstr_eq(s->mounts[i].destination, "/dev") && cstr_eq(s->mounts[i].type, "tmpfs"))
            flags |= PLAN_DEVICES;
    return flags;
}

static void put_devices(struct buf *plan, const struct container_spec *s)
{
    for (size_t i = 0; i < s->device_count; i++)
        prepare_device(plan, &s->devices[i]);
}

static int open_log_dir(struct container *c, int *ret_fd, struct err *err)
{
    char path[ENGINE_PATH_BYTES * 2];
    const char *slash = strrchr(c->log_path, '/');
    int opath;
    if (!str_copy(path, sizeof path, str_make(c->log_path, slash ? (size_t)(slash - c->log_path) : 0)))
        return err_set(err, E_LIMIT, "log path is too long");
    if (path_make_dirs(c->pod->e->logs_dir, path[0] ? path : ".", 0755, 0, 0, &opath) < 0)
        return err_set_errno(err, "log directory %s", path);
    *ret_fd = openat(opath, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(opath);
    return *ret_fd < 0 ? err_set_errno(err, "log directory %s", path) : 0;
}

static int make_cgroup(struct container *c, const struct container_spec *s, int *ret_fd, struct err *err)
{
    char path[ENGINE_PATH_BYTES];
    int rc;
    container_cgroup_path(c, path);
    if ((rc = cgroup_make(c->pod->e->cgroup, path, ret_fd, err)) < 0)
        return rc;
    cgroup_end_whole(*ret_fd);
    if ((rc = cgroup_apply(*ret_fd, &s->resources, err)) < 0)
        close(*ret_fd);
    return rc;
}

/* fd by address: it is written while the arguments are evaluated. */
static int keep(struct prepared *p, int rc, const int *fd)
{
    if (rc == 0)
        p->fds[p->count++] = *fd;
    return rc;
}

/* The order of descriptors that SHIM_START wants: plan (put in at the end), container, log, root, cgroup. */
static int open_fixed(struct container *c, const struct container_spec *s, struct prepared *out, struct err *err)
{
    int fd = -1, rc;
    out->fds[out->count++] = open("/dev/null", O_RDONLY | O_CLOEXEC); /* until the plan is complete */
    fd = fcntl(c->dir, F_DUPFD_CLOEXEC, 0);
    rc = keep(out, fd < 0 ? err_set_errno(err, "container directory") : 0, &fd);
    if (rc == 0)
        rc = keep(out, open_log_dir(c, &fd, err), &fd);
    if (rc == 0)
        rc = keep(out, prepare_root(c, &fd, err), &fd);
    if (rc == 0)
        rc = keep(out, make_cgroup(c, s, &fd, err), &fd);
    out->has_cgroup = rc == 0;
    return rc;
}

static int seal(struct plan_writer *w, struct err *err)
{
    int fd, rc;
    if (w->plan.failed)
        return err_set(err, E_TOO_LARGE, "the launch plan is too large");
    rc = process_sealed_memory("plan", w->plan.data, buf_len(&w->plan), false, &fd);
    if (rc < 0)
        return err_set_errno(err, "launch plan");
    close(w->out->fds[0]);
    w->out->fds[0] = fd;
    return 0;
}

static int write_plan(struct container *c, const struct container_spec *s, struct prepared *out, struct err *err)
{
    struct plan_writer w = {.c = c, .out = out, .first_mount = out->count};
    int rc;
    buf_init(&w.plan, PLAN_BYTES);
    field_put_u64(&w.plan, PLAN_FLAGS, start_flags(c, s));
    rc = put_process(&w.plan, s, s->args, err);
    if (s->columns)
        field_put_u64(&w.plan, PLAN_COLUMNS, s->columns);
    if (s->rows)
        field_put_u64(&w.plan, PLAN_ROWS, s->rows);
    for (size_t i = 0; rc == 0 && i < s->mount_count; i++)
        rc = prepare_mount(&w, &s->mounts[i], err);
    for (const char *const *p = s->masked_paths; *p; p++)
        field_put_cstr(&w.plan, PLAN_MASK, *p);
    for (const char *const *p = s->read_only_paths; *p; p++)
        field_put_cstr(&w.plan, PLAN_READ_ONLY, *p);
    put_devices(&w.plan, s);
    if (cstr_eq(container_annotation(s, "dev.keelson.privileged"), "true"))
        prepare_host_devices(&w.plan);
    if (rc == 0)
        rc = seal(&w, err);
    buf_done(&w.plan);
    return rc;
}

int prepare_start(struct container *c, struct prepared *ret_p, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct container_spec s;
    arena_init(&a, SPEC_ARENA);
    int rc = load(c->pod->e, c, &a, &s, err);
    if (rc == 0)
        rc = open_fixed(c, &s, ret_p, err);
    if (rc == 0)
        rc = write_plan(c, &s, ret_p, err);
    return rc;
}

int prepare_exec(struct container *c, const struct runtime_exec *x, struct prepared *ret_p, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct container_spec s;
    struct plan_writer w = {.c = c, .out = ret_p};
    int fd;
    arena_init(&a, SPEC_ARENA);
    int rc = load(c->pod->e, c, &a, &s, err);
    if (rc < 0)
        return rc;
    buf_init(&w.plan, PLAN_BYTES);
    ret_p->fds[ret_p->count++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    field_put_u64(&w.plan, PLAN_FLAGS,
                  PLAN_EXEC | (x->tty ? PLAN_TERMINAL : 0) | (x->in ? PLAN_STDIN : 0) | (x->out ? PLAN_STDOUT : 0) |
                      (x->error ? PLAN_STDERR : 0) | (s.no_new_privs ? PLAN_NO_NEW_PRIVS : 0));
    s.oom_score_adj = s.oom_score_adj < -1000 ? 0 : s.oom_score_adj;
    rc = put_process(&w.plan, &s, x->args, err);
    if (rc == 0)
        rc = seal(&w, err);
    if (rc == 0)
        rc = keep(ret_p, make_cgroup(c, &s, &fd, err), &fd);
    ret_p->has_cgroup = rc == 0;
    buf_done(&w.plan);
    return rc;
}

/* What can be told before anything is made. */
int prepare_check(struct engine *e, struct str json, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct container_spec s;
    struct buf scratch CLEANUP_BUF;
    arena_init(&a, SPEC_ARENA);
    buf_init(&scratch, PLAN_BYTES);
    int rc = e->o.decode(&a, json, &s, err);
    if (rc == 0)
        rc = put_process(&scratch, &s, s.args, err);
    return rc;
}
