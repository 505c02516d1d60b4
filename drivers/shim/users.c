/* See users.h. passwd(5): name:pw:uid:gid:gecos:home:shell; group(5): name:pw:gid:members. */
#include "drivers/shim/users.h"

#include <fcntl.h>
#include <unistd.h>

#include "kernel-glue/abi/path.h"

enum { FILE_BYTES = 1024 * 1024, GROUPS = 1024 };

/* A name that is all digits is a number, never looked up as a name; past 2^31-2 it is refused. */
static int number(struct str s, uint32_t *ret_id)
{
    uint64_t v;
    if (str_to_u64(s, &v) < 0 || v >= INT32_MAX)
        return -E_SYNTAX;
    *ret_id = (uint32_t)v;
    return 0;
}

static bool numeric(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static struct str read_file(struct arena *a, int root_fd, const char *path)
{
    int fd;
    size_t n = 0;
    ssize_t got;
    if (path_open_in(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd) < 0)
        return str_make("", 0);
    char *p = arena_alloc(a, FILE_BYTES);
    while (p && n < FILE_BYTES && (got = read(fd, p + n, FILE_BYTES - n)) > 0)
        n += (size_t)got;
    close(fd);
    return str_make(p, p ? n : 0);
}

/* Splits a line at ':' into up to max fields; the number of fields. */
static size_t fields_of(struct str line, struct str *fields, size_t max)
{
    size_t n = 0;
    while (n < max && str_split(&line, ':', &fields[n]))
        n++;
    return n;
}

struct account {
    bool found;
    struct str name, home;
    uint32_t uid, gid;
};

static struct account find_account(struct str passwd, struct str name, int64_t uid)
{
    struct str line, f[7];
    struct account who = {0};
    while (str_split(&passwd, '\n', &line)) {
        if (fields_of(line, f, 7) < 4 || number(f[2], &who.uid) < 0 || number(f[3], &who.gid) < 0)
            continue;
        if (uid >= 0 ? who.uid != (uint64_t)uid : !str_eq(f[0], name))
            continue;
        who.found = true;
        who.name = f[0];
        who.home = fields_of(line, f, 7) >= 6 ? f[5] : str_make("", 0);
        return who;
    }
    return (struct account){0};
}

static bool find_group(struct str group, struct str name, uint32_t *ret_gid)
{
    struct str line, f[4];
    while (str_split(&group, '\n', &line))
        if (fields_of(line, f, 4) >= 3 && str_eq(f[0], name) && number(f[2], ret_gid) == 0)
            return true;
    return false;
}

static void add_group(struct users_identity *who, uint32_t gid)
{
    for (size_t i = 0; i < who->group_count; i++)
        if (who->groups[i] == gid)
            return;
    if (who->group_count < GROUPS)
        who->groups[who->group_count++] = gid;
}

static void add_memberships(struct str group, struct str name, struct users_identity *who)
{
    struct str line, f[4], member;
    uint32_t gid;
    while (str_split(&group, '\n', &line)) {
        if (fields_of(line, f, 4) < 4 || number(f[2], &gid) < 0 || !f[3].n)
            continue;
        while (str_split(&f[3], ',', &member))
            if (str_eq(member, name))
                add_group(who, gid);
    }
}

int users_find(struct arena *a, int root_fd, const char *text, int64_t uid, int64_t gid,
               const uint32_t *extra, size_t extra_count, struct users_identity *ret_who, struct err *err)
{
    struct str user = str_of(text), group = {0}, passwd = read_file(a, root_fd, "/etc/passwd");
    struct str groups = read_file(a, root_fd, "/etc/group");
    struct users_identity who = {.home = "/"};
    ptrdiff_t colon = str_find_byte(user, ':');
    uint32_t id;
    if (colon >= 0) {
        group = str_make(user.p + colon + 1, user.n - (size_t)colon - 1);
        user.n = (size_t)colon;
    }
    if (uid < 0 && (numeric(user) || !user.n)) {
        if (user.n && number(user, &id) < 0)
            return err_set(err, E_BAD_REQUEST, "user " STR_FMT ": must be between 0 and 2147483646", STR_ARG(user));
        uid = user.n ? id : 0;
    }
    struct account account = find_account(passwd, user, uid);
    if (uid < 0 && !account.found)
        return err_set(err, E_NOT_FOUND, "unable to find user " STR_FMT ": no matching entries in passwd file",
                       STR_ARG(user));
    who.uid = uid >= 0 ? (uint32_t)uid : account.uid;
    who.gid = gid >= 0 ? (uint32_t)gid : account.found ? account.gid : 0;
    if (gid < 0 && group.n) {
        if (numeric(group) ? number(group, &who.gid) < 0 : !find_group(groups, group, &who.gid))
            return err_set(err, E_NOT_FOUND, "unable to find group " STR_FMT
                           ": no matching entries in group file", STR_ARG(group));
    }
    who.groups = arena_alloc(a, GROUPS * sizeof *who.groups);
    if (!who.groups)
        return err_set(err, E_NOMEM, "out of memory");
    add_group(&who, who.gid);
    for (size_t i = 0; i < extra_count; i++)
        add_group(&who, extra[i]);
    if (account.found && !group.n)
        add_memberships(groups, account.name, &who);
    if (account.found && account.home.n)
        who.home = arena_strndup(a, account.home.p, account.home.n);
    if (!who.home)
        return err_set(err, E_NOMEM, "out of memory");
    *ret_who = who;
    return 0;
}
