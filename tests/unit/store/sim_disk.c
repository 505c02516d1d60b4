/* See sim_disk.h. Uses malloc directly: the store's memory faults must not hit its disk. */
#include "sim_disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 256, NAME_MAX_BYTES = 64, SECTOR = 512 };

struct image {
    char *data;
    size_t size, capacity;
};

enum op_kind { OP_WRITE, OP_SIZE };

struct op {
    enum op_kind kind;
    uint64_t at;
    size_t n;
    char *data;
};

struct inode {
    struct image now, durable;
    struct op *ops; /* since the last sync */
    size_t op_count, op_capacity;
};

struct name {
    char name[NAME_MAX_BYTES];
    struct inode *inode;
};

struct table {
    struct name names[FILES_MAX];
    size_t count;
};

struct name_op {
    char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES]; /* to "": unlinked; from "": created */
    struct inode *inode;
};

struct disk_file {
    struct inode *inode;
};

struct sim_disk {
    struct table now, durable;
    struct name_op *name_ops;
    size_t name_op_count;
    struct inode *inodes[FILES_MAX * 16];
    size_t inode_count;
    struct prng prng;
    uint64_t die_at, fail_write, fail_sync, misplace, lose, capacity, syncs;
    bool dead, allocate_off;
};

static void image_size(struct image *m, size_t size)
{
    if (size > m->capacity) {
        size_t capacity = m->capacity ? m->capacity : 4096;
        while (capacity < size)
            capacity *= 2;
        m->data = realloc(m->data, capacity);
        assert(m->data);
        m->capacity = capacity;
    }
    if (size > m->size)
        memset(m->data + m->size, 0, size - m->size);
    m->size = size;
}

static void image_write(struct image *m, uint64_t at, const char *p, size_t n)
{
    if (at + n > m->size)
        image_size(m, at + n);
    memcpy(m->data + at, p, n);
}

static void op_run(struct image *m, const struct op *o)
{
    if (o->kind == OP_WRITE)
        image_write(m, o->at, o->data, o->n);
    else
        image_size(m, o->at);
}

static void op_add(struct inode *f, enum op_kind kind, uint64_t at, const void *p, size_t n)
{
    if (f->op_count == f->op_capacity) {
        f->op_capacity = f->op_capacity ? f->op_capacity * 2 : 16;
        f->ops = realloc(f->ops, f->op_capacity * sizeof(struct op));
        assert(f->ops);
    }
    struct op *o = &f->ops[f->op_count++];
    *o = (struct op){.kind = kind, .at = at, .n = n};
    if (n) {
        o->data = malloc(n);
        assert(o->data);
        memcpy(o->data, p, n);
    }
}

static void ops_clear(struct inode *f)
{
    for (size_t i = 0; i < f->op_count; i++)
        free(f->ops[i].data);
    f->op_count = 0;
}

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *d = calloc(1, sizeof(*d));
    assert(d);
    prng_init(&d->prng, seed);
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    for (size_t i = 0; i < d->inode_count; i++) {
        ops_clear(d->inodes[i]);
        free(d->inodes[i]->ops);
        free(d->inodes[i]->now.data);
        free(d->inodes[i]->durable.data);
        free(d->inodes[i]);
    }
    free(d->name_ops);
    free(d);
}

/* ---- names ---- */

static struct name *table_find(struct table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->names[i].name, name) == 0)
            return &t->names[i];
    return NULL;
}

static void table_set(struct table *t, const char *name, struct inode *inode)
{
    struct name *n = table_find(t, name);
    if (!n) {
        assert(t->count < FILES_MAX && strlen(name) < NAME_MAX_BYTES);
        n = &t->names[t->count++];
        strcpy(n->name, name);
    }
    n->inode = inode;
}

static void table_remove(struct table *t, const char *name)
{
    struct name *n = table_find(t, name);
    if (n)
        *n = t->names[--t->count];
}

static void name_op_run(struct table *t, const struct name_op *o)
{
    if (o->from[0])
        table_remove(t, o->from);
    if (o->to[0])
        table_set(t, o->to, o->inode);
}

static void name_op_do(struct sim_disk *d, const char *from, const char *to, struct inode *inode)
{
    d->name_ops = realloc(d->name_ops, (d->name_op_count + 1) * sizeof(struct name_op));
    assert(d->name_ops);
    struct name_op *o = &d->name_ops[d->name_op_count++];
    *o = (struct name_op){.inode = inode};
    strcpy(o->from, from);
    strcpy(o->to, to);
    name_op_run(&d->now, o);
}

/* ---- faults ---- */

