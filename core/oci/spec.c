/* See spec.h. A `reader` remembers the first thing that was wrong; later reads change nothing. */
#include "oci/spec.h"

#include "codec/json.h"

struct reader {
    struct arena *a;
    int rc;
    struct err *err;
};

static void wrong(struct reader *r, const char *where, const char *name, const char *expected)
{
    if (r->rc == 0)
        r->rc = err_set(r->err, E_INVALID, "%s%s%s: must be %s", where, where[0] ? "." : "", name, expected);
}

/* A checked pointer of `count` elements; one element more so that empty lists are not NULL. */
static void *room(struct reader *r, size_t count, size_t size)
{
    void *p = arena_zalloc(r->a, (count + 1) * size);
    if (!p && r->rc == 0)
        r->rc = err_set(r->err, E_NOMEM, "out of memory");
    return p;
}

static bool has(struct reader *r, const struct json *j)
{
    return r->rc == 0 && !json_absent(j);
}

static const char *text_of(struct reader *r, const struct json *j, const char *where, const char *name)
{
    if (!has(r, j))
        return "";
    struct str s = json_str(j);
    if (!json_is(j, JSON_STRING) || memchr(s.p, 0, s.n))
        wrong(r, where, name, "a string without NUL");
    return r->rc == 0 ? s.p : "";
}

static const char *text(struct reader *r, const struct json *o, const char *where, const char *name)
{
    return text_of(r, json_get(o, name), where, name);
}

static int64_t number(struct reader *r, const struct json *o, const char *where, const char *name, int64_t otherwise)
{
    const struct json *j = json_get(o, name);
    if (has(r, j) && !json_is(j, JSON_INT))
        wrong(r, where, name, "an integer");
    return has(r, j) ? json_i64(j, otherwise) : otherwise;
}

static bool boolean(struct reader *r, const struct json *o, const char *where, const char *name)
{
    const struct json *j = json_get(o, name);
    if (has(r, j) && !json_is(j, JSON_BOOL))
        wrong(r, where, name, "true or false");
    return has(r, j) && json_bool(j, false);
}

/* Member that must be an array (or object) when it is there. */
static const struct json *list(struct reader *r, const struct json *o, const char *where, const char *name,
                               enum json_type type)
{
    const struct json *j = json_get(o, name);
    if (has(r, j) && !json_is(j, type))
        wrong(r, where, name, type == JSON_ARRAY ? "a list" : "an object");
    return has(r, j) ? j : NULL;
}

static const char *const *texts(struct reader *r, const struct json *o, const char *where, const char *name)
{
    const struct json *array = list(r, o, where, name, JSON_ARRAY);
    const char **out = room(r, json_count(array), sizeof *out);
    size_t n = 0;
    for (const struct json *j = json_first(array); out && j; j = j->next)
        out[n++] = text_of(r, j, where, name);
    return out;
}

static const struct container_pair *pairs(struct reader *r, const struct json *o, const char *where,
                                          const char *name, size_t *ret_count)
{
    const struct json *object = list(r, o, where, name, JSON_OBJECT);
    struct container_pair *out = room(r, json_count(object), sizeof *out);
    size_t n = 0;
    for (const struct json *j = json_first(object); out && j; j = j->next) {
        out[n].name = j->key.p;
        out[n++].value = text_of(r, j, where, name);
    }
    *ret_count = n;
    return out;
}

/* ---- process ---- */

static void read_user(struct reader *r, const struct json *process, struct container_user *user)
{
    static const char where[] = "process.user";
    const struct json *u = list(r, process, "process", "user", JSON_OBJECT);
    const struct json *groups = list(r, u, where, "additionalGids", JSON_ARRAY);
    uint32_t *out = room(r, json_count(groups), sizeof *out);
    user->name = text(r, u, where, "username");
    user->uid = number(r, u, where, "uid", user->name[0] ? -1 : 0);
    user->gid = number(r, u, where, "gid", user->name[0] ? -1 : 0);
    user->umask = number(r, u, where, "umask", -1);
    if (user->uid < -1 || user->uid >= INT32_MAX)
        wrong(r, where, "uid", "between 0 and 2147483646");
    if (user->gid < -1 || user->gid >= INT32_MAX)
        wrong(r, where, "gid", "between 0 and 2147483646");
    for (const struct json *j = json_first(groups); out && j; j = j->next) {
        int64_t gid = json_i64(j, -1);
        if (!json_is(j, JSON_INT) || gid < 0 || gid >= INT32_MAX)
            wrong(r, where, "additionalGids", "numbers between 0 and 2147483646");
        out[user->group_count++] = (uint32_t)gid;
    }
    user->groups = out;
}

