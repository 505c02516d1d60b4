/* Tar archives: what each dialect says, in pieces of any size; what is malformed is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/tar.h"
#include "tests/lib/tar_make.h"

struct heard {
    struct buf text; /* one line an entry */
    char content[1 << 17];
    size_t end; /* of what was written */
};

static int on_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
    struct heard *h = ctx;
    (void)err;
    buf_printf(&h->text, "%d %s", e->type, e->path);
    if (e->link[0])
        buf_printf(&h->text, " -> %s", e->link);
    buf_printf(&h->text, " %o %u:%u %llu @%lld.%09u", e->mode, e->uid, e->gid,
               (unsigned long long)e->size_bytes, (long long)e->mtime_s, e->mtime_ns);
    if (e->type == TAR_CHAR || e->type == TAR_BLOCK)
        buf_printf(&h->text, " %u/%u", e->dev_major, e->dev_minor);
    for (size_t i = 0; i < e->xattr_count; i++)
        buf_printf(&h->text, " %s=" STR_FMT, e->xattrs[i].name, STR_ARG(e->xattrs[i].value));
    buf_putc(&h->text, '\n');
    memset(h->content, '.', sizeof h->content);
    h->end = 0;
    return 0;
}

static int on_data(void *ctx, uint64_t offset, struct str bytes, struct err *err)
{
    struct heard *h = ctx;
    (void)err;
    if (offset + bytes.n <= sizeof h->content) {
        memcpy(h->content + offset, bytes.p, bytes.n);
        h->end = (size_t)offset + bytes.n;
    }
    return 0;
}

static int on_end(void *ctx, struct err *err)
{
    struct heard *h = ctx;
    (void)err;
    if (h->end)
        buf_printf(&h->text, "  %.*s\n", (int)(h->end < 64 ? h->end : 64), h->content);
    return 0;
}

/* Reads in parts of `step` bytes; the result of feed or finish. */
static int read_tar(const struct buf *archive, size_t step, struct heard *h, struct err *err)
{
    static const struct tar_sink sink = {on_entry, on_data, on_end};
    struct str rest = buf_str(archive);
    struct tar *t;
    int rc = 0;
    buf_init(&h->text, 1 << 20);
    assert_int_equal(tar_new(&sink, h, &t), 0);
    while (rc == 0 && rest.n) {
        size_t n = rest.n < step ? rest.n : step;
        rc = tar_feed(t, str_make(rest.p, n), err);
        rest = str_make(rest.p + n, rest.n - n);
    }
    if (rc == 0)
        rc = tar_finish(t, err);
    tar_free(t);
    return rc;
}

static void check(struct buf *archive, const char *expected)
{
    static const size_t steps[] = {1, 7, 511, 512, 513, 4096, 1 << 20};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        static struct heard h;
        struct err err = {0};
        int rc = read_tar(archive, steps[i], &h, &err);
        if (rc < 0)
            print_message("# %s\n", err.text);
        assert_int_equal(rc, 0);
        assert_string_equal(buf_cstr(&h.text), expected);
        buf_done(&h.text);
    }
    buf_done(archive);
    assert_int_equal(mem_live_count(), 0);
}

static void refuse(struct buf *archive, int code, const char *why)
{
    static const size_t steps[] = {1, 512, 1 << 20};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        static struct heard h;
        struct err err = {0};
        assert_int_equal(read_tar(archive, steps[i], &h, &err), -code);
        if (!strstr(err.text, why))
            fail_msg("\"%s\" does not say \"%s\"", err.text, why);
        buf_done(&h.text);
    }
    buf_done(archive);
    assert_int_equal(mem_live_count(), 0);
}

