/* Manifests and configurations: what is taken from them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "pull/manifest.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CONFIG "\"config\":{\"digest\":\"" A "\",\"size\":7}"

static int parse(const char *text, const char *type, struct pull_manifest *m, struct err *err)
{
    err_clear(err);
    return pull_manifest_parse(str_of(text), str_of(type), m, err);
}

static void layers_and_configuration_are_taken(void **state)
{
    static struct pull_manifest m;
    struct err err;
    (void)state;
    assert_int_equal(parse("{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":"
                           "\"application/vnd.docker.image.rootfs.diff.tar.gzip\",\"digest\":\"" B "\",\"size\":9}]}",
                           "", &m, &err), 0);
    assert_false(m.is_index);
    assert_string_equal(m.digest, A);
    assert_int_equal(m.layer_count, 1);
    assert_string_equal(m.layers[0].digest, B);
    assert_int_equal(pull_config_parse(STR("{\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"" A "\"]}}"), &m, &err), 0);
    assert_string_equal(m.layers[0].diff_id, A);
}

static void an_index_gives_the_manifest_for_this_machine(void **state)
{
    static struct pull_manifest m;
    struct err err;
    (void)state;
    assert_int_equal(parse("{\"schemaVersion\":2,\"manifests\":["
                           "{\"digest\":\"" B "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
                           "{\"digest\":\"" A "\",\"size\":2,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}",
                           "", &m, &err), 0);
    assert_true(m.is_index);
    assert_string_equal(m.digest, A);
}

static void what_is_no_image_is_refused(void **state)
{
    static const struct { const char *text, *type; int code; const char *why; } bad[] = {
        {"{", "", E_SYNTAX, "manifest"},
        {"{\"schemaVersion\":1}", "", E_UNSUPPORTED, "schema version 1"},
        {"{\"schemaVersion\":2}", "", E_SYNTAX, "neither"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}", "", E_SYNTAX, "or both"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", "application/vnd.oci.image.index.v1+json", E_SYNTAX, "neither"},
        {"{\"schemaVersion\":2,\"manifests\":[]}", "", E_NOT_FOUND, "no matching manifest"},
        {"{\"schemaVersion\":2,\"mediaType\":\"x/y\"," CONFIG ",\"layers\":[]}", "", E_UNSUPPORTED, "unknown type"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../../x\",\"size\":1},\"layers\":[]}", "", E_SYNTAX, "digest"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A "\",\"size\":-1},\"layers\":[]}", "", E_SYNTAX, "size"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"application/x-helm\",\"digest\":\"" B "\",\"size\":1}]}",
         "", E_UNSUPPORTED, "not a container image"},
    };
    static struct pull_manifest m;
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i].text, bad[i].type, &m, &err), -bad[i].code);
        if (!strstr(err.text, bad[i].why))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].why);
    }
}

static void too_many_layers_are_refused(void **state)
{
    static struct pull_manifest m;
    struct err err;
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    buf_puts(&b, "{\"schemaVersion\":2," CONFIG ",\"layers\":[");
    for (int i = 0; i <= LIMIT_IMAGE_LAYERS; i++)
        buf_printf(&b, "%s{\"digest\":\"" B "\",\"size\":9}", i ? "," : "");
    buf_puts(&b, "]}");
    assert_int_equal(parse(buf_cstr(&b), "", &m, &err), -E_LIMIT);
    buf_done(&b);
}

static void a_configuration_must_fit_the_manifest_and_the_machine(void **state)
{
    static struct pull_manifest m = {.layer_count = 1};
    struct err err = {0};
    (void)state;
    assert_int_equal(pull_config_parse(STR("{\"rootfs\":{\"diff_ids\":[]}}"), &m, &err), -E_SYNTAX);
    assert_int_equal(pull_config_parse(STR("{\"rootfs\":{\"diff_ids\":[\"../x\"]}}"), &m, &err), -E_SYNTAX);
    assert_int_equal(pull_config_parse(STR("{\"os\":\"windows\",\"rootfs\":{\"diff_ids\":[\"" A "\"]}}"), &m, &err),
                     -E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_and_configuration_are_taken),
        cmocka_unit_test(an_index_gives_the_manifest_for_this_machine),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(too_many_layers_are_refused),
        cmocka_unit_test(a_configuration_must_fit_the_manifest_and_the_machine),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