/* Counts an operation that changes something; true: the machine stops in it. */
static bool dies(struct sim_disk *d)
{
    if (!d->dead && d->die_at && --d->die_at == 0)
        d->dead = true;
    return d->dead;
}

static bool nth(uint64_t *n)
{
    return *n && --*n == 0;
}

void sim_disk_die_at(struct sim_disk *d, uint64_t n)
{
    d->die_at = n;
}

bool sim_disk_dead(const struct sim_disk *d)
{
    return d->dead;
}

void sim_disk_fail_write(struct sim_disk *d, uint64_t n)
{
    d->fail_write = n;
}

void sim_disk_fail_sync(struct sim_disk *d, uint64_t n)
{
    d->fail_sync = n;
}

void sim_disk_misplace_write(struct sim_disk *d, uint64_t n)
{
    d->misplace = n;
}

void sim_disk_lose_write(struct sim_disk *d, uint64_t n)
{
    d->lose = n;
}

void sim_disk_capacity(struct sim_disk *d, uint64_t bytes)
{
    d->capacity = bytes;
}

void sim_disk_allocate_off(struct sim_disk *d)
{
    d->allocate_off = true;
}

uint64_t sim_disk_sync_count(const struct sim_disk *d)
{
    return d->syncs;
}

/* A write that was under way: each sector is there or not, mostly in order, sometimes not. */
static void write_torn(struct sim_disk *d, struct image *m, const struct op *o)
{
    bool in_order = prng_below(&d->prng, 2);
    uint64_t keep = prng_below(&d->prng, o->n / SECTOR + 2);
    uint64_t sector = 0;
    for (size_t at = 0; at < o->n; sector++) {
        size_t n = SECTOR - (o->at + at) % SECTOR;
        if (n > o->n - at)
            n = o->n - at;
        if (in_order ? sector < keep : prng_below(&d->prng, 2))
            image_write(m, o->at + at, o->data + at, n);
        at += n;
    }
}

static void inode_crash(struct sim_disk *d, struct inode *f)
{
    for (size_t i = 0; i < f->op_count; i++) {
        uint64_t fate = prng_below(&d->prng, 3);
        if (fate == 0)
            op_run(&f->durable, &f->ops[i]);
        else if (fate == 1 && f->ops[i].kind == OP_WRITE)
            write_torn(d, &f->durable, &f->ops[i]);
    }
    ops_clear(f);
    image_size(&f->now, f->durable.size);
    if (f->durable.size)
        memcpy(f->now.data, f->durable.data, f->durable.size);
}

void sim_disk_crash(struct sim_disk *d)
{
    uint64_t keep = prng_below(&d->prng, d->name_op_count + 1);
    for (uint64_t i = 0; i < keep; i++)
        name_op_run(&d->durable, &d->name_ops[i]);
    d->name_op_count = 0;
    d->now = d->durable;
    for (size_t i = 0; i < d->inode_count; i++)
        inode_crash(d, d->inodes[i]);
    d->dead = false;
    d->die_at = d->fail_write = d->fail_sync = d->misplace = d->lose = 0;
}

/* ---- the port ---- */

static uint64_t used(const struct sim_disk *d)
{
    uint64_t n = 0;
    for (size_t i = 0; i < d->now.count; i++)
        n += d->now.names[i].inode->now.size;
    return n;
}

uint64_t sim_disk_used(const struct sim_disk *d)
{
    return used(d);
}

static bool full(const struct sim_disk *d, const struct disk_file *f, uint64_t size)
{
    uint64_t now = f->inode->now.size;
    return d->capacity && size > now && used(d) + size - now > d->capacity;
}

static int sim_open(void *ctx, const char *name, bool create, struct disk_file **ret_file)
{
    struct sim_disk *d = ctx;
    if (d->dead)
        return -E_IO;
    struct name *n = table_find(&d->now, name);
    struct inode *inode = n ? n->inode : NULL;
    if (!inode) {
        if (!create)
            return -E_NOT_FOUND;
        if (dies(d))
            return -E_IO;
        inode = calloc(1, sizeof(*inode));
        assert(inode && d->inode_count < FILES_MAX * 16);
        d->inodes[d->inode_count++] = inode;
        name_op_do(d, "", name, inode);
    }
    struct disk_file *f = malloc(sizeof(*f));
    assert(f);
    f->inode = inode;
    *ret_file = f;
    return 0;
}

static void sim_close(void *ctx, struct disk_file *f)
{
    (void)ctx;
    free(f);
}

