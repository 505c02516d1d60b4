/*
 * Layers into directories, as root: what a good layer says is there, and a hostile one reaches
 * nothing outside. Each test runs in a fresh directory with a canary beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "drivers/image/tree.h"
#include "drivers/image/unpack.h"
#include "tests/lib/tar_make.h"

struct place {
    char dir[64];
    int top_fd, root_fd;
    struct buf tar;
    struct err err;
    struct unpack_result result;
};

static int setup(void **state)
{
    struct place *p = mem_zalloc(sizeof *p);
    strcpy(p->dir, "/var/tmp/unpack-test-XXXXXX");
    if (!mkdtemp(p->dir))
        return -1;
    p->top_fd = open(p->dir, O_RDONLY | O_DIRECTORY);
    mkdirat(p->top_fd, "root", 0755);
    p->root_fd = openat(p->top_fd, "root", O_RDONLY | O_DIRECTORY);
    int fd = openat(p->top_fd, "canary", O_WRONLY | O_CREAT, 0600);
    if (write(fd, "alive", 5) != 5)
        return -1;
    close(fd);
    buf_init(&p->tar, 1 << 24);
    umask(022);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char text[16] = "";
    struct stat st;
    int fd = openat(p->top_fd, "canary", O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text) != 5 || strcmp(text, "alive") != 0 || fstat(fd, &st) < 0 ||
        st.st_nlink != 1 || (st.st_mode & 07777) != 0600)
        return -1; /* something reached outside */
    close(fd);
    close(p->root_fd);
    if (tree_clear(p->top_fd) < 0)
        return -1;
    close(p->top_fd);
    rmdir(p->dir);
    buf_done(&p->tar);
    mem_free(p);
    return mem_live_count() == 0 ? 0 : -1;
}

static void add(struct place *p, struct tar_make m)
{
    tar_make_add(&p->tar, m);
}

static int unpack_with(struct place *p, struct unpack_options o)
{
    int fd = memfd_create("layer", 0);
    tar_make_end(&p->tar);
    assert_int_equal(write(fd, p->tar.data, buf_len(&p->tar)), (ssize_t)buf_len(&p->tar));
    lseek(fd, 0, SEEK_SET);
    o.in_fd = fd;
    o.root_fd = p->root_fd;
    int rc = unpack_layer(&o, &p->result, &p->err);
    close(fd);
    return rc;
}

static void unpacks(struct place *p)
{
    int rc = unpack_with(p, (struct unpack_options){0});
    if (rc < 0)
        print_message("# %s\n", p->err.text);
    assert_int_equal(rc, 0);
}

