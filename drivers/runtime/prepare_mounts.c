/*
 * The mounts of a container, made ready here, where the sources are: detached mounts whose
 * descriptors go to the shim. Sources inside volumes are resolved inside the volume, whatever links
 * a container has planted there. See port/runtime.h for the spelling of sources.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "drivers/runtime/engine_int.h"
#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"

enum { LAYER_TEXT = LIMIT_IMAGE_LAYERS * 512, MOUNT_OPTIONS = 32 };

struct options {
    bool bind, recursive;
    unsigned set, clear;
    enum mount_propagation propagation;
    const char *rest[MOUNT_OPTIONS]; /* the file system's own */
    size_t rest_count;
};

static int read_options(const struct container_mount *m, struct options *ret_o, struct err *err)
{
    static const struct {
        const char *name;
        unsigned set, clear;
    } flags[] = {{"ro", MOUNT_READ_ONLY, 0}, {"rw", 0, MOUNT_READ_ONLY}, {"nosuid", MOUNT_NO_SUID, 0},
                 {"suid", 0, MOUNT_NO_SUID}, {"nodev", MOUNT_NO_DEV, 0}, {"dev", 0, MOUNT_NO_DEV},
                 {"noexec", MOUNT_NO_EXEC, 0}, {"exec", 0, MOUNT_NO_EXEC}, {"noatime", MOUNT_NO_ATIME, 0},
                 {"strictatime", MOUNT_STRICT_ATIME, 0}, {"nodiratime", MOUNT_NO_DIR_ATIME, 0},
                 {"nosymfollow", MOUNT_NO_SYMLINK_FOLLOW, 0}, {"relatime", 0, 0}, {"defaults", 0, 0}};
    static const struct {
        const char *name;
        enum mount_propagation propagation;
    } kinds[] = {{"private", MOUNT_PRIVATE}, {"slave", MOUNT_SLAVE}, {"shared", MOUNT_SHARED},
                 {"unbindable", MOUNT_UNBINDABLE}};
    struct options o = {.bind = cstr_eq(m->type, "bind")};
    for (const char *const *p = m->options; *p; p++) {
        bool known = false;
        const char *plain = (*p)[0] == 'r' ? *p + 1 : *p;
        for (size_t i = 0; i < sizeof flags / sizeof flags[0] && !known; i++)
            if ((known = cstr_eq(*p, flags[i].name))) {
                o.set = (o.set & ~flags[i].clear) | flags[i].set;
                o.clear = (o.clear & ~flags[i].set) | flags[i].clear;
            }
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !known; i++)
            if ((known = cstr_eq(*p, kinds[i].name) || cstr_eq(plain, kinds[i].name)))
                o.propagation = kinds[i].propagation;
        if (!known && (cstr_eq(*p, "bind") || cstr_eq(*p, "rbind"))) {
            o.bind = known = true;
            o.recursive = (*p)[0] == 'r';
        }
        if (!known && o.rest_count == MOUNT_OPTIONS)
            return err_set(err, E_LIMIT, "mount at %s: more than %d options", m->destination, MOUNT_OPTIONS);
        if (!known)
            o.rest[o.rest_count++] = *p;
    }
    *ret_o = o;
    return 0;
}

/* ---- sources ---- */

/* What is behind `sub` in the volume; a missing one becomes a directory, as upstream has it. */
static int open_sub(int root, const char *sub, int *ret_fd, struct err *err)
{
    while (*sub == '/')
        sub++;
    int rc = path_open_in(root, sub[0] ? sub : ".", O_PATH, 0, ret_fd);
    if (rc == -E_NOT_FOUND && errno == ENOENT)
        rc = path_make_dirs(root, sub, 0750, 0, 0, ret_fd);
    return rc < 0 ? err_set_errno(err, "subPath %s", sub) : 0;
}

static int volume_source(struct pod *p, const char *what, int *ret_fd, struct err *err)
{
    char name[ENGINE_UID_BYTES], path[ENGINE_PATH_BYTES];
    const char *slash = strchr(what, '/');
    struct str text = slash ? str_make(what, (size_t)(slash - what)) : str_of(what);
    int root, rc;
    if (!str_copy(name, sizeof name, text) || !record_name_ok(name, sizeof name))
        return err_set(err, E_BAD_REQUEST, "volume " STR_FMT ": bad name", STR_ARG(text));
    snprintf(path, sizeof path, "volumes/%s", name);
    if (path_open_plain(p->dir, path, O_PATH | O_DIRECTORY, false, &root) < 0)
        return err_set_errno(err, "volume %s", name);
    if (!slash) {
        *ret_fd = root;
        return 0;
    }
    rc = open_sub(root, slash, ret_fd, err);
    close(root);
    return rc < 0 ? err_wrap(err, rc, "volume %s", name) : 0;
}