static int sim_read(void *ctx, struct disk_file *f, uint64_t at, void *p, size_t n, size_t *ret_n)
{
    struct sim_disk *d = ctx;
    if (d->dead)
        return -E_IO;
    const struct image *m = &f->inode->now;
    size_t left = at < m->size ? m->size - (size_t)at : 0;
    if (n > left)
        n = left;
    if (n)
        memcpy(p, m->data + at, n);
    *ret_n = n;
    return 0;
}

static int sim_write(void *ctx, struct disk_file *f, uint64_t at, const void *p, size_t n)
{
    struct sim_disk *d = ctx;
    bool was_dead = d->dead;
    if (dies(d)) {
        if (!was_dead) /* under way when the power went */
            op_add(f->inode, OP_WRITE, at, p, n);
        return -E_IO;
    }
    if (nth(&d->fail_write))
        return -E_IO;
    if (full(d, f, at + n))
        return -E_NO_SPACE;
    if (nth(&d->lose))
        return 0;
    if (nth(&d->misplace))
        at = at >= SECTOR ? at - SECTOR : at + SECTOR;
    op_add(f->inode, OP_WRITE, at, p, n);
    image_write(&f->inode->now, at, p, n);
    return 0;
}

static int sim_sync(void *ctx, struct disk_file *f)
{
    struct sim_disk *d = ctx;
    if (dies(d))
        return -E_IO;
    d->syncs++;
    if (nth(&d->fail_sync)) {
        /* As a kernel may: the pages count as clean, their contents are anybody's guess. */
        inode_crash(d, f->inode);
        return -E_IO;
    }
    for (size_t i = 0; i < f->inode->op_count; i++)
        op_run(&f->inode->durable, &f->inode->ops[i]);
    ops_clear(f->inode);
    return 0;
}

static int sim_truncate(void *ctx, struct disk_file *f, uint64_t size)
{
    struct sim_disk *d = ctx;
    if (dies(d))
        return -E_IO;
    op_add(f->inode, OP_SIZE, size, NULL, 0);
    image_size(&f->inode->now, size);
    return 0;
}

static int sim_allocate(void *ctx, struct disk_file *f, uint64_t size)
{
    struct sim_disk *d = ctx;
    if (d->allocate_off)
        return -E_UNSUPPORTED;
    if (full(d, f, size))
        return -E_NO_SPACE;
    return size > f->inode->now.size ? sim_truncate(ctx, f, size) : 0;
}

static int sim_size(void *ctx, struct disk_file *f, uint64_t *ret_size)
{
    (void)ctx;
    *ret_size = f->inode->now.size;
    return 0;
}

static int sim_rename(void *ctx, const char *from, const char *to)
{
    struct sim_disk *d = ctx;
    if (dies(d))
        return -E_IO;
    struct name *n = table_find(&d->now, from);
    if (!n)
        return -E_NOT_FOUND;
    name_op_do(d, from, to, n->inode);
    return 0;
}

static int sim_unlink(void *ctx, const char *name)
{
    struct sim_disk *d = ctx;
    if (dies(d))
        return -E_IO;
    if (!table_find(&d->now, name))
        return -E_NOT_FOUND;
    name_op_do(d, name, "", NULL);
    return 0;
}

static int sim_sync_dir(void *ctx)
{
    struct sim_disk *d = ctx;
    if (dies(d))
        return -E_IO;
    d->durable = d->now;
    d->name_op_count = 0;
    return 0;
}

static int sim_list(void *ctx, int (*fn)(void *arg, const char *name), void *arg)
{
    struct sim_disk *d = ctx;
    if (d->dead)
        return -E_IO;
    for (size_t i = 0; i < d->now.count; i++) {
        int rc = fn(arg, d->now.names[i].name);
        if (rc)
            return rc;
    }
    return 0;
}

static int sim_free_bytes(void *ctx, uint64_t *ret_bytes)
{
    struct sim_disk *d = ctx;
    uint64_t in_use = used(d);
    *ret_bytes = !d->capacity ? UINT64_MAX : in_use < d->capacity ? d->capacity - in_use : 0;
    return 0;
}

static void sim_done(void *ctx)
{
    (void)ctx;
}

static const struct disk_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .allocate = sim_allocate,
    .size = sim_size,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .free_bytes = sim_free_bytes,
    .done = sim_done,
};

struct disk sim_disk_port(struct sim_disk *d)
{
    return (struct disk){&sim_ops, d};
}

size_t sim_disk_file_count(const struct sim_disk *d)
{
    return d->now.count;
}

const char *sim_disk_file_name(const struct sim_disk *d, size_t i)
{
    return d->now.names[i].name;
}

char *sim_disk_file_bytes(struct sim_disk *d, size_t i, size_t *ret_size)
{
    *ret_size = d->now.names[i].inode->now.size;
    return d->now.names[i].inode->now.data;
}
