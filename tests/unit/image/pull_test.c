/* Pulling from registries that tell the truth, stop in the middle, or lie. Real sockets on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "port/crypto.h"
#include "pull/pull.h"
#include "tests/lib/liar.h"

static const char layer_body[] = "these are the bytes of a layer; what they unpack to is another's business";
enum { LAYER_BYTES = sizeof layer_body - 1 };

struct world {
    struct liar liar;
    struct pull_io io;
    struct pull *pull;
    const struct pull_image *image;
    struct err err;
    char layer[PULL_DIGEST_BYTES], config[PULL_DIGEST_BYTES], manifest[PULL_DIGEST_BYTES];
    char config_text[512], manifest_text[1024], layer_path[128], config_path[128], name[128];
    char file[256]; /* what pull_layer wrote */
    size_t file_end;
};

static void digest(struct str s, char ret[PULL_DIGEST_BYTES])
{
    uint8_t d[SHA256_BYTES];
    sha256_of(s, d);
    memcpy(ret, "sha256:", 8);
    hex_encode(ret + 7, d, sizeof d);
}

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof *w);
    struct poll poll;
    if (poll_epoll_open(&poll) < 0 || loop_new(poll, &w->io.loop) < 0)
        return -1;
    w->io.net = net_socket();
    w->io.stall_ms = 300;
    liar_open(&w->liar);
    digest(STR("these are the bytes of a layer; what they unpack to is another's business"), w->layer);
    snprintf(w->config_text, sizeof w->config_text,
             "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}", w->layer);
    digest(str_of(w->config_text), w->config);
    snprintf(w->manifest_text, sizeof w->manifest_text,
             "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":%zu},"
             "\"layers\":[{\"digest\":\"%s\",\"size\":%d}]}",
             w->config, strlen(w->config_text), w->layer, LAYER_BYTES);
    digest(str_of(w->manifest_text), w->manifest);
    snprintf(w->layer_path, sizeof w->layer_path, "/v2/x/blobs/%s", w->layer);
    snprintf(w->config_path, sizeof w->config_path, "/v2/x/blobs/%s", w->config);
    snprintf(w->name, sizeof w->name, "127.0.0.1:%u/x:v1", w->liar.port);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    pull_free(w->pull);
    loop_free(w->io.loop);
    liar_stop(&w->liar);
    mem_free(w);
    return mem_live_count() == 0 ? 0 : -1;
}

static void say_manifest(struct world *w)
{
    liar_says(&w->liar, "/v2/x/manifests/v1", "200 OK", "", str_of(w->manifest_text));
}

static void say_config(struct world *w)
{
    liar_says(&w->liar, w->config_path, "200 OK", "", str_of(w->config_text));
}

static int find(struct world *w, const struct pull_options *more)
{
    struct pull_options o = more ? *more : (struct pull_options){0};
    o.io = &w->io;
    o.image = o.image ? o.image : w->name;
    liar_start(&w->liar);
    int rc = pull_new(&o, &w->pull, &w->err);
    return rc < 0 ? rc : pull_find(w->pull, &w->image, &w->err);
}

static int write_file(void *ctx, uint64_t offset, struct str bytes, struct err *err)
{
    struct world *w = ctx;
    (void)err;
    assert_true(offset + bytes.n <= sizeof w->file);
    memcpy(w->file + offset, bytes.p, bytes.n);
    w->file_end = offset + bytes.n;
    return 0;
}

static int fetch(struct world *w)
{
    const struct pull_file file = {write_file, w};
    return pull_layer(w->pull, 0, &file, &w->err);
}

