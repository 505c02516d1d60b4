/*
 * Images from a registry and from archives into the store, through the real roles: this program is
 * run again as `pull` and `unpack`, which confine themselves. Needs root. With HOST:PORT as argument
 * it pulls the images of tests/lib/images from that registry instead, with "pull" one image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "drivers/image/tree.h"
#include "drivers/loop/epoll.h"
#include "main/images.h"
#include "main/pull_role.h"
#include "main/unpack_role.h"
#include "port/crypto.h"
#include "tests/lib/liar.h"
#include "tests/lib/tar_make.h"

enum { DIGEST_TEXT = 72, WAIT_MS = 20000 };

struct blob {
    struct buf bytes;
    char digest[DIGEST_TEXT];
};

struct world {
    char dir[64], images_dir[96];
    struct loop *loop;
    struct images *images;
    struct liar liar;
    struct blob layers[2], config, manifest;
    char name[64], paths[4][160];
    int answers, rc;
    int64_t wait_ms;
    char message[700], id[DIGEST_TEXT], image_name[200];
};

static void seal(struct blob *b)
{
    uint8_t d[SHA256_BYTES];
    sha256_of(buf_str(&b->bytes), d);
    memcpy(b->digest, "sha256:", 8);
    hex_encode(b->digest + 7, d, sizeof d);
}

static void make_image(struct world *w)
{
    struct blob *all[] = {&w->layers[0], &w->layers[1], &w->config, &w->manifest};
    for (size_t i = 0; i < 4; i++)
        buf_init(&all[i]->bytes, 1 << 20);
    tar_make_add(&w->layers[0].bytes, (struct tar_make){.name = "etc/lower", .data = "lower"});
    tar_make_end(&w->layers[0].bytes);
    tar_make_add(&w->layers[1].bytes, (struct tar_make){.name = "etc/.wh.lower"});
    tar_make_add(&w->layers[1].bytes, (struct tar_make){.name = "upper", .data = "upper", .uid = 12, .mode = 04711});
    tar_make_end(&w->layers[1].bytes);
    seal(&w->layers[0]);
    seal(&w->layers[1]);
    buf_printf(&w->config.bytes, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"%s\",\"%s\"]}}",
               w->layers[0].digest, w->layers[1].digest);
    seal(&w->config);
    buf_printf(&w->manifest.bytes,
               "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":%zu},\"layers\":["
               "{\"digest\":\"%s\",\"size\":%zu},{\"digest\":\"%s\",\"size\":%zu}]}",
               w->config.digest, buf_len(&w->config.bytes), w->layers[0].digest, buf_len(&w->layers[0].bytes),
               w->layers[1].digest, buf_len(&w->layers[1].bytes));
    seal(&w->manifest);
}

static void open_images(struct world *w)
{
    const struct images_options o = {.loop = w->loop, .dir = w->images_dir, .registries = "[]"};
    struct err err = {0};
    if (images_new(&o, &w->images, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof *w);
    struct poll poll;
    strcpy(w->dir, "/var/tmp/images-test-XXXXXX");
    if (!mkdtemp(w->dir) || poll_epoll_open(&poll) < 0 || loop_new(poll, &w->loop) < 0)
        return -1;
    snprintf(w->images_dir, sizeof w->images_dir, "%s/images", w->dir);
    make_image(w);
    liar_open(&w->liar);
    snprintf(w->name, sizeof w->name, "127.0.0.1:%u/x:v1", w->liar.port);
    snprintf(w->paths[0], sizeof w->paths[0], "/v2/x/blobs/%s", w->layers[0].digest);
    snprintf(w->paths[1], sizeof w->paths[1], "/v2/x/blobs/%s", w->layers[1].digest);
    snprintf(w->paths[2], sizeof w->paths[2], "/v2/x/blobs/%s", w->config.digest);
    open_images(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    struct blob *all[] = {&w->layers[0], &w->layers[1], &w->config, &w->manifest};
    int fd = open(w->dir, O_RDONLY | O_DIRECTORY);
    images_free(w->images);
    loop_free(w->loop);
    liar_stop(&w->liar);
    for (size_t i = 0; i < 4; i++)
        buf_done(&all[i]->bytes);
    int rc = tree_clear(fd);
    close(fd);
    rmdir(w->dir);
    mem_free(w);
    return rc == 0 && mem_live_count() == 0 ? 0 : -1;
}

static void on_image(void *ctx, const struct runtime_result *r, const struct runtime_image *i)
{
    struct world *w = ctx;
    w->answers++;
    w->rc = r->rc;
    str_copy(w->message, sizeof w->message, str_of(r->message));
    if (r->rc == 0) {
        str_copy(w->id, sizeof w->id, str_of(i->id));
        str_copy(w->image_name, sizeof w->image_name, str_of(i->names[0] ? i->names[0] : ""));
    }
}

static void on_done(void *ctx, const struct runtime_result *r)
{
    struct world *w = ctx;
    w->answers++;
    w->rc = r->rc;
}

/* Until one more answer is there. */
static int await(struct world *w)
{
    int64_t until = loop_now_ms(w->loop) + (w->wait_ms ? w->wait_ms : WAIT_MS);
    while (!w->answers && loop_now_ms(w->loop) < until)
        assert_int_equal(loop_turn(w->loop, 1000), 0);
    assert_int_equal(w->answers, 1);
    w->answers = 0;
    return w->rc;
}