static void read_rlimits(struct reader *r, const struct json *process, struct container_spec *s)
{
    static const char where[] = "process.rlimits";
    const struct json *array = list(r, process, "process", "rlimits", JSON_ARRAY);
    struct container_rlimit *out = room(r, json_count(array), sizeof *out);
    for (const struct json *j = json_first(array); out && j; j = j->next) {
        struct container_rlimit *one = &out[s->rlimit_count++];
        one->type = text(r, j, where, "type");
        /* -1 and numbers past int64 both mean "unlimited" to what writes them. */
        one->soft = (uint64_t)json_i64(json_get(j, "soft"), -1);
        one->hard = (uint64_t)json_i64(json_get(j, "hard"), -1);
        if (one->soft > one->hard)
            wrong(r, where, one->type, "a soft limit not above the hard one");
    }
    s->rlimits = out;
}

static void read_process(struct reader *r, const struct json *root, struct container_spec *s)
{
    static const char where[] = "process";
    const struct json *p = list(r, root, "", where, JSON_OBJECT);
    const struct json *caps = list(r, p, where, "capabilities", JSON_OBJECT);
    const struct json *size = list(r, p, where, "consoleSize", JSON_OBJECT);
    static const char caps_where[] = "process.capabilities";
    s->args = texts(r, p, where, "args");
    s->env = texts(r, p, where, "env");
    s->cwd = text(r, p, where, "cwd");
    s->terminal = boolean(r, p, where, "terminal");
    s->no_new_privs = boolean(r, p, where, "noNewPrivileges");
    s->columns = (uint16_t)number(r, size, "process.consoleSize", "width", 0);
    s->rows = (uint16_t)number(r, size, "process.consoleSize", "height", 0);
    s->oom_score_adj = number(r, p, where, "oomScoreAdj", -1001);
    s->capabilities.bounding = texts(r, caps, caps_where, "bounding");
    s->capabilities.effective = texts(r, caps, caps_where, "effective");
    s->capabilities.permitted = texts(r, caps, caps_where, "permitted");
    s->capabilities.inheritable = texts(r, caps, caps_where, "inheritable");
    s->capabilities.ambient = texts(r, caps, caps_where, "ambient");
    read_user(r, p, &s->user);
    read_rlimits(r, p, s);
    if (p && s->cwd[0] != '/')
        wrong(r, where, "cwd", "an absolute path");
}

/* ---- mounts, namespaces, maps, devices ---- */

static void read_mounts(struct reader *r, const struct json *root, struct container_spec *s)
{
    const struct json *array = list(r, root, "", "mounts", JSON_ARRAY);
    struct container_mount *out = room(r, json_count(array), sizeof *out);
    for (const struct json *j = json_first(array); out && j; j = j->next) {
        struct container_mount *m = &out[s->mount_count++];
        m->destination = text(r, j, "mounts", "destination");
        m->type = text(r, j, "mounts", "type");
        m->source = text(r, j, "mounts", "source");
        m->options = texts(r, j, "mounts", "options");
        if (m->destination[0] != '/')
            wrong(r, "mounts", "destination", "an absolute path");
    }
    s->mounts = out;
}

