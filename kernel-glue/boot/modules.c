/* See modules.h. */
#include "kernel-glue/boot/modules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"

enum { TABLE_MOST = 4 * 1024 * 1024, DEPTH_MOST = 24, ROUNDS_MOST = 8, NAME_MOST = 64, ALIAS_MOST = 512 };

struct module {
    const char *path;  /* below /lib/modules */
    struct str needs;  /* the rest of its line: loaded from the last to the first */
    const char *options;
    bool tried;
    int rc;
};

struct module_alias {
    struct module_alias *next;
    struct str pattern;
    const char *name;
};

/* ---- the tables ---- */

/* "a/b/virtio-blk.ko.xz" is known as virtio_blk. */
static void name_of(struct str path, char name[NAME_MOST])
{
    size_t n = 0;
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] == '/') {
            n = 0;
            continue;
        }
        if (n < NAME_MOST - 1)
            name[n++] = path.p[i] == '-' ? '_' : path.p[i];
    }
    name[n] = 0;
    char *dot = strstr(name, ".ko");
    if (dot)
        *dot = 0;
}

static int add_module(struct modules *m, struct str line)
{
    char name[NAME_MOST];
    ptrdiff_t colon = str_find_byte(line, ':');
    struct module *module = arena_zalloc(&m->arena, sizeof *module);
    if (colon < 0)
        return 0;
    if (!module)
        return -E_NOMEM;
    module->path = arena_strndup(&m->arena, line.p, (size_t)colon);
    module->needs = str_trim(str_make(line.p + colon + 1, line.n - (size_t)colon - 1));
    name_of(str_make(line.p, (size_t)colon), name);
    return module->path ? map_set(&m->by_name, str_of(name), module, NULL) : -E_NOMEM;
}

static int add_alias(struct modules *m, struct str line)
{
    struct str word, pattern, name;
    if (!str_split(&line, ' ', &word) || !str_is(word, "alias") || !str_split(&line, ' ', &pattern) ||
        !str_split(&line, ' ', &name))
        return 0;
    struct module_alias *a = arena_zalloc(&m->arena, sizeof *a);
    if (!a)
        return -E_NOMEM;
    a->pattern = pattern;
    a->name = arena_strndup(&m->arena, name.p, name.n);
    a->next = m->aliases;
    m->aliases = a;
    return a->name ? 0 : -E_NOMEM;
}

static int each_line(struct modules *m, const char *path, int (*add)(struct modules *, struct str), struct err *err)
{
    int fd, rc = file_open(FILE_HERE, path, &fd, err);
    struct stat st;
    size_t n;
    if (rc < 0)
        return rc;
    char *text = fstat(fd, &st) == 0 && st.st_size < TABLE_MOST ? arena_alloc(&m->arena, (size_t)st.st_size + 2) : NULL;
    rc = text ? file_read_fd(fd, text, (size_t)st.st_size + 2, &n, err) : err_set(err, E_NOMEM, "out of memory");
    close(fd);
    if (rc < 0)
        return err_wrap(err, rc, "%s", path);
    struct str rest = str_make(text, n), line;
    while (str_split(&rest, '\n', &line))
        if (line.n && line.p[0] != '#' && (rc = add(m, line)) < 0)
            return err_set(err, -rc, "%s: %s", path, err_text(rc));
    return 0;
}

/* What the kernel's command line says as "module.parameter=value" is given to the module. */
static void take_options(struct modules *m)
{
    char text[4096];
    size_t n;
    struct str rest, word;
    if (file_read(FILE_HERE, "/proc/cmdline", text, sizeof text, &n, NULL) < 0)
        return;
    rest = str_trim(str_make(text, n));
    while (str_split(&rest, ' ', &word)) {
        char name[NAME_MOST];
        ptrdiff_t dot = str_find_byte(word, '.'), equals = str_find_byte(word, '=');
        if (dot <= 0 || equals < dot)
            continue;
        name_of(str_make(word.p, (size_t)dot), name);
        struct module *module = map_get(&m->by_name, str_of(name));
        if (!module)
            continue;
        const char *more = arena_printf(&m->arena, "%s%s" STR_FMT, module->options ? module->options : "",
                                        module->options ? " " : "", (int)(word.n - (size_t)dot - 1), word.p + dot + 1);
        if (more)
            module->options = more;
    }
}

int modules_open(struct modules *m, struct err *err)
{
    *m = (struct modules){0};
    arena_init(&m->arena, 4 * TABLE_MOST);
    map_init(&m->by_name);
    if (!file_exists(FILE_HERE, "/lib/modules/modules.dep")) {
        m->none = true;
        return 0;
    }
    int rc = each_line(m, "/lib/modules/modules.dep", add_module, err);
    if (rc == 0)
        rc = each_line(m, "/lib/modules/modules.alias", add_alias, err);
    if (rc < 0)
        modules_close(m);
    else
        take_options(m);
    return rc;
}

void modules_close(struct modules *m)
{
    map_done(&m->by_name, NULL);
    arena_done(&m->arena);
}

/* ---- loading ---- */