static int pull(struct world *w)
{
    const struct runtime_pull p = {.image = w->name};
    images_pull(w->images, &p, on_image, w);
    return await(w);
}

/* Names in a directory of the store, without the dots. */
static unsigned count(struct world *w, const char *folder)
{
    char path[128];
    const struct dirent *e;
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/%s", w->images_dir, folder);
    DIR *d = opendir(path);
    while ((e = readdir(d)))
        n += e->d_name[0] != '.' && strcmp(e->d_name, "archive.part") != 0;
    closedir(d);
    return n;
}

static void serve(struct world *w, size_t from_layer)
{
    liar_says(&w->liar, "/v2/x/manifests/v1", "200 OK", "", buf_str(&w->manifest.bytes));
    liar_says(&w->liar, w->paths[2], "200 OK", "", buf_str(&w->config.bytes));
    for (size_t i = from_layer; i < 2; i++)
        liar_says(&w->liar, w->paths[i], "200 OK", "", buf_str(&w->layers[i].bytes));
    liar_start(&w->liar);
}

static void a_pulled_image_is_there_after_a_restart_too(void **state)
{
    struct world *w = *state;
    struct buf root;
    struct stat st;
    char path[400];
    serve(w, 0);
    if (pull(w) < 0)
        fail_msg("%s", w->message);
    assert_string_equal(w->id, w->config.digest);
    assert_string_equal(w->image_name, w->name);
    images_free(w->images);
    open_images(w);
    images_get(w->images, w->name, on_image, w);
    assert_int_equal(await(w), 0);
    assert_string_equal(w->id, w->config.digest);
    buf_init(&root, 4096);
    assert_int_equal(images_root(w->images, w->id, &root, NULL), 0);
    struct str rest = buf_str(&root), upper;
    assert_true(str_split(&rest, ':', &upper));
    snprintf(path, sizeof path, STR_FMT "/upper", STR_ARG(upper));
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_uid, 12);
    assert_int_equal(st.st_mode & 07777, 04711);
    snprintf(path, sizeof path, STR_FMT "/etc/lower", STR_ARG(upper));
    assert_true(lstat(path, &st) == 0 && S_ISCHR(st.st_mode));
    snprintf(path, sizeof path, STR_FMT "/etc/lower", STR_ARG(rest));
    assert_true(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
    buf_done(&root);
    assert_int_equal(count(w, "layers"), 2);
    assert_int_equal(count(w, "blobs"), 0);
}

static void a_failed_pull_leaves_no_partial_layer_and_says_why(void **state)
{
    struct world *w = *state;
    w->layers[0].bytes.data[600] ^= 1; /* in the file's contents */
    serve(w, 0);
    assert_int_equal(pull(w), -E_CORRUPT);
    assert_non_null(strstr(w->message, "failed to pull image \"127.0.0.1:"));
    assert_non_null(strstr(w->message, "digest mismatch: expected sha256:"));
    assert_int_equal(count(w, "layers"), 0);
    assert_int_equal(count(w, "blobs"), 0);
    assert_int_equal(count(w, "meta"), 0);
}

static void a_layer_with_another_diff_id_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct str text = buf_str(&w->config.bytes);
    ptrdiff_t at = str_find(text, str_of(w->layers[0].digest));
    w->config.bytes.data[at + 20] = w->config.bytes.data[at + 20] == 'a' ? 'b' : 'a';
    char old[DIGEST_TEXT];
    memcpy(old, w->config.digest, sizeof old);
    seal(&w->config);
    memcpy(w->manifest.bytes.data + str_find(buf_str(&w->manifest.bytes), str_of(old)), w->config.digest, 71);
    snprintf(w->paths[2], sizeof w->paths[2], "/v2/x/blobs/%s", w->config.digest);
    serve(w, 0);
    assert_int_equal(pull(w), -E_CORRUPT);
    assert_non_null(strstr(w->message, "digest mismatch of the unpacked layer"));
    assert_int_equal(count(w, "layers"), 0);
    assert_int_equal(count(w, "blobs"), 0);
}