static void refuses(struct place *p, int code, const char *why)
{
    assert_int_equal(unpack_with(p, (struct unpack_options){0}), -code);
    if (!strstr(p->err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", p->err.text, why);
}

static struct stat stat_of(struct place *p, const char *path)
{
    struct stat st = {0};
    if (fstatat(p->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s is missing", path);
    return st;
}

static bool is_there(struct place *p, const char *path)
{
    struct stat st;
    return fstatat(p->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_whiteout(struct place *p, const char *path)
{
    struct stat st = stat_of(p, path);
    return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static bool has_xattr(struct place *p, const char *path, const char *name, const char *value)
{
    char got[64] = "";
    int fd = openat(p->root_fd, path, O_RDONLY);
    ssize_t n = fgetxattr(fd, name, got, sizeof got);
    close(fd);
    return n == (ssize_t)strlen(value) && memcmp(got, value, (size_t)n) == 0;
}

static void a_layer_is_restored_with_owners_modes_and_times(void **state)
{
    struct place *p = *state;
    static const char capability[] = "SCHILY.xattr.user.note=kept\nSCHILY.xattr.trusted.x=dropped";
    add(p, (struct tar_make){.name = "./", .type = '5', .mode = 0751, .mtime = 1000});
    add(p, (struct tar_make){.name = "./bin/", .type = '5', .mode = 01777, .uid = 5, .gid = 6, .mtime = 2000});
    tar_make_pax(&p->tar, capability);
    add(p, (struct tar_make){.name = "./bin/tool", .data = "body", .mode = 04755, .uid = 7, .gid = 8, .mtime = 3000});
    add(p, (struct tar_make){.name = "bin/same", .type = '1', .link = "./bin/tool"});
    add(p, (struct tar_make){.name = "/abs", .type = '2', .link = "../../canary", .mtime = 4000});
    add(p, (struct tar_make){.name = "made/on/the/way", .data = "x"});
    add(p, (struct tar_make){.name = "pipe", .type = '6', .mode = 0622});
    unpacks(p);
    struct stat st = stat_of(p, "bin/tool");
    assert_int_equal(st.st_mode, S_IFREG | 04755);
    assert_int_equal(st.st_uid, 7);
    assert_int_equal(st.st_gid, 8);
    assert_int_equal(st.st_mtime, 3000);
    assert_int_equal(st.st_nlink, 2);
    assert_true(has_xattr(p, "bin/tool", "user.note", "kept"));
    st = stat_of(p, "bin");
    assert_int_equal(st.st_mode, S_IFDIR | 01777);
    assert_int_equal(st.st_mtime, 2000);
    assert_int_equal(stat_of(p, ".").st_mtime, 1000);
    assert_int_equal(stat_of(p, ".").st_mode, S_IFDIR | 0751);
    assert_int_equal(stat_of(p, "pipe").st_mode, S_IFIFO | 0622);
    assert_int_equal(stat_of(p, "made/on/the").st_mode, S_IFDIR | 0755);
    assert_true(S_ISLNK(stat_of(p, "abs").st_mode));
    assert_int_equal(p->result.bytes, 5);
}

static void whiteouts_become_what_overlayfs_reads(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = ".wh.gone"});
    add(p, (struct tar_make){.name = "d/.wh..wh..opq"});
    add(p, (struct tar_make){.name = "d/.wh..wh.plnk", .type = '5'});
    /* replaced in the same layer: whiteout first, and whiteout last */
    add(p, (struct tar_make){.name = ".wh.r"});
    add(p, (struct tar_make){.name = "r/", .type = '5', .mode = 0700});
    add(p, (struct tar_make){.name = "s/file", .data = "new"});
    add(p, (struct tar_make){.name = ".wh.s"});
    add(p, (struct tar_make){.name = ".wh.t"});
    add(p, (struct tar_make){.name = "t/below", .data = "new"});
    add(p, (struct tar_make){.name = "f", .data = "new"});
    add(p, (struct tar_make){.name = ".wh.f"});
    unpacks(p);
    assert_true(is_whiteout(p, "gone"));
    assert_true(has_xattr(p, "d", "user.overlay.opaque", "y"));
    assert_false(is_there(p, "d/.wh..wh.plnk"));
    assert_true(has_xattr(p, "r", "user.overlay.opaque", "y"));
    assert_true(has_xattr(p, "s", "user.overlay.opaque", "y"));
    assert_true(is_there(p, "s/file"));
    assert_true(has_xattr(p, "t", "user.overlay.opaque", "y"));
    assert_true(S_ISREG(stat_of(p, "f").st_mode));
}

static void forged_overlay_attributes_and_whiteouts_are_dropped(void **state)
{
    struct place *p = *state;
    tar_make_pax(&p->tar, "SCHILY.xattr.user.overlay.opaque=y\nSCHILY.xattr.user.overlay.redirect=/\n"
                          "SCHILY.xattr.trusted.overlay.opaque=y");
    add(p, (struct tar_make){.name = "d/", .type = '5', .mode = 0755});
    add(p, (struct tar_make){.name = "w", .type = '3'});
    unpacks(p);
    assert_false(has_xattr(p, "d", "user.overlay.opaque", "y"));
    assert_false(has_xattr(p, "d", "user.overlay.redirect", "/"));
    assert_false(has_xattr(p, "d", "trusted.overlay.opaque", "y"));
    assert_false(is_there(p, "w"));
}

static void a_path_that_climbs_out_is_refused(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "a/../../canary", .data = "dead"});
    refuses(p, E_SYNTAX, "leaves the layer");
}

static void a_climbing_whiteout_is_refused(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "a/.wh..."});
    refuses(p, E_SYNTAX, "whiteout of nothing");
}

static void a_write_through_a_symlink_stays_inside(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "up", .type = '2', .link = "../"});
    add(p, (struct tar_make){.name = "up/canary", .data = "dead"});
    add(p, (struct tar_make){.name = "abs", .type = '2', .link = "/"});
    add(p, (struct tar_make){.name = "abs/inside", .data = "fine"});
    add(p, (struct tar_make){.name = "c", .type = '2', .link = "../canary"});
    add(p, (struct tar_make){.name = "c", .data = "a file now"});
    unpacks(p);
    assert_true(S_ISREG(stat_of(p, "canary").st_mode)); /* ".." of the root is the root */
    assert_true(S_ISREG(stat_of(p, "inside").st_mode));
    assert_true(S_ISREG(stat_of(p, "c").st_mode));
}

static void a_parent_that_is_a_dangling_symlink_is_refused(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "l", .type = '2', .link = "/nowhere/at/all"});
    add(p, (struct tar_make){.name = "l/x", .data = "x"});
    refuses(p, E_EXISTS, "directory \"l\"");
}