static void every_type_of_ustar_is_read(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    tar_make_add(&b, (struct tar_make){.name = "./", .type = '5', .mode = 0755, .mtime = 5});
    tar_make_add(&b, (struct tar_make){.name = "a", .data = "hello", .mode = 04755, .uid = 7, .gid = 8});
    tar_make_add(&b, (struct tar_make){.name = "b", .type = '1', .link = "a"});
    tar_make_add(&b, (struct tar_make){.name = "c", .type = '2', .link = "/etc/x", .size = 77});
    tar_make_add(&b, (struct tar_make){.name = "d", .type = '3', .major = 1, .minor = 3});
    tar_make_add(&b, (struct tar_make){.name = "e", .type = '4', .major = 8});
    tar_make_add(&b, (struct tar_make){.name = "f", .type = '6'});
    tar_make_add(&b, (struct tar_make){.name = "file", .prefix = "very/long"});
    tar_make_end(&b);
    buf_puts(&b, "rubbish behind the end mark is not ours");
    check(&b, "5 ./ 755 0:0 0 @5.000000000\n"
              "0 a 4755 7:8 5 @0.000000000\n  hello\n"
              "1 b -> a 644 0:0 0 @0.000000000\n"
              "2 c -> /etc/x 644 0:0 0 @0.000000000\n"
              "3 d 644 0:0 0 @0.000000000 1/3\n"
              "4 e 644 0:0 0 @0.000000000 8/0\n"
              "6 f 644 0:0 0 @0.000000000\n"
              "0 very/long/file 644 0:0 0 @0.000000000\n");
}

static void pax_headers_hold_for_the_next_entry_only(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    tar_make_pax(&b, "path=long name\nuid=3000000000\ngid=9\nmtime=-1.25\nSCHILY.xattr.user.k=v=w\ncomment=no");
    tar_make_add(&b, (struct tar_make){.name = "short", .data = "x"});
    tar_make_pax(&b, "linkpath=target");
    tar_make_add(&b, (struct tar_make){.name = "l", .type = '2', .link = "no"});
    tar_make_add(&b, (struct tar_make){.name = "plain"});
    tar_make_end(&b);
    check(&b, "0 long name 644 3000000000:9 1 @-2.750000000 user.k=v=w\n  x\n"
              "2 l -> target 644 0:0 0 @0.000000000\n"
              "0 plain 644 0:0 0 @0.000000000\n");
}

static void gnu_long_names_are_read(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    tar_make_add(&b, (struct tar_make){.name = "././@LongLink", .type = 'L', .data = "a/very/long/name"});
    tar_make_add(&b, (struct tar_make){.name = "././@LongLink", .type = 'K', .data = "a/long/target"});
    tar_make_add(&b, (struct tar_make){.name = "a", .type = '2', .link = "t"});
    tar_make_end(&b);
    check(&b, "2 a/very/long/name -> a/long/target 644 0:0 0 @0.000000000\n");
}

static void sparse_files_keep_their_holes(void **state)
{
    struct buf b;
    unsigned char h[512];
    (void)state;
    buf_init(&b, 1 << 20);
    /* old GNU: a map in the header and one in a continuation */
    tar_make_header(h, &(struct tar_make){.name = "old", .type = 'S'}, 7);
    memcpy(h + 257, "ustar  ", 8);
    tar_make_octal(h + 386, 12, 2);
    tar_make_octal(h + 398, 12, 3);
    h[482] = 1;
    tar_make_octal(h + 483, 12, 20);
    tar_make_sum(h);
    buf_append(&b, h, sizeof h);
    memset(h, 0, sizeof h);
    tar_make_octal(h, 12, 10);
    tar_make_octal(h + 12, 12, 4);
    buf_append(&b, h, sizeof h);
    tar_make_body(&b, "abcdefg", 7);
    /* pax 0.1 and 1.0 */
    tar_make_pax(&b, "GNU.sparse.major=0\nGNU.sparse.minor=1\nGNU.sparse.name=one\nGNU.sparse.size=9\nGNU.sparse.map=1,2,6,1");
    tar_make_add(&b, (struct tar_make){.name = "GNUSparseFile/one", .data = "xyz"});
    tar_make_pax(&b, "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=two\nGNU.sparse.realsize=12");
    tar_make_header(h, &(struct tar_make){.name = "GNUSparseFile/two"}, 512 + 3);
    buf_append(&b, h, sizeof h);
    tar_make_body(&b, "2\n4\n2\n8\n1\n", 10);
    tar_make_body(&b, "ABC", 3);
    tar_make_end(&b);
    check(&b, "0 old 644 0:0 20 @0.000000000\n  ..abc.....defg\n"
              "0 one 644 0:0 9 @0.000000000\n  .xy...z\n"
              "0 two 644 0:0 12 @0.000000000\n  ....AB..C\n");
}