static void layers_that_are_there_are_not_fetched_again(void **state)
{
    struct world *w = *state;
    serve(w, 1); /* the lower layer is not served: the pull fails, but ... */
    assert_true(pull(w) < 0);
    kill(w->liar.pid, SIGKILL);
    waitpid(w->liar.pid, NULL, 0);
    liar_says(&w->liar, w->paths[0], "200 OK", "", buf_str(&w->layers[0].bytes));
    liar_start(&w->liar);
    assert_int_equal(pull(w), 0);
    kill(w->liar.pid, SIGKILL);
    waitpid(w->liar.pid, NULL, 0);
    w->liar.rules[2].path = w->liar.rules[3].path = "/gone"; /* both layers */
    liar_start(&w->liar);
    assert_int_equal(pull(w), 0);
}

static void a_removed_image_takes_its_layers_with_it(void **state)
{
    struct world *w = *state;
    serve(w, 0);
    assert_int_equal(pull(w), 0);
    images_remove(w->images, w->name, on_done, w);
    assert_int_equal(await(w), 0);
    images_get(w->images, w->name, on_image, w);
    assert_int_equal(await(w), -E_NOT_FOUND);
    for (int i = 0; i < 100 && count(w, "layers"); i++)
        assert_int_equal(loop_turn(w->loop, 100), 0);
    assert_int_equal(count(w, "layers"), 0);
    assert_int_equal(count(w, "meta"), 0);
}

/* ---- archives ---- */

static void add_file(struct buf *tar, const char *name, struct str content)
{
    unsigned char head[512];
    tar_make_header(head, &(struct tar_make){.name = name}, content.n);
    buf_append(tar, head, sizeof head);
    tar_make_body(tar, content.p, content.n);
}

static int load(struct world *w, struct buf *tar)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    tar_make_end(tar);
    assert_int_equal(write(fd, tar->data, buf_len(tar)), (ssize_t)buf_len(tar));
    lseek(fd, 0, SEEK_SET);
    buf_done(tar);
    images_load(w->images, fd, on_image, w);
    return await(w);
}

static void an_archive_of_docker_is_loaded_under_its_names(void **state)
{
    struct world *w = *state;
    struct buf tar;
    buf_init(&tar, 1 << 20);
    add_file(&tar, "c.json", buf_str(&w->config.bytes));
    add_file(&tar, "a/layer.tar", buf_str(&w->layers[0].bytes));
    add_file(&tar, "b/layer.tar", buf_str(&w->layers[1].bytes));
    add_file(&tar, "manifest.json", STR("[{\"Config\":\"c.json\",\"RepoTags\":[\"tool:v2\",\"example.com/tool:v2\"],"
                                        "\"Layers\":[\"a/layer.tar\",\"b/layer.tar\"]}]"));
    if (load(w, &tar) < 0)
        fail_msg("%s", w->message);
    assert_string_equal(w->id, w->config.digest);
    images_get(w->images, "tool:v2", on_image, w);
    assert_int_equal(await(w), 0);
    images_get(w->images, "example.com/tool:v2", on_image, w);
    assert_int_equal(await(w), 0);
    assert_int_equal(count(w, "layers"), 2);
    assert_int_equal(count(w, "blobs"), 0);
}

static void an_oci_layout_is_loaded(void **state)
{
    struct world *w = *state;
    struct blob *all[] = {&w->layers[0], &w->layers[1], &w->config, &w->manifest};
    struct buf tar, index;
    char path[128];
    buf_init(&tar, 1 << 20);
    buf_init(&index, 4096);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "blobs/sha256/%s", all[i]->digest + 7);
        add_file(&tar, path, buf_str(&all[i]->bytes));
    }
    buf_printf(&index, "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\",\"size\":%zu,\"annotations\":"
                       "{\"org.opencontainers.image.ref.name\":\"web:v1\"}}]}",
               w->manifest.digest, buf_len(&w->manifest.bytes));
    add_file(&tar, "index.json", buf_str(&index));
    buf_done(&index);
    if (load(w, &tar) < 0)
        fail_msg("%s", w->message);
    assert_string_equal(w->image_name, "docker.io/library/web:v1");
}

