/* The mounts of a container: what every container has, then its volumeMounts. See spec.h. */
#include "node/env.h"
#include "node/spec.h"

struct fixed {
    const char *destination, *type, *source, *options; /* options: comma-separated */
};

static const struct fixed always[] = {
    {"/proc", "proc", "proc", "nosuid,noexec,nodev"},
    {"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
    {"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
    {"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
    {"/dev/shm", "bind", "pod:shm", "rbind,rw"},
    {"/etc/hosts", "bind", "pod:hosts", "rbind,rprivate,rw"},
    {"/etc/hostname", "bind", "pod:hostname", "rbind,rprivate,rw"},
    {"/etc/resolv.conf", "bind", "pod:resolv.conf", "rbind,rprivate,rw"},
};

static struct json *put_mount(struct arena *a, struct json *list, const char *destination,
                              const char *type, const char *source, const char *options)
{
    struct json *m = json_new(a, JSON_OBJECT), *array;
    struct str rest = str_of(options), part;
    json_set_cstr(a, m, "destination", destination);
    json_set_cstr(a, m, "type", type);
    json_set_cstr(a, m, "source", source);
    array = json_array_at(a, m, "options");
    while (str_split(&rest, ',', &part))
        json_append(a, array, json_new_str(a, part));
    return json_append(a, list, m);
}

static const struct json *by_name(const struct json *list, const char *name)
{
    for (struct json *j = json_first(list); j; j = j->next)
        if (cstr_eq(json_path_cstr(j, "name"), name))
            return j;
    return NULL;
}

/* No "..", not absolute (CVE-2017-1002101: what a link does is the runtime's to check). */
static bool sub_path_ok(struct str path)
{
    struct str part;
    if (path.n && path.p[0] == '/')
        return false;
    while (str_split(&path, '/', &part))
        if (str_is(part, ".."))
            return false;
    return true;
}

static const char *propagation(const struct json *mount)
{
    const char *mode = json_path_cstr(mount, "mountPropagation");
    if (cstr_eq(mode, "Bidirectional"))
        return "rshared";
    return cstr_eq(mode, "HostToContainer") ? "rslave" : "rprivate";
}

static int put_volume(struct step *s, const struct json *mount, const struct env *env,
                      struct json *list, struct err *err)
{
    const char *name = json_path_cstr(mount, "name");
    const struct json *volume = by_name(json_get(s->spec, "volumes"), name);
    const char *path = json_path_cstr(mount, "mountPath");
    struct str sub = json_path_str(mount, "subPath"), expr = json_path_str(mount, "subPathExpr");
    if (!volume)
        return err_set(err, E_INVALID, "volumeMount %s names no volume of the pod", name);
    if (expr.n)
        sub = env_expand(s->a, env, expr);
    if (!sub_path_ok(sub))
        return err_set(err, E_INVALID, "subPath " STR_FMT " must be relative and without \"..\"", STR_ARG(sub));
    const struct json *host = json_get(volume, "hostPath");
    const char *root = host ? json_path_cstr(host, "path") : name;
    const char *source = arena_printf(s->a, "%s:%s%s" STR_FMT, host ? "host" : "volume", root,
                                      sub.n ? host ? "//" : "/" : "", STR_ARG(sub)); /* "//": where the host's own path ends */
    const char *options = arena_printf(s->a, "rbind,%s,%s", propagation(mount),
                                       json_path_bool(mount, "readOnly", false) ? "ro" : "rw");
    if (path[0] != '/')
        path = arena_printf(s->a, "/%s", path);
    put_mount(s->a, list, path, "bind", source, options);
    return 0;
}

static bool mounted_by_user(const struct json *container, const char *destination)
{
    for (struct json *m = json_first(json_get(container, "volumeMounts")); m; m = m->next)
        if (cstr_eq(json_path_cstr(m, "mountPath"), destination))
            return true;
    return false;
}

int mounts_build(struct step *s, const struct container *c, const struct json *container,
                 const struct env *env, struct json *ret_array, struct err *err)
{
    bool writable_sys = security_privileged(container);
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (!mounted_by_user(container, always[i].destination))
            put_mount(s->a, ret_array, always[i].destination, always[i].type, always[i].source,
                      always[i].options);
    put_mount(s->a, ret_array, "/sys", "sysfs", "sysfs", writable_sys ? "nosuid,noexec,nodev,rw"
                                                                      : "nosuid,noexec,nodev,ro");
    put_mount(s->a, ret_array, "/sys/fs/cgroup", "cgroup2", "cgroup",
              writable_sys ? "nosuid,noexec,nodev,relatime,rw" : "nosuid,noexec,nodev,relatime,ro");
    for (struct json *m = json_first(json_get(container, "volumeMounts")); m; m = m->next) {
        int rc = put_volume(s, m, env, ret_array, err);
        if (rc < 0)
            return rc;
    }
    const char *message_path = json_path_cstr(container, "terminationMessagePath");
    put_mount(s->a, ret_array, message_path[0] ? message_path : "/dev/termination-log", "bind",
              arena_printf(s->a, "pod:termination/%s", c->name), "rbind,rprivate,rw");
    return 0;
}