static void read_namespaces(struct reader *r, const struct json *section, struct container_spec *s)
{
    static const char *const known[] = {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"};
    const struct json *array = list(r, section, "linux", "namespaces", JSON_ARRAY);
    struct container_namespace *out = room(r, json_count(array), sizeof *out);
    for (const struct json *j = json_first(array); out && j; j = j->next) {
        struct container_namespace *n = &out[s->namespace_count++];
        bool found = false;
        n->type = text(r, j, "linux.namespaces", "type");
        n->path = text(r, j, "linux.namespaces", "path");
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found |= cstr_eq(known[i], n->type);
        for (size_t i = 0; i + 1 < s->namespace_count; i++)
            if (cstr_eq(out[i].type, n->type))
                found = false;
        if (!found)
            wrong(r, "linux.namespaces", "type", "a namespace of Linux, named once");
    }
    s->namespaces = out;
}

static const struct container_id_map *read_map(struct reader *r, const struct json *section, const char *name,
                                               size_t *ret_count)
{
    const struct json *array = list(r, section, "linux", name, JSON_ARRAY);
    struct container_id_map *out = room(r, json_count(array), sizeof *out);
    size_t n = 0;
    for (const struct json *j = json_first(array); out && j; j = j->next, n++) {
        out[n].inside = (uint32_t)number(r, j, name, "containerID", 0);
        out[n].outside = (uint32_t)number(r, j, name, "hostID", 0);
        out[n].count = (uint32_t)number(r, j, name, "size", 0);
    }
    *ret_count = n;
    return out;
}

static void read_devices(struct reader *r, const struct json *section, struct container_spec *s)
{
    static const char where[] = "linux.devices";
    const struct json *array = list(r, section, "linux", "devices", JSON_ARRAY);
    struct container_device *out = room(r, json_count(array), sizeof *out);
    for (const struct json *j = json_first(array); out && j; j = j->next) {
        struct container_device *d = &out[s->device_count++];
        d->path = text(r, j, where, "path");
        d->type = text(r, j, where, "type")[0];
        d->type = d->type == 'u' ? 'c' : d->type;
        d->major = number(r, j, where, "major", 0);
        d->minor = number(r, j, where, "minor", 0);
        d->mode = (uint32_t)number(r, j, where, "fileMode", 0666) & 07777;
        d->uid = (uint32_t)number(r, j, where, "uid", 0);
        d->gid = (uint32_t)number(r, j, where, "gid", 0);
        if (d->path[0] != '/' || !d->type || !strchr("cbp", d->type))
            wrong(r, where, "path", "absolute, and type one of c, b, u, p");
    }
    s->devices = out;
}

static void read_resources(struct reader *r, const struct json *o, struct container_resources *out)
{
    const struct json *memory = list(r, o, "linux.resources", "memory", JSON_OBJECT);
    const struct json *cpu = list(r, o, "linux.resources", "cpu", JSON_OBJECT);
    const struct json *pids = list(r, o, "linux.resources", "pids", JSON_OBJECT);
    out->memory_limit = number(r, memory, "memory", "limit", -1);
    out->memory_reservation = number(r, memory, "memory", "reservation", -1);
    out->memory_swap = number(r, memory, "memory", "swap", -1);
    out->cpu_shares = number(r, cpu, "cpu", "shares", -1);
    out->cpu_quota = number(r, cpu, "cpu", "quota", -1);
    out->cpu_period = number(r, cpu, "cpu", "period", -1);
    out->cpus = text(r, cpu, "cpu", "cpus");
    out->mems = text(r, cpu, "cpu", "mems");
    out->pids_limit = number(r, pids, "pids", "limit", -1);
    out->unified = pairs(r, o, "linux.resources", "unified", &out->unified_count);
}

static void read_linux(struct reader *r, const struct json *root, struct container_spec *s)
{
    const struct json *section = list(r, root, "", "linux", JSON_OBJECT);
    read_namespaces(r, section, s);
    s->uid_maps = read_map(r, section, "uidMappings", &s->uid_map_count);
    s->gid_maps = read_map(r, section, "gidMappings", &s->gid_map_count);
    read_devices(r, section, s);
    s->masked_paths = texts(r, section, "linux", "maskedPaths");
    s->read_only_paths = texts(r, section, "linux", "readonlyPaths");
    s->sysctls = pairs(r, section, "linux", "sysctl", &s->sysctl_count);
    s->cgroups_path = text(r, section, "linux", "cgroupsPath");
    s->root_propagation = text(r, section, "linux", "rootfsPropagation");
    s->has_seccomp = !json_absent(json_get(section, "seccomp"));
    read_resources(r, list(r, section, "linux", "resources", JSON_OBJECT), &s->resources);
}

int oci_spec_decode(struct arena *a, struct str json, struct container_spec *ret_spec, struct err *err)
{
    struct reader r = {.a = a, .err = err};
    struct container_spec s = {0};
    struct json *root;
    int rc = json_parse(a, json, NULL, &root, err);
    if (rc < 0)
        return rc;
    if (!json_is(root, JSON_OBJECT))
        return err_set(err, E_INVALID, "the configuration must be an object");
    if (!str_starts(json_path_str(root, "ociVersion"), STR("1.")))
        wrong(&r, "", "ociVersion", "1.x");
    const struct json *top = list(&r, root, "", "root", JSON_OBJECT);
    read_process(&r, root, &s);
    s.root_path = text(&r, top, "root", "path");
    s.root_read_only = boolean(&r, top, "root", "readonly");
    s.hostname = text(&r, root, "", "hostname");
    read_mounts(&r, root, &s);
    read_linux(&r, root, &s);
    s.annotations = pairs(&r, root, "", "annotations", &s.annotation_count);
    if (r.rc == 0 && a->failed)
        r.rc = err_set(err, E_NOMEM, "out of memory");
    if (r.rc == 0)
        *ret_spec = s;
    return r.rc;
}

int oci_resources_decode(struct arena *a, struct str json, struct container_resources *ret_resources,
                         struct err *err)
{
    struct reader r = {.a = a, .err = err};
    struct container_resources out = {0};
    struct json *root;
    int rc = json_parse(a, json, NULL, &root, err);
    if (rc < 0)
        return rc;
    read_resources(&r, root, &out);
    if (r.rc == 0)
        *ret_resources = out;
    return r.rc;
}