static void a_hard_link_out_of_the_layer_is_refused(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "x", .type = '1', .link = "../canary"});
    refuses(p, E_SYNTAX, "leaves the layer");
}

static void a_hard_link_through_a_symlink_stays_inside(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "up", .type = '2', .link = "/.."});
    add(p, (struct tar_make){.name = "x", .type = '1', .link = "up/canary"});
    refuses(p, E_SYNTAX, "no file of the layer");
}

static void a_hard_link_to_a_symlink_links_the_symlink(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "s", .type = '2', .link = "../canary"});
    add(p, (struct tar_make){.name = "x", .type = '1', .link = "s"});
    unpacks(p);
    assert_true(S_ISLNK(stat_of(p, "x").st_mode));
}

static void a_device_is_made_as_the_layer_says(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "dev/null", .type = '3', .major = 1, .minor = 3, .mode = 0666});
    unpacks(p);
    if (p->result.skipped == 0) {
        struct stat st = stat_of(p, "dev/null");
        assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
        assert_int_equal(st.st_mode & 0777, 0666);
    }
}

static void the_last_word_about_a_name_counts(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "a/b/c/d", .data = "deep"});
    add(p, (struct tar_make){.name = "a", .data = "file"});
    add(p, (struct tar_make){.name = "f", .data = "file"});
    add(p, (struct tar_make){.name = "f/", .type = '5', .mode = 0711});
    unpacks(p);
    assert_true(S_ISREG(stat_of(p, "a").st_mode));
    assert_int_equal(stat_of(p, "f").st_mode, S_IFDIR | 0711);
}

static void a_file_as_directory_is_refused(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "a", .data = "file"});
    add(p, (struct tar_make){.name = "a/b", .data = "x"});
    refuses(p, E_EXISTS, "\"a/b\"");
}

static void what_unpacks_to_too_much_is_refused(void **state)
{
    struct place *p = *state;
    tar_make_pax(&p->tar, "GNU.sparse.name=giant\nGNU.sparse.size=4611686018427387904\nGNU.sparse.map=0,1");
    add(p, (struct tar_make){.name = "giant", .data = "x"});
    refuses(p, E_TOO_LARGE, "larger than");
}

static void the_bytes_of_a_layer_are_bounded(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "a", .data = "0123456789"});
    assert_int_equal(unpack_with(p, (struct unpack_options){.max_bytes = 1024}), -E_TOO_LARGE);
}

static void another_diff_id_is_a_digest_mismatch(void **state)
{
    struct place *p = *state;
    add(p, (struct tar_make){.name = "a", .data = "x"});
    char id[72] = "sha256:";
    memset(id + 7, 'a', 64);
    assert_int_equal(unpack_with(p, (struct unpack_options){.diff_id = id}), -E_CORRUPT);
    assert_non_null(strstr(p->err.text, "digest mismatch"));
}

static void deep_and_wide_trees_can_be_removed(void **state)
{
    struct place *p = *state;
    int fd = dup(p->root_fd);
    for (int i = 0; i < 3000; i++) { /* deeper than any path can say */
        assert_int_equal(mkdirat(fd, "deep", 0700), 0);
        int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
        int file = openat(fd, ".remove-0", O_WRONLY | O_CREAT, 0600);
        close(file);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(symlinkat("../../canary", p->root_fd, "link"), 0);
    assert_int_equal(tree_clear(p->root_fd), 0);
    assert_int_equal(tree_remove(p->top_fd, "root"), 0);
    assert_int_equal(tree_remove(p->top_fd, "root"), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_layer_is_restored_with_owners_modes_and_times),
        T(whiteouts_become_what_overlayfs_reads),
        T(forged_overlay_attributes_and_whiteouts_are_dropped),
        T(a_path_that_climbs_out_is_refused),
        T(a_climbing_whiteout_is_refused),
        T(a_write_through_a_symlink_stays_inside),
        T(a_parent_that_is_a_dangling_symlink_is_refused),
        T(a_hard_link_out_of_the_layer_is_refused),
        T(a_hard_link_through_a_symlink_stays_inside),
        T(a_hard_link_to_a_symlink_links_the_symlink),
        T(a_device_is_made_as_the_layer_says),
        T(the_last_word_about_a_name_counts),
        T(a_file_as_directory_is_refused),
        T(what_unpacks_to_too_much_is_refused),
        T(the_bytes_of_a_layer_are_bounded),
        T(another_diff_id_is_a_digest_mismatch),
        T(deep_and_wide_trees_can_be_removed),
    };
#undef T
    if (geteuid() != 0) {
        print_message("ok unpack_test # skip: needs root\n");
        return 0;
    }
    return cmocka_run_group_tests_name("unpack", tests, NULL, NULL);
}