/* "<path>" or "<path>//<subPath>": the sub path is confined to what the path names. */
static int host_source(const char *what, int *ret_fd, struct err *err)
{
    char path[4096];
    const char *sub = strstr(what, "//");
    struct str text = sub ? str_make(what, (size_t)(sub - what)) : str_of(what);
    if (what[0] != '/' || !str_copy(path, sizeof path, text.n ? text : STR("/")))
        return err_set(err, E_BAD_REQUEST, "hostPath %s: must be absolute", what);
    int root = open(path, O_PATH | O_CLOEXEC);
    if (root < 0)
        return err_set_errno(err, "hostPath %s", path);
    if (!sub) {
        *ret_fd = root;
        return 0;
    }
    int rc = open_sub(root, sub + 2, ret_fd, err);
    close(root);
    return rc < 0 ? err_wrap(err, rc, "hostPath %s", path) : 0;
}

static int open_source(struct container *c, const char *source, int *ret_fd, struct err *err)
{
    if (strncmp(source, "volume:", 7) == 0)
        return volume_source(c->pod, source + 7, ret_fd, err);
    if (strncmp(source, "host:", 5) == 0)
        return host_source(source + 5, ret_fd, err);
    if (strncmp(source, "pod:", 4) == 0)
        return pod_source(c->pod, c, source + 4, ret_fd, err);
    return err_set(err, E_BAD_REQUEST, "mount source %s: must begin with volume:, host: or pod:", source);
}

static int bind_mount(struct plan_writer *w, const struct container_mount *m, const struct options *o,
                      struct err *err)
{
    struct stat st;
    int source, fd, rc = open_source(w->c, m->source, &source, err);
    if (rc < 0)
        return rc;
    if (w->out->count == PREPARED_FDS)
        rc = err_set(err, E_LIMIT, "more than %d mounts", PREPARED_FDS);
    else if (fstat(source, &st) < 0 || mount_clone(source, o->recursive, &fd) < 0)
        rc = err_set_errno(err, "bind %s", m->source);
    close(source);
    if (rc < 0)
        return rc;
    if (mount_set(fd, o->set, o->clear, o->propagation ? o->propagation : MOUNT_PRIVATE, o->recursive) < 0) {
        rc = err_set_errno(err, "bind %s: attributes", m->source);
        close(fd);
        return rc;
    }
    w->out->fds[w->out->count++] = fd;
    field_put_u64(&w->plan, PLAN_MOUNT_FD, w->out->count - 1 - w->first_mount);
    field_put_u64(&w->plan, PLAN_MOUNT_IS_DIR, S_ISDIR(st.st_mode));
    return 0;
}

int prepare_mount(struct plan_writer *w, const struct container_mount *m, struct err *err)
{
    struct options o = {0};
    int rc = read_options(m, &o, err);
    if (rc < 0)
        return rc;
    field_put_cstr(&w->plan, PLAN_MOUNT, m->destination);
    if (o.bind)
        return bind_mount(w, m, &o, err);
    field_put_cstr(&w->plan, PLAN_MOUNT_TYPE, cstr_eq(m->type, "cgroup") ? "cgroup2" : m->type);
    field_put_cstr(&w->plan, PLAN_MOUNT_SOURCE, m->source);
    field_put_u64(&w->plan, PLAN_MOUNT_ATTRIBUTES, o.set);
    for (size_t i = 0; i < o.rest_count; i++)
        if (!cstr_eq(o.rest[i], "newinstance")) /* every devpts mount is one today */
            field_put_cstr(&w->plan, PLAN_MOUNT_OPTION, o.rest[i]);
    return 0;
}

/* ---- the root ---- */

int prepare_root(struct container *c, int *ret_fd, struct err *err)
{
    struct engine *e = c->pod->e;
    struct buf text CLEANUP_BUF;
    struct arena a CLEANUP_ARENA;
    const char *options[LIMIT_IMAGE_LAYERS + 4];
    char dir[PATH_FD_TEXT];
    size_t n = 0;
    buf_init(&text, LAYER_TEXT);
    arena_init(&a, 2 * LAYER_TEXT);
    int rc = e->o.images && e->o.images->layers ? e->o.images->layers(e->o.images_self, c->image_id, &text, err)
                                                : err_set(err, E_UNSUPPORTED, "no image store");
    struct str rest = buf_str(&text), layer;
    while (rc == 0 && str_split(&rest, ':', &layer)) {
        if (n == LIMIT_IMAGE_LAYERS)
            return err_set(err, E_LIMIT, "more than %d layers", LIMIT_IMAGE_LAYERS);
        options[n++] = arena_printf(&a, "lowerdir+=" STR_FMT, STR_ARG(layer));
    }
    if (rc < 0)
        return rc;
    if (!n)
        return err_set(err, E_NOT_FOUND, "image %s has no layers", c->image_id);
    path_of_fd(c->dir, dir);
    options[n++] = arena_printf(&a, "upperdir=%s/upper", dir);
    options[n++] = arena_printf(&a, "workdir=%s/work", dir);
    options[n++] = "userxattr";
    options[n] = NULL;
    if (a.failed)
        return err_set(err, E_NOMEM, "out of memory");
    return mount_new("overlay", "overlay", options, 0, ret_fd, err);
}