static int load_file(const struct module *module, struct err *err)
{
    char path[512];
    snprintf(path, sizeof path, "/lib/modules/%s", module->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "%s", path);
    int flags = str_ends(str_of(path), STR(".xz")) ? MODULE_INIT_COMPRESSED_FILE : 0;
    int rc = 0;
    if (syscall(SYS_finit_module, fd, module->options ? module->options : "", flags) < 0 && errno != EEXIST)
        rc = err_set_errno(err, "%s", path);
    close(fd);
    return rc;
}

static int load(struct modules *m, struct module *module, int depth, struct err *err)
{
    struct str needs[64], rest = module->needs, one;
    size_t count = 0;
    if (module->tried)
        return module->rc;
    module->tried = true; /* a circle ends here */
    while (rest.n && count < 64 && str_split(&rest, ' ', &one))
        if (one.n)
            needs[count++] = one;
    while (count > 0 && depth < DEPTH_MOST) {
        char name[NAME_MOST];
        name_of(needs[--count], name);
        struct module *need = map_get(&m->by_name, str_of(name));
        if (!need || need == module)
            continue;
        int rc = load(m, need, depth + 1, err);
        (void)rc; /* the module itself says what it lacks */
    }
    return module->rc = load_file(module, err);
}

int modules_load(struct modules *m, const char *name, struct err *err)
{
    char plain[NAME_MOST], path[128];
    name_of(str_of(name), plain);
    snprintf(path, sizeof path, "/sys/module/%s/initstate", plain);
    if (m->none || file_exists(FILE_HERE, path))
        return 0;
    struct module *module = map_get(&m->by_name, str_of(plain));
    if (!module)
        return err_set(err, E_NOT_FOUND, "module %s is not in the image", name);
    return load(m, module, 0, err);
}

/* ---- devices ---- */

/* Shell patterns as module aliases use them: * ? [a-z]. */
static bool matches(struct str p, struct str s)
{
    size_t pi = 0, si = 0, star = SIZE_MAX, mark = 0;
    while (si < s.n) {
        if (pi < p.n && p.p[pi] == '*') {
            star = pi++;
            mark = si;
            continue;
        }
        size_t next = pi + 1;
        bool hit = pi < p.n && (p.p[pi] == '?' || p.p[pi] == s.p[si]);
        if (pi < p.n && p.p[pi] == '[') {
            hit = false;
            for (next = pi + 1; next < p.n && p.p[next] != ']'; next++) {
                bool range = next + 2 < p.n && p.p[next + 1] == '-' && p.p[next + 2] != ']';
                hit |= range ? s.p[si] >= p.p[next] && s.p[si] <= p.p[next + 2] : s.p[si] == p.p[next];
                next += range ? 2 : 0;
            }
            next++;
        }
        if (hit) {
            pi = next;
            si++;
        } else if (star != SIZE_MAX) {
            pi = star + 1;
            si = ++mark;
        } else {
            return false;
        }
    }
    while (pi < p.n && p.p[pi] == '*')
        pi++;
    return pi == p.n;
}

static unsigned load_for_alias(struct modules *m, struct str alias)
{
    unsigned loaded = 0;
    for (struct module_alias *a = m->aliases; a; a = a->next) {
        struct err err = {0};
        char name[NAME_MOST];
        /* The bus ("pci:", "virtio:") is literal in every pattern: most are ruled out here. */
        if (a->pattern.n < 3 || alias.n < 3 || memcmp(a->pattern.p, alias.p, 3) != 0 || !matches(a->pattern, alias))
            continue;
        name_of(str_of(a->name), name);
        struct module *module = map_get(&m->by_name, str_of(name));
        if (!module || module->tried)
            continue;
        if (modules_load(m, name, &err) < 0)
            log_warn("module %s: %s", name, err.text);
        module->tried = true;
        loaded++;
    }
    return loaded;
}

/* A virtual machine's own disk and card: what boot waits for, and quick to load. */
static bool is_virtio(struct str alias)
{
    return str_starts(alias, STR("pci:v00001AF4")) || str_starts(alias, STR("virtio:"));
}

static unsigned walk(struct modules *m, int dir_fd, bool virtio_only, int depth)
{
    unsigned loaded = 0;
    char alias[ALIAS_MOST];
    size_t n;
    if (file_read(dir_fd, "modalias", alias, sizeof alias, &n, NULL) == 0 &&
        (!virtio_only || is_virtio(str_make(alias, n))))
        loaded += load_for_alias(m, str_trim(str_make(alias, n)));
    DIR *dir = fdopendir(dir_fd);
    struct dirent *e;
    if (!dir) {
        close(dir_fd);
        return loaded;
    }
    while (depth < DEPTH_MOST && (e = readdir(dir))) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.' || strcmp(e->d_name, "power") == 0)
            continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            loaded += walk(m, fd, virtio_only, depth + 1);
    }
    closedir(dir);
    return loaded;
}

static unsigned load_round(struct modules *m, const char *where, bool virtio_only)
{
    int fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? 0 : walk(m, fd, virtio_only, 0);
}

void modules_load_for_devices(struct modules *m)
{
    for (int round = 0; round < ROUNDS_MOST; round++)
        if (!load_round(m, "/sys/devices", false))
            break;
}

void modules_load_for_virtio(struct modules *m)
{
    for (int round = 0; round < 2; round++)
        (void)load_round(m, "/sys/devices/pci0000:00", true);
}
