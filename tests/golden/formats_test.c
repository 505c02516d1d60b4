/*
 * Upstream's own example objects (Debian's golang-k8s-api-dev: every field of every kind set, each as
 * JSON, YAML and protobuf): read from each of the three they are the same object, and protobuf is
 * written byte for byte as upstream wrote it. Fields that came to the API after those examples were
 * made are absent there; Pod has two of them that are written even when empty (observedGeneration of
 * status and conditions), so a Pod's bytes differ and are only read back.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/yaml.h"
#include "schema/protobuf.h"

#define TESTDATA "/usr/share/gocode/src/k8s.io/api/testdata/"

static char folder[512];

static void find_examples(void)
{
    const char *deps = getenv("KEELSON_DEPS");
    char command[1200];
    snprintf(folder, sizeof folder, "%s/api-objects", deps ? deps : "build/deps");
    snprintf(command, sizeof command, "test -d %s" TESTDATA "HEAD || image/apt deb golang-k8s-api-dev %s", folder, folder);
    if (system(command) != 0)
        fail_msg("golang-k8s-api-dev cannot be fetched (run from the top of the tree)");
}

static bool read_file(const char *path, struct buf *out)
{
    char piece[65536];
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_append(out, piece, n);
    fclose(f);
    return !out->failed;
}

/* The kind's type, NULL when this API has it no more (or as no GA version). */
static const struct schema_type *type_of(const struct json *o)
{
    struct str version = json_path_str(o, "apiVersion"), group = STR("");
    ptrdiff_t slash = str_find_byte(version, '/');
    if (slash >= 0) {
        group = str_make(version.p, (size_t)slash);
        version = str_make(version.p + slash + 1, version.n - (size_t)slash - 1);
    }
    return schema_type_of_kind(group, version, json_path_str(o, "kind"));
}

struct count {
    unsigned objects, same;
};

static struct json *checked(struct arena *a, struct json *o, const char *name)
{
    struct err err = {0};
    if (schema_check(a, type_of(o), o, SCHEMA_IGNORE, NULL, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return o;
}

static void one_object(const char *path, const char *name, struct count *count)
{
    struct buf json CLEANUP_BUF, yaml CLEANUP_BUF, pb CLEANUP_BUF, out CLEANUP_BUF;
    struct arena a CLEANUP_ARENA;
    struct json *from_json, *from_yaml, *from_pb;
    struct err err = {0};
    char file[1024];

    arena_init(&a, 64 << 20);
    buf_init(&json, 4 << 20), buf_init(&yaml, 4 << 20), buf_init(&pb, 4 << 20), buf_init(&out, 4 << 20);
    snprintf(file, sizeof file, "%s%s.json", path, name);
    if (!read_file(file, &json) || json_parse(&a, buf_str(&json), NULL, &from_json, &err) < 0)
        fail_msg("%s: %s", file, err.text);
    if (!type_of(from_json))
        return;
    snprintf(file, sizeof file, "%s%s.yaml", path, name);
    if (!read_file(file, &yaml) || yaml_parse(&a, buf_str(&yaml), NULL, &from_yaml, NULL, &err) < 0)
        fail_msg("%s: %s", file, err.text);
    snprintf(file, sizeof file, "%s%s.pb", path, name);
    if (!read_file(file, &pb) || protobuf_decode(&a, buf_str(&pb), &from_pb, &err) < 0)
        fail_msg("%s: %s", file, err.text);
    count->objects++;
    checked(&a, from_json, name);
    if (!json_equal(from_json, checked(&a, from_yaml, name)))
        fail_msg("%s: YAML and JSON differ", name);
    if (!json_equal(from_json, checked(&a, from_pb, name))) {
        buf_clear(&json);
        json_write(&json, from_json);
        json_write(&out, from_pb);
        fail_msg("%s: protobuf and JSON differ:\n%s\n%s", name, buf_cstr(&json), buf_cstr(&out));
    }
    if (protobuf_encode(type_of(from_json), from_json, &out) < 0)
        fail_msg("%s: cannot be written", name);
    if (str_eq(buf_str(&out), buf_str(&pb)))
        count->same++;
    else if (strcmp(name, "core.v1.Pod"))
        fail_msg("%s: %zu bytes, upstream has %zu", name, buf_len(&out), buf_len(&pb));
    if (protobuf_decode(&a, buf_str(&out), &from_pb, &err) < 0)
        fail_msg("%s: what was written cannot be read: %s", name, err.text);
    if (!json_equal(from_json, checked(&a, from_pb, name)))
        fail_msg("%s: is not read back as it was written", name);
}

static void examples_round_trip(void **state)
{
    static const char *const versions[] = {"v1.31.0", "HEAD"};
    struct count count = {0};
    (void)state;
    find_examples();
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        char path[800];
        snprintf(path, sizeof path, "%s" TESTDATA "%s/", folder, versions[i]);
        DIR *d = opendir(path);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));) {
            size_t n = strlen(e->d_name);
            char name[256];
            if (n < 3 || strcmp(e->d_name + n - 3, ".pb") || strstr(e->d_name, "after_roundtrip"))
                continue;
            snprintf(name, sizeof name, "%.*s", (int)(n - 3), e->d_name);
            one_object(path, name, &count);
        }
        closedir(d);
    }
    print_message("%u objects, %u written byte for byte\n", count.objects, count.same);
    assert_true(count.objects > 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples_round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
