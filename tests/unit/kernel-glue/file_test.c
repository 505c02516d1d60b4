/* Files of the machine's own: replaced as a whole, bounded when read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel-glue/boot/file.h"

static int make_dir(char *path)
{
    struct err err = {0};
    int fd;
    snprintf(path, 64, "/tmp/keelson-file-XXXXXX");
    assert_non_null(mkdtemp(path));
    assert_int_equal(file_open_dir(FILE_HERE, path, &fd, &err), 0);
    return fd;
}

static void a_file_is_replaced_as_a_whole_and_is_private(void **state)
{
    char path[64], text[32], name[80];
    struct err err = {0};
    struct stat st;
    size_t n;
    int dir = make_dir(path);
    (void)state;
    assert_int_equal(file_write_atomic(dir, "a", STR("first and long"), 0600, &err), 0);
    assert_int_equal(file_write_atomic(dir, "a", STR("second"), 0600, &err), 0);
    assert_int_equal(file_read(dir, "a", text, sizeof text, &n, &err), 0);
    assert_int_equal(n, 6);
    assert_string_equal(text, "second");
    snprintf(name, sizeof name, "%s/a", path);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(file_exists(dir, "a.new"));
    assert_int_equal(unlinkat(dir, "a", 0), 0);
    close(dir);
    assert_int_equal(rmdir(path), 0);
}

static void a_failed_replacement_leaves_the_old_file(void **state)
{
    char path[64], text[32];
    struct err err = {0};
    size_t n;
    int dir = make_dir(path);
    (void)state;
    assert_int_equal(file_write_atomic(dir, "a", STR("old"), 0600, &err), 0);
    assert_int_equal(mkdirat(dir, "a.new", 0700), 0); /* in the way of the new one */
    assert_true(file_write_atomic(dir, "a", STR("new"), 0600, &err) < 0);
    assert_int_equal(file_read(dir, "a", text, sizeof text, &n, &err), 0);
    assert_string_equal(text, "old");
    unlinkat(dir, "a.new", AT_REMOVEDIR);
    unlinkat(dir, "a", 0);
    close(dir);
    rmdir(path);
}

static void what_does_not_fit_is_an_error_not_a_cut(void **state)
{
    char path[64], text[4];
    struct err err = {0};
    size_t n = 77;
    int dir = make_dir(path);
    (void)state;
    assert_int_equal(file_write_atomic(dir, "a", STR("abcd"), 0600, &err), 0);
    assert_int_equal(file_read(dir, "a", text, sizeof text, &n, &err), -E_TOO_LARGE);
    assert_int_equal(n, 77);
    assert_int_equal(file_read(dir, "missing", text, sizeof text, &n, &err), -E_NOT_FOUND);
    unlinkat(dir, "a", 0);
    close(dir);
    rmdir(path);
}

static void a_directory_is_made_with_what_leads_to_it(void **state)
{
    char path[64], below[96], real[256];
    struct err err = {0};
    int dir = make_dir(path), fd;
    (void)state;
    snprintf(below, sizeof below, "%s/b/c", path);
    assert_int_equal(file_make_dir(FILE_HERE, below, 0700, (uid_t)-1, &fd, &err), 0);
    assert_true(file_real_path(fd, real, sizeof real));
    assert_string_equal(real, below);
    close(fd);
    assert_int_equal(rmdir(below), 0);
    snprintf(below, sizeof below, "%s/b", path);
    assert_int_equal(rmdir(below), 0);
    close(dir);
    assert_int_equal(rmdir(path), 0);
}

static void memory_is_read_from_its_beginning_every_time(void **state)
{
    char text[16];
    struct err err = {0};
    size_t n;
    int fd;
    (void)state;
    assert_int_equal(file_memory("x", STR("secret"), &fd, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(file_read_fd(fd, text, sizeof text, &n, &err), 0);
        assert_string_equal(text, "secret");
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_as_a_whole_and_is_private),
        cmocka_unit_test(a_failed_replacement_leaves_the_old_file),
        cmocka_unit_test(what_does_not_fit_is_an_error_not_a_cut),
        cmocka_unit_test(a_directory_is_made_with_what_leads_to_it),
        cmocka_unit_test(memory_is_read_from_its_beginning_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