static void says(struct world *w, const char *why)
{
    if (!strstr(w->err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", w->err.text, why);
}

static void whole_layer(struct world *w)
{
    int rc = fetch(w);
    if (rc < 0)
        print_message("# %s\n", w->err.text);
    assert_int_equal(rc, 0);
    assert_int_equal(w->file_end, LAYER_BYTES);
    assert_memory_equal(w->file, layer_body, LAYER_BYTES);
}

static void an_image_is_found_and_its_layer_fetched(void **state)
{
    struct world *w = *state;
    say_manifest(w);
    say_config(w);
    liar_says(&w->liar, w->layer_path, "200 OK", "", str_of(layer_body));
    assert_int_equal(find(w, NULL), 0);
    assert_string_equal(w->image->digest, w->manifest);
    assert_string_equal(w->image->manifest.digest, w->config);
    assert_int_equal(w->image->manifest.layer_count, 1);
    assert_string_equal(w->image->manifest.layers[0].diff_id, w->layer);
    whole_layer(w);
}

static void an_interrupted_layer_is_resumed(void **state)
{
    struct world *w = *state;
    say_manifest(w);
    say_config(w);
    liar_sends(&w->liar, w->layer_path,
               "HTTP/1.1 206 Partial\r\nContent-Range: bytes 20-%d/%d\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
               LAYER_BYTES - 1, LAYER_BYTES, LAYER_BYTES - 20, layer_body + 20)->header = "ange: bytes=20-\r\n";
    liar_sends(&w->liar, w->layer_path, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.20s", LAYER_BYTES, layer_body);
    assert_int_equal(find(w, NULL), 0);
    whole_layer(w);
}

static void a_layer_resumed_at_another_place_is_refused(void **state)
{
    struct world *w = *state;
    say_manifest(w);
    say_config(w);
    liar_sends(&w->liar, w->layer_path, "HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-30/%d\r\nContent-Length: 3\r\n\r\nabc",
               LAYER_BYTES)->header = "ange: ";
    liar_sends(&w->liar, w->layer_path, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.20s", LAYER_BYTES, layer_body);
    assert_int_equal(find(w, NULL), 0);
    assert_int_equal(fetch(w), -E_SYNTAX);
    says(w, "another place");
}

static void a_layer_that_stays_truncated_fails(void **state)
{
    struct world *w = *state;
    say_manifest(w);
    say_config(w);
    liar_sends(&w->liar, w->layer_path, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nthese", LAYER_BYTES);
    assert_int_equal(find(w, NULL), 0);
    assert_true(fetch(w) < 0);
    says(w, w->layer);
}

static void a_layer_of_another_digest_is_a_mismatch(void **state)
{
    struct world *w = *state;
    char other[sizeof layer_body];
    memcpy(other, layer_body, sizeof other);
    other[3] ^= 1;
    say_manifest(w);
    say_config(w);
    liar_says(&w->liar, w->layer_path, "200 OK", "", str_of(other));
    assert_int_equal(find(w, NULL), 0);
    assert_int_equal(fetch(w), -E_CORRUPT);
    says(w, "digest mismatch: expected sha256:");
}

static void a_layer_of_another_size_is_refused(void **state)
{
    struct world *w = *state;
    say_manifest(w);
    say_config(w);
    liar_sends(&w->liar, w->layer_path, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s and more", layer_body);
    assert_int_equal(find(w, NULL), 0);
    assert_int_equal(fetch(w), -E_CORRUPT);
    says(w, "more than the");
}

static void a_manifest_of_another_digest_is_a_mismatch(void **state)
{
    struct world *w = *state;
    char name[256], path[128];
    snprintf(name, sizeof name, "127.0.0.1:%u/x@%s", w->liar.port, w->layer);
    snprintf(path, sizeof path, "/v2/x/manifests/%s", w->layer);
    liar_says(&w->liar, path, "200 OK", "", str_of(w->manifest_text));
    assert_int_equal(find(w, &(struct pull_options){.image = name}), -E_CORRUPT);
    says(w, "digest mismatch");
}

static void a_configuration_of_another_digest_is_a_mismatch(void **state)
{
    struct world *w = *state;
    say_manifest(w);
    liar_says(&w->liar, w->config_path, "200 OK", "", STR("{}"));
    assert_int_equal(find(w, NULL), -E_CORRUPT);
    says(w, "digest mismatch");
}

static void an_unknown_manifest_is_named_so(void **state)
{
    struct world *w = *state;
    liar_says(&w->liar, "/v2/x/manifests/v1", "404 Not Found", "",
              STR("{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}"));
    assert_int_equal(find(w, NULL), -E_NOT_FOUND);
    says(w, "manifest unknown");
}

static void an_index_without_this_machine_is_refused(void **state)
{
    struct world *w = *state;
    char text[512];
    snprintf(text, sizeof text,
             "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\",\"size\":5,\"platform\":{\"os\":\"linux\","
             "\"architecture\":\"arm64\"}}]}", w->manifest);
    liar_says(&w->liar, "/v2/x/manifests/v1", "200 OK", "", str_of(text));
    assert_int_equal(find(w, NULL), -E_NOT_FOUND);
    says(w, "no matching manifest for linux/amd64");
}

static void a_redirect_loop_ends(void **state)
{
    struct world *w = *state;
    liar_says(&w->liar, "/v2/x/manifests/v1", "307 Moved", "Location: /v2/x/manifests/v1\r\n", STR(""));
    assert_int_equal(find(w, NULL), -E_LIMIT);
    says(w, "redirects");
}

static void a_registry_that_stops_sending_is_left(void **state)
{
    struct world *w = *state;
    liar_sends(&w->liar, "/v2/x/manifests/v1", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")->stall = true;
    assert_int_equal(find(w, NULL), -E_TIMEOUT);
    says(w, "stopped sending");
}

static void a_token_is_fetched_with_the_credentials_and_sent(void **state)
{
    struct world *w = *state;
    char challenge[256];
    snprintf(challenge, sizeof challenge,
             "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%u/token\",service=\"s v\",scope=\"repository:x:pull\"\r\n",
             w->liar.port);
    liar_says(&w->liar, "/token?service=s%20v&scope=repository%3Ax%3Apull", "200 OK", "",
              STR("{\"token\":\"t0k\"}"))->header = "uthorization: Basic bWU6c2VjcmV0\r\n";
    liar_says(&w->liar, "/v2/x/manifests/v1", "200 OK", "", str_of(w->manifest_text))->header =
        "uthorization: Bearer t0k\r\n";
    liar_says(&w->liar, "/v2/x/manifests/v1", "401 Unauthorized", challenge, STR(""))->without = "uthorization:";
    liar_says(&w->liar, w->config_path, "200 OK", "", str_of(w->config_text))->header = "uthorization: Bearer t0k\r\n";
    assert_int_equal(find(w, &(struct pull_options){.username = "me", .password = "secret"}), 0);
}

static void wrong_credentials_are_unauthorized(void **state)
{
    struct world *w = *state;
    liar_says(&w->liar, "/v2/x/manifests/v1", "401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", STR(""));
    assert_int_equal(find(w, &(struct pull_options){.username = "me", .password = "wrong"}), -E_UNAUTHORIZED);
    says(w, "unauthorized");
}

static void credentials_do_not_follow_a_redirect_to_another_server(void **state)
{
    struct world *w = *state;
    struct liar other;
    char location[256];
    liar_open(&other);
    liar_says(&other, "/elsewhere", "200 OK", "", str_of(layer_body))->without = "uthorization:";
    snprintf(location, sizeof location, "Location: http://127.0.0.1:%u/elsewhere\r\n", other.port);
    liar_says(&w->liar, "/v2/x/manifests/v1", "200 OK", "", str_of(w->manifest_text))->header = "uthorization: Basic ";
    liar_says(&w->liar, "/v2/x/manifests/v1", "401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", STR(""));
    say_config(w);
    liar_says(&w->liar, w->layer_path, "307 Moved", location, STR(""))->header = "uthorization: Basic ";
    liar_start(&other);
    int rc = find(w, &(struct pull_options){.username = "me", .password = "secret"});
    if (rc == 0)
        whole_layer(w);
    liar_stop(&other);
    assert_int_equal(rc, 0);
}

static void a_mirror_is_asked_first(void **state)
{
    struct world *w = *state;
    char mirror[64];
    say_manifest(w);
    say_config(w);
    snprintf(mirror, sizeof mirror, "127.0.0.1:%u", w->liar.port);
    const struct pull_registry registry = {.name = "registry.invalid", .mirrors = {mirror}, .mirror_count = 1, .plain_http = true};
    assert_int_equal(find(w, &(struct pull_options){.image = "registry.invalid/x:v1", .registries = &registry, .registry_count = 1}), 0);
    assert_string_equal(w->image->reference.registry, "registry.invalid");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_image_is_found_and_its_layer_fetched),
        T(an_interrupted_layer_is_resumed),
        T(a_layer_resumed_at_another_place_is_refused),
        T(a_layer_that_stays_truncated_fails),
        T(a_layer_of_another_digest_is_a_mismatch),
        T(a_layer_of_another_size_is_refused),
        T(a_manifest_of_another_digest_is_a_mismatch),
        T(a_configuration_of_another_digest_is_a_mismatch),
        T(an_unknown_manifest_is_named_so),
        T(an_index_without_this_machine_is_refused),
        T(a_redirect_loop_ends),
        T(a_registry_that_stops_sending_is_left),
        T(a_token_is_fetched_with_the_credentials_and_sent),
        T(wrong_credentials_are_unauthorized),
        T(credentials_do_not_follow_a_redirect_to_another_server),
        T(a_mirror_is_asked_first),
    };
#undef T
    return cmocka_run_group_tests_name("pull", tests, NULL, NULL);
}
