/*
 * What a registry may answer: as a manifest, an index, an image's configuration, a Location header
 * and an image's name. Checked: what is taken holds what the rest of the code relies on.
 */
#include "base/assert.h"
#include "pull/manifest.h"
#include "pull/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_manifest(struct str text)
{
    static struct pull_manifest m; /* too large for the stack */
    struct err err;
    if (pull_manifest_parse(text, (struct str){"", 0}, &m, &err) == 0) {
        ASSERT(pull_digest_ok(str_of(m.digest)) && m.size_bytes >= 0 && m.layer_count <= LIMIT_IMAGE_LAYERS);
        for (size_t i = 0; i < m.layer_count; i++)
            ASSERT(pull_digest_ok(str_of(m.layers[i].digest)) && m.layers[i].size_bytes >= 0);
    }
    m.layer_count = 1;
    if (pull_config_parse(text, &m, &err) == 0)
        ASSERT(pull_digest_ok(str_of(m.layers[0].diff_id)));
}

static void check_url(struct str text)
{
    static const struct pull_url base = {.https = true, .host = "registry.example", .port = 443, .target = "/"};
    struct pull_url url;
    char host[PULL_HOST_BYTES + 16];
    struct err err;
    if (pull_url_resolve(&base, text, &url, &err) < 0)
        return;
    ASSERT(url.host[0] && url.port && url.target[0] == '/');
    ASSERT(!strpbrk(url.target, "\r\n ") && !strpbrk(url.host, "\r\n @/"));
    pull_url_host(&url, host);
}

static void check_reference(struct str text)
{
    struct pull_reference r, again;
    char line[PULL_REFERENCE_BYTES], name[PULL_REFERENCE_BYTES], name_again[PULL_REFERENCE_BYTES];
    struct err err;
    if (!str_copy(line, sizeof line, text) || pull_reference_parse(line, &r, &err) < 0)
        return;
    ASSERT(r.registry[0] && r.repository[0] && (r.tag[0] || r.digest[0]));
    ASSERT(!strstr(r.repository, "..") && !strpbrk(r.repository, "?#%\r\n "));
    pull_reference_name(&r, name);
    ASSERT(pull_reference_parse(name, &again, &err) == 0); /* a canonical name stays as it is */
    pull_reference_name(&again, name_again);
    ASSERT(strcmp(name, name_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size);
    check_manifest(text);
    check_url(text);
    check_reference(text);
    return 0;
}
