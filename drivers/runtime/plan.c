/* See plan.h. */
#include "drivers/runtime/plan.h"

/* ---- fields ---- */

static void put_le(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const char *at, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return v;
}

void field_put(struct buf *out, uint8_t tag, struct str bytes)
{
    unsigned char head[5] = {tag};
    put_le(head + 1, bytes.n, 4);
    buf_append(out, head, sizeof head);
    buf_append_str(out, bytes);
}

void field_put_cstr(struct buf *out, uint8_t tag, const char *s)
{
    field_put(out, tag, str_of(s));
}

void field_put_u64(struct buf *out, uint8_t tag, uint64_t v)
{
    unsigned char p[8];
    put_le(p, v, 8);
    field_put(out, tag, str_make(p, sizeof p));
}

int field_next(struct str fields, size_t *at, uint8_t *ret_tag, struct str *ret_bytes)
{
    if (*at == fields.n)
        return 0;
    if (fields.n - *at < 5)
        return -E_SYNTAX;
    size_t n = get_le(fields.p + *at + 1, 4);
    if (n > fields.n - *at - 5)
        return -E_SYNTAX;
    *ret_tag = (uint8_t)fields.p[*at];
    *ret_bytes = str_make(fields.p + *at + 5, n);
    *at += 5 + n;
    return 1;
}

bool field_get(struct str fields, uint8_t tag, struct str *ret_bytes)
{
    size_t at = 0;
    uint8_t have;
    struct str bytes;
    while (field_next(fields, &at, &have, &bytes) > 0)
        if (have == tag) {
            *ret_bytes = bytes;
            return true;
        }
    return false;
}

uint64_t field_u64(struct str bytes)
{
    return bytes.n == 8 ? get_le(bytes.p, 8) : 0;
}

uint64_t field_get_u64(struct str fields, uint8_t tag, uint64_t otherwise)
{
    struct str bytes;
    return field_get(fields, tag, &bytes) && bytes.n == 8 ? field_u64(bytes) : otherwise;
}

/* ---- the plan ---- */

/* Counts first, so that every list is allocated once. */
struct counts {
    size_t of[256];
};

static int count(struct str fields, struct counts *c)
{
    size_t at = 0;
    uint8_t tag;
    struct str bytes;
    int rc;
    while ((rc = field_next(fields, &at, &tag, &bytes)) > 0)
        c->of[tag]++;
    return rc;
}

static void *list_of(struct arena *a, size_t count, size_t size)
{
    return arena_zalloc(a, (count + 1) * size);
}

static char *text(struct arena *a, struct str s)
{
    return arena_strndup(a, s.p, s.n);
}

static int read_mount(struct arena *a, const struct counts *c, struct plan *p, uint8_t tag, struct str bytes)
{
    if (tag == PLAN_MOUNT) {
        struct plan_mount *m = &p->mounts[p->mount_count++];
        *m = (struct plan_mount){.fd = -1, .type = "", .source = ""};
        m->destination = text(a, bytes);
        m->options = list_of(a, c->of[PLAN_MOUNT_OPTION], sizeof *m->options);
        return m->options ? 0 : -E_NOMEM;
    }
    if (!p->mount_count)
        return -E_SYNTAX;
    struct plan_mount *m = &p->mounts[p->mount_count - 1];
    switch (tag) {
    case PLAN_MOUNT_FD: m->fd = (int)field_u64(bytes); return 0;
    case PLAN_MOUNT_IS_DIR: m->is_dir = field_u64(bytes); return 0;
    case PLAN_MOUNT_TYPE: m->type = text(a, bytes); return 0;
    case PLAN_MOUNT_SOURCE: m->source = text(a, bytes); return 0;
    case PLAN_MOUNT_OPTION: m->options[m->option_count++] = text(a, bytes); return 0;
    case PLAN_MOUNT_ATTRIBUTES: m->attributes = (unsigned)field_u64(bytes); return 0;
    default: return -E_SYNTAX;
    }
}

static int read_rlimit(struct plan *p, struct str b)
{
    if (b.n != 24)
        return -E_SYNTAX;
    p->rlimits[p->rlimit_count++] =
        (struct plan_rlimit){get_le(b.p, 8), get_le(b.p + 8, 8), get_le(b.p + 16, 8)};
    return 0;
}

