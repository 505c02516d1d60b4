/* What the engine writes down. Small JSON files, replaced whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"
#include "drivers/runtime/engine_int.h"

bool record_name_ok(const char *name, size_t max)
{
    size_t n = name ? strlen(name) : 0;
    if (!n || n >= max || name[0] == '.')
        return false;
    for (const char *p = name; *p; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
            *p != '-' && *p != '_' && *p != '.')
            return false;
    return true;
}

int record_dir(int parent, const char *path, mode_t mode, int *ret_fd, struct err *err)
{
    if (mkdirat(parent, path, mode) < 0 && errno != EEXIST)
        return err_set_errno(err, "mkdir %s", path);
    int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set_errno(err, "open %s", path);
    *ret_fd = fd;
    return 0;
}

int record_write(int dir, const char *name, struct str bytes, struct err *err)
{
    char temporary[300];
    snprintf(temporary, sizeof temporary, "%s.new", name);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "%s", name);
    ssize_t n = bytes.n ? write(fd, bytes.p, bytes.n) : 0;
    if (n >= 0 && (size_t)n < bytes.n)
        errno = ENOSPC;
    bool failed = n != (ssize_t)bytes.n || renameat(dir, temporary, dir, name) < 0;
    if (failed) {
        err_set_errno(err, "%s", name);
        unlinkat(dir, temporary, 0);
    }
    close(fd);
    return failed ? -E_IO : 0;
}

int record_read(int dir, const char *name, struct buf *out, struct err *err)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc = 0;
    if (fd < 0)
        return err_set_errno(err, "%s", name);
    for (;;) {
        char *p = buf_reserve(out, 8192);
        ssize_t n = p ? read(fd, p, 8192) : 0;
        if (!p || n < 0)
            rc = p ? err_set_errno(err, "%s", name) : err_set(err, E_TOO_LARGE, "%s: too large", name);
        if (n <= 0)
            break;
        buf_commit(out, (size_t)n);
    }
    close(fd);
    return rc;
}

void record_boot_id(char ret_id[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret_id, 36);
    if (fd >= 0)
        close(fd);
    ret_id[n > 0 ? n : 0] = 0;
}

static int write_json(int dir, const char *name, struct arena *a, const struct json *j, struct err *err)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, ENGINE_RECORD_BYTES);
    json_write(&out, j);
    return out.failed || a->failed ? err_set(err, E_NOMEM, "out of memory") : record_write(dir, name, buf_str(&out), err);
}

static int read_json(int dir, const char *name, struct arena *a, struct json **ret_j, struct err *err)
{
    struct buf in CLEANUP_BUF;
    buf_init(&in, ENGINE_RECORD_BYTES);
    int rc = record_read(dir, name, &in, err);
    if (rc == 0)
        rc = json_parse(a, buf_str(&in), NULL, ret_j, err);
    return rc;
}

static char *copy(const struct json *j, const char *key)
{
    return mem_strdup(json_path_cstr(j, key));
}

/* ---- pod ---- */

int record_pod_write(const struct pod *p, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    char text[NET_ADDR_TEXT];
    arena_init(&a, ENGINE_RECORD_BYTES);
    struct json *j = json_new(&a, JSON_OBJECT), *addrs;
    json_set_cstr(&a, j, "uid", p->uid);
    json_set_cstr(&a, j, "namespace", p->namespace);
    json_set_cstr(&a, j, "name", p->name);
    json_set_cstr(&a, j, "hostname", p->hostname);
    json_set_cstr(&a, j, "cgroup", p->cgroup);
    json_set_bool(&a, j, "hostNetwork", p->host_network);
    json_set_bool(&a, j, "hostPID", p->host_pid);
    json_set_bool(&a, j, "hostIPC", p->host_ipc);
    json_set_cstr(&a, j, "boot", p->e->boot_id);
    json_set_i64(&a, j, "shimPid", p->shim_pid);
    addrs = json_array_at(&a, j, "addrs");
    for (size_t i = 0; i < p->addr_count; i++)
        json_append(&a, addrs, json_new_cstr(&a, net_addr_format(&p->addrs[i], false, text)));
    return write_json(p->dir, "pod.json", &a, j, err);
}

int record_pod_read(struct pod *p, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *j;
    arena_init(&a, ENGINE_RECORD_BYTES);
    int rc = read_json(p->dir, "pod.json", &a, &j, err);
    if (rc < 0)
        return rc;
    p->namespace = copy(j, "namespace");
    p->name = copy(j, "name");
    p->hostname = copy(j, "hostname");
    p->cgroup = copy(j, "cgroup");
    p->host_network = json_path_bool(j, "hostNetwork", false);
    p->host_pid = json_path_bool(j, "hostPID", false);
    p->host_ipc = json_path_bool(j, "hostIPC", false);
    p->shim_pid = cstr_eq(json_path_cstr(j, "boot"), p->e->boot_id) ? (pid_t)json_path_i64(j, "shimPid", 0) : 0;
    for (struct json *m = json_first(json_get(j, "addrs")); m && p->addr_count < RUNTIME_MAX_ADDRS; m = m->next)
        if (net_addr_parse(json_str(m), false, &p->addrs[p->addr_count]) == 0)
            p->addr_count++;
    return p->namespace && p->name && p->hostname && p->cgroup ? 0 : -E_NOMEM;
}

/* ---- container ---- */

int record_container_write(const struct container *c, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, ENGINE_RECORD_BYTES);
    struct json *j = json_new(&a, JSON_OBJECT);
    json_set_cstr(&a, j, "id", c->id);
    json_set_cstr(&a, j, "name", c->name);
    json_set_cstr(&a, j, "image", c->image_id);
    json_set_cstr(&a, j, "log", c->log_path);
    json_set_i64(&a, j, "attempt", c->attempt);
    json_set_bool(&a, j, "readOnlyRoot", c->read_only_root);
    json_set_bool(&a, j, "tty", c->tty);
    json_set_bool(&a, j, "stdin", c->stdin_open);
    json_set_bool(&a, j, "stdinOnce", c->stdin_once);
    return write_json(c->dir, "container.json", &a, j, err);
}

int record_container_read(struct container *c, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *j;
    arena_init(&a, ENGINE_RECORD_BYTES);
    int rc = read_json(c->dir, "container.json", &a, &j, err);
    if (rc < 0)
        return rc;
    c->name = copy(j, "name");
    c->image_id = copy(j, "image");
    c->log_path = copy(j, "log");
    c->attempt = (uint32_t)json_path_i64(j, "attempt", 0);
    c->read_only_root = json_path_bool(j, "readOnlyRoot", false);
    c->tty = json_path_bool(j, "tty", false);
    c->stdin_open = json_path_bool(j, "stdin", false);
    c->stdin_once = json_path_bool(j, "stdinOnce", false);
    return c->name && c->image_id && c->log_path ? 0 : -E_NOMEM;
}

/* "code signal started finished" as the shim writes it. */
bool record_exit_read(const struct container *c, struct runtime_exit *ret_exit)
{
    struct buf in CLEANUP_BUF;
    struct str rest, part;
    int64_t v[4];
    int n = 0;
    buf_init(&in, 4096);
    if (record_read(c->dir, "exit", &in, NULL) < 0)
        return false;
    rest = str_trim(buf_str(&in));
    while (n < 4 && str_split(&rest, ' ', &part) && str_to_i64(part, &v[n]) == 0)
        n++;
    if (n != 4)
        return false;
    *ret_exit = (struct runtime_exit){.code = (int)v[0], .signal = (int)v[1], .started_ns = v[2], .finished_ns = v[3]};
    return true;
}