static void a_hostile_archive_is_refused(void **state)
{
    struct world *w = *state;
    struct buf tar;
    buf_init(&tar, 1 << 20);
    tar_make_add(&tar, (struct tar_make){.name = "c.json", .type = '2', .link = "/etc/passwd"});
    add_file(&tar, "manifest.json", STR("[{\"Config\":\"c.json\",\"RepoTags\":[],\"Layers\":[\"../../../etc/passwd\"]}]"));
    assert_true(load(w, &tar) < 0);
    assert_non_null(strstr(w->message, "the archive has no c.json"));
    buf_init(&tar, 1 << 20);
    tar_make_add(&tar, (struct tar_make){.name = "manifest.json", .type = '3', .major = 1, .minor = 5});
    assert_true(load(w, &tar) < 0);
    assert_int_equal(count(w, "layers"), 0);
    assert_int_equal(count(w, "blobs"), 0);
}

/* ---- Debian's docker-registry, started by tests/oci/registry_test ---- */

static const char *registry;

static void pull_named(struct world *w, const char *name)
{
    char image[128];
    snprintf(image, sizeof image, "%s/%s", registry, name);
    const struct runtime_pull p = {.image = image};
    images_pull(w->images, &p, on_image, w);
    if (await(w) < 0 && !strstr(name, "none"))
        fail_msg("%s", w->message);
}

static void a_real_registry_serves_gzip_zstd_and_an_index(void **state)
{
    struct world *w = *state;
    char first[DIGEST_TEXT];
    pull_named(w, "web:v1");
    memcpy(first, w->id, sizeof first);
    assert_int_equal(count(w, "layers"), 2);
    pull_named(w, "web:v2");
    assert_string_not_equal(first, w->id);
    assert_int_equal(count(w, "layers"), 3); /* the lower one is shared */
    pull_named(w, "busybox");
    memcpy(first, w->id, sizeof first);
    pull_named(w, "multi");
    assert_string_equal(first, w->id); /* the one for this machine is the same */
    pull_named(w, "none:v1");
    assert_non_null(strstr(w->message, "manifest unknown"));
    pull_named(w, "web:none");
    assert_non_null(strstr(w->message, "manifest unknown"));
}

/* ---- one pull, for tests/oci/pull_test: IMAGE REGISTRIES [AUTH [RESOLVER]] ---- */

/* Says on stdout the image's id, or why not. */
static int pull_one(int argc, char **argv)
{
    struct world *w;
    struct net_addr resolver;
    const struct runtime_pull p = {.image = argv[0], .auth_json = str_of(argc > 2 ? argv[2] : "")};
    if (setup((void **)&w) < 0)
        return 2;
    images_free(w->images);
    struct images_options o = {.loop = w->loop, .dir = w->images_dir, .registries = argv[1],
                               .resolvers = &resolver};
    if (argc > 3 && net_addr_parse(str_of(argv[3]), true, &resolver) == 0)
        o.resolver_count = 1;
    if (images_new(&o, &w->images, NULL) < 0)
        return 2;
    w->wait_ms = 90 * 1000;
    images_pull(w->images, &p, on_image, w);
    await(w);
    printf("%d %s\n", w->rc, w->rc < 0 ? w->message : w->id);
    fflush(stdout);
    unsigned left = count(w, "blobs") + (w->rc < 0 ? count(w, "layers") + count(w, "meta") : 0);
    if (left)
        printf("left behind: %u\n", left);
    int rc = left || w->answers ? 1 : 0;
    return teardown((void **)&w) == 0 ? rc : 3;
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_pulled_image_is_there_after_a_restart_too),
        T(a_failed_pull_leaves_no_partial_layer_and_says_why),
        T(a_layer_with_another_diff_id_leaves_nothing),
        T(layers_that_are_there_are_not_fetched_again),
        T(a_removed_image_takes_its_layers_with_it),
        T(an_archive_of_docker_is_loaded_under_its_names),
        T(an_oci_layout_is_loaded),
        T(a_hostile_archive_is_refused),
    };
    const struct CMUnitTest real[] = {T(a_real_registry_serves_gzip_zstd_and_an_index)};
#undef T
    if (strcmp(argv[0], "keelson: pull") == 0)
        _exit(pull_role_main(argc, argv)); /* not exit: the leak check cannot run in a chroot */
    if (strcmp(argv[0], "keelson: unpack") == 0)
        _exit(unpack_role_main(argc, argv));
    if (geteuid() != 0) {
        print_message("ok images_test # skip: needs root\n");
        return 0;
    }
    if (argc > 3 && strcmp(argv[1], "pull") == 0)
        return pull_one(argc - 2, argv + 2);
    if (argc > 1) {
        registry = argv[1];
        return cmocka_run_group_tests_name("registry", real, NULL, NULL);
    }
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
