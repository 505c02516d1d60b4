/* port/disk.h on a real directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "drivers/disk/disk.h"

struct fixture {
    char path[64];
    int dir;
    struct disk d;
    uint64_t live;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->live = mem_live_count();
    strcpy(f->path, "/tmp/disk-test-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
    assert_true(f->dir >= 0);
    assert_int_equal(disk_dir_open(f->dir, &f->d), 0);
    *state = f;
    return 0;
}

static int remove_fn(void *arg, const char *name)
{
    return unlinkat(*(int *)arg, name, 0) ? -E_IO : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->d.ops->list(f->d.ctx, remove_fn, &f->dir), 0);
    f->d.ops->done(f->d.ctx);
    close(f->dir);
    assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(mem_live_count(), f->live);
    free(f);
    return 0;
}

static void what_is_written_is_read(void **state)
{
    struct disk *d = &((struct fixture *)*state)->d;
    struct disk_file *f;
    char p[8];
    size_t n;
    uint64_t size;
    assert_int_equal(d->ops->open(d->ctx, "a", false, &f), -E_NOT_FOUND);
    assert_int_equal(d->ops->open(d->ctx, "a", true, &f), 0);
    assert_int_equal(d->ops->write(d->ctx, f, 10, "hello", 5), 0);
    assert_int_equal(d->ops->sync(d->ctx, f), 0);
    assert_int_equal(d->ops->read(d->ctx, f, 9, p, 8, &n), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(p, "\0hello", 6);
    assert_int_equal(d->ops->read(d->ctx, f, 99, p, 8, &n), 0);
    assert_int_equal(n, 0);
    int rc = d->ops->allocate(d->ctx, f, 8192);
    assert_true(rc == 0 || rc == -E_UNSUPPORTED);
    assert_int_equal(d->ops->truncate(d->ctx, f, 12), 0);
    assert_int_equal(d->ops->size(d->ctx, f, &size), 0);
    assert_int_equal(size, 12);
    d->ops->close(d->ctx, f);
    assert_int_equal(d->ops->free_bytes(d->ctx, &size), 0);
    assert_true(size > 0);
}

static int count_fn(void *arg, const char *name)
{
    assert_string_equal(name, "b");
    ++*(int *)arg;
    return 0;
}

static int stop_fn(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return -E_LIMIT;
}

static void names_are_changed_and_listed(void **state)
{
    struct disk *d = &((struct fixture *)*state)->d;
    struct disk_file *f;
    int count = 0;
    assert_int_equal(d->ops->open(d->ctx, "a", true, &f), 0);
    d->ops->close(d->ctx, f);
    assert_int_equal(d->ops->rename(d->ctx, "a", "b"), 0);
    assert_int_equal(d->ops->sync_dir(d->ctx), 0);
    assert_int_equal(d->ops->list(d->ctx, count_fn, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(d->ops->list(d->ctx, stop_fn, NULL), -E_LIMIT);
    assert_int_equal(d->ops->rename(d->ctx, "a", "c"), -E_NOT_FOUND);
    assert_int_equal(d->ops->unlink(d->ctx, "b"), 0);
    assert_int_equal(d->ops->unlink(d->ctx, "b"), -E_NOT_FOUND);
}

static void only_plain_files_of_this_directory_are_opened(void **state)
{
    struct fixture *x = *state;
    struct disk *d = &x->d;
    struct disk_file *f;
    const char *bad[] = {"", ".", "..", "../a", "/etc/passwd", "a/b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(d->ops->open(d->ctx, bad[i], true, &f), -E_BAD_REQUEST);
        assert_int_equal(d->ops->unlink(d->ctx, bad[i]), -E_BAD_REQUEST);
        assert_int_equal(d->ops->rename(d->ctx, "a", bad[i]), -E_BAD_REQUEST);
    }
    assert_int_equal(symlinkat("/etc/passwd", x->dir, "link"), 0);
    assert_true(d->ops->open(d->ctx, "link", false, &f) < 0);
    assert_int_equal(mkfifoat(x->dir, "fifo", 0600), 0);
    assert_int_equal(d->ops->open(d->ctx, "fifo", false, &f), -E_BAD_REQUEST);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_written_is_read),
        T(names_are_changed_and_listed),
        T(only_plain_files_of_this_directory_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