static void numbers_in_base_256_are_read(void **state)
{
    struct buf b;
    unsigned char h[512];
    (void)state;
    buf_init(&b, 1 << 20);
    tar_make_header(h, &(struct tar_make){.name = "big"}, 0);
    memcpy(h + 108, "\x80\0\0\0\x77\x35\x94\0", 8);
    memset(h + 136, 0xff, 12); /* one second before 1970 */
    tar_make_sum(h);
    buf_append(&b, h, sizeof h);
    tar_make_end(&b);
    check(&b, "0 big 644 2000000000:0 0 @-1.000000000\n");
}

static void malformed_archives_are_refused(void **state)
{
    static const struct { const char *records, *why; } pax[] = {
        {"size=-1", "bad number"}, {"uid=4294967295", "bad number"}, {"mtime=x", "bad time"},
        {"GNU.sparse.map=1,2\nGNU.sparse.size=2", "overlap or leave"},
        {"GNU.sparse.map=5,1,1,1\nGNU.sparse.size=99", "overlap or leave"},
        {"GNU.sparse.map=0,9\nGNU.sparse.size=99", "does not fit"},
        {"GNU.sparse.numbytes=1", "without offset"}, {"GNU.sparse.map=1", "malformed sparse map"},
        {"GNU.sparse.major=1", "without its size"},
    };
    struct buf b;
    unsigned char h[512];
    (void)state;
    for (size_t i = 0; i < sizeof pax / sizeof pax[0]; i++) {
        buf_init(&b, 1 << 20);
        tar_make_pax(&b, pax[i].records);
        tar_make_add(&b, (struct tar_make){.name = "x", .data = "ab"});
        tar_make_end(&b);
        refuse(&b, E_SYNTAX, pax[i].why);
    }
    buf_init(&b, 1 << 20);
    tar_make_add(&b, (struct tar_make){.name = "x", .type = 'x', .data = "99 path=short\n"});
    refuse(&b, E_SYNTAX, "malformed record");
    buf_init(&b, 1 << 20);
    tar_make_header(h, &(struct tar_make){.name = "x"}, 0);
    h[0] = 'y';
    buf_append(&b, h, sizeof h);
    refuse(&b, E_SYNTAX, "checksum");
    buf_init(&b, 1 << 20);
    tar_make_add(&b, (struct tar_make){.name = "x", .type = 'Z'});
    refuse(&b, E_SYNTAX, "unknown type");
    buf_init(&b, 1 << 20);
    tar_make_add(&b, (struct tar_make){.name = ""});
    refuse(&b, E_SYNTAX, "without name");
    buf_init(&b, 1 << 20);
    tar_make_add(&b, (struct tar_make){.name = "x", .type = 'x', .size = 1 << 21});
    refuse(&b, E_LIMIT, "extended header");
    buf_init(&b, 1 << 20);
    memset(h, 0, sizeof h);
    buf_append(&b, h, sizeof h);
    tar_make_add(&b, (struct tar_make){.name = "x"});
    refuse(&b, E_SYNTAX, "behind a zero block");
}

static void truncation_at_every_block_is_noticed(void **state)
{
    struct buf whole;
    (void)state;
    buf_init(&whole, 1 << 20);
    tar_make_pax(&whole, "path=name");
    tar_make_add(&whole, (struct tar_make){.name = "x", .data = "0123456789"});
    for (size_t n = 1; n < buf_len(&whole); n++) {
        static struct heard h;
        struct buf cut;
        struct err err = {0};
        buf_init(&cut, 1 << 20);
        buf_append(&cut, whole.data, n);
        assert_int_equal(read_tar(&cut, 64, &h, &err), -E_SYNTAX);
        assert_non_null(strstr(err.text, "cut short"));
        buf_done(&h.text);
        buf_done(&cut);
    }
    check(&whole, "0 name 644 0:0 10 @0.000000000\n  0123456789\n"); /* without end mark is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_ustar_is_read),
        cmocka_unit_test(pax_headers_hold_for_the_next_entry_only),
        cmocka_unit_test(gnu_long_names_are_read),
        cmocka_unit_test(sparse_files_keep_their_holes),
        cmocka_unit_test(numbers_in_base_256_are_read),
        cmocka_unit_test(malformed_archives_are_refused),
        cmocka_unit_test(truncation_at_every_block_is_noticed),
    };
    return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