static int read_device(struct plan *p, struct str b)
{
    if (b.n != 48 || !p->device_count)
        return -E_SYNTAX;
    struct plan_device *d = &p->devices[p->device_count - 1];
    d->type = get_le(b.p, 8);
    d->major = get_le(b.p + 8, 8);
    d->minor = get_le(b.p + 16, 8);
    d->mode = get_le(b.p + 24, 8);
    d->uid = get_le(b.p + 32, 8);
    d->gid = get_le(b.p + 40, 8);
    return 0;
}

static int read_field(struct arena *a, const struct counts *c, struct plan *p, uint8_t tag, struct str b)
{
    switch (tag) {
    case PLAN_FLAGS: p->flags = (unsigned)field_u64(b); return 0;
    case PLAN_ARG: p->args[p->arg_count++] = text(a, b); return 0;
    case PLAN_ENV: p->env[p->env_count++] = text(a, b); return 0;
    case PLAN_CWD: p->cwd = text(a, b); return 0;
    case PLAN_USER: p->user = text(a, b); return 0;
    case PLAN_UID: p->uid = (int64_t)field_u64(b); return 0;
    case PLAN_GID: p->gid = (int64_t)field_u64(b); return 0;
    case PLAN_GROUP: p->groups[p->group_count++] = (uint32_t)field_u64(b); return 0;
    case PLAN_UMASK: p->umask = (unsigned)field_u64(b); return 0;
    case PLAN_BOUNDING: p->bounding = field_u64(b); return 0;
    case PLAN_EFFECTIVE: p->effective = field_u64(b); return 0;
    case PLAN_PERMITTED: p->permitted = field_u64(b); return 0;
    case PLAN_INHERITABLE: p->inheritable = field_u64(b); return 0;
    case PLAN_AMBIENT: p->ambient = field_u64(b); return 0;
    case PLAN_RLIMIT: return read_rlimit(p, b);
    case PLAN_OOM_ADJUST: p->oom_adjust = (int)field_u64(b) - 1000; return 0;
    case PLAN_MASK: p->masks[p->mask_count++] = text(a, b); return 0;
    case PLAN_READ_ONLY: p->read_only[p->read_only_count++] = text(a, b); return 0;
    case PLAN_SECCOMP: p->seccomp = arena_str(a, b); return 0;
    case PLAN_COLUMNS: p->columns = (unsigned)field_u64(b); return 0;
    case PLAN_ROWS: p->rows = (unsigned)field_u64(b); return 0;
    case PLAN_DEVICE: p->devices[p->device_count++].path = text(a, b); return 0;
    case PLAN_DEVICE_NUMBERS: return read_device(p, b);
    default: return read_mount(a, c, p, tag, b);
    }
}

int plan_read(struct arena *a, struct str fields, struct plan *ret_plan)
{
    struct counts c = {0};
    struct plan p = {.uid = -1, .gid = -1, .umask = 022, .oom_adjust = -1001, .cwd = "/", .user = ""};
    size_t at = 0;
    uint8_t tag;
    struct str bytes;
    int rc = count(fields, &c);
    p.args = list_of(a, c.of[PLAN_ARG], sizeof *p.args);
    p.env = list_of(a, c.of[PLAN_ENV], sizeof *p.env);
    p.groups = list_of(a, c.of[PLAN_GROUP], sizeof *p.groups);
    p.rlimits = list_of(a, c.of[PLAN_RLIMIT], sizeof *p.rlimits);
    p.mounts = list_of(a, c.of[PLAN_MOUNT], sizeof *p.mounts);
    p.masks = list_of(a, c.of[PLAN_MASK], sizeof *p.masks);
    p.read_only = list_of(a, c.of[PLAN_READ_ONLY], sizeof *p.read_only);
    p.devices = list_of(a, c.of[PLAN_DEVICE], sizeof *p.devices);
    if (rc == 0 && a->failed)
        rc = -E_NOMEM;
    while (rc == 0 && (rc = field_next(fields, &at, &tag, &bytes)) > 0)
        rc = read_field(a, &c, &p, tag, bytes);
    if (rc == 0 && a->failed)
        rc = -E_NOMEM;
    if (rc == 0)
        *ret_plan = p;
    return rc;
}
