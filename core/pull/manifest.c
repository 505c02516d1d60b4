/* See manifest.h. */
#include "pull/manifest.h"

#include "codec/json.h"

static const char *const index_types[] = {"application/vnd.oci.image.index.v1+json",
                                          "application/vnd.docker.distribution.manifest.list.v2+json", NULL};
static const char *const manifest_types[] = {"application/vnd.oci.image.manifest.v1+json",
                                             "application/vnd.docker.distribution.manifest.v2+json", NULL};

static bool one_of(struct str s, const char *const *list)
{
    for (; *list; list++)
        if (str_is(s, *list))
            return true;
    return false;
}

static int take_descriptor(const struct json *d, char digest[PULL_DIGEST_BYTES], int64_t *size_bytes,
                           const char *what, struct err *err)
{
    struct str text = json_path_str(d, "digest");
    *size_bytes = json_path_i64(d, "size", -1);
    if (!pull_digest_ok(text))
        return err_set(err, E_SYNTAX, "manifest: %s has no sha256 digest", what);
    if (*size_bytes < 0)
        return err_set(err, E_SYNTAX, "manifest: %s has no size", what);
    str_copy(digest, PULL_DIGEST_BYTES, text);
    return 0;
}

/* The entry for this kind of machine; one without platform serves when there is nothing better. */
static int take_index(const struct json *list, struct pull_manifest *m, struct err *err)
{
    const struct json *best = NULL;
    for (const struct json *d = json_first(list); d; d = d->next) {
        const struct json *p = json_get(d, "platform");
        struct str type = json_path_str(d, "mediaType");
        if (type.n && !one_of(type, manifest_types) && !one_of(type, index_types))
            continue;
        bool here = str_is(json_path_str(p, "os"), "linux") && str_is(json_path_str(p, "architecture"), "amd64");
        struct str variant = json_path_str(p, "variant");
        if (here && (!variant.n || str_is(variant, "v1"))) {
            best = d;
            break;
        }
        if (!p && !best)
            best = d;
    }
    if (!best)
        return err_set(err, E_NOT_FOUND, "no matching manifest for linux/amd64 in the manifest list entries");
    m->is_index = true;
    return take_descriptor(best, m->digest, &m->size_bytes, "an entry of the index", err);
}

static bool layer_type_ok(struct str type)
{
    if (!type.n)
        return true;
    bool known = str_starts(type, STR("application/vnd.oci.image.layer.")) ||
                 str_starts(type, STR("application/vnd.docker.image.rootfs."));
    return known && str_find(type, STR("encrypted")) < 0;
}

static int take_layers(const struct json *list, struct pull_manifest *m, struct err *err)
{
    if (json_count(list) > LIMIT_IMAGE_LAYERS)
        return err_set(err, E_LIMIT, "an image of %u layers; %d are possible", json_count(list), LIMIT_IMAGE_LAYERS);
    for (const struct json *d = json_first(list); d; d = d->next) {
        struct pull_layer *l = &m->layers[m->layer_count];
        struct str type = json_path_str(d, "mediaType");
        if (!layer_type_ok(type))
            return err_set(err, E_UNSUPPORTED, "not a container image: a layer is of type \"%.*s\"",
                           (int)(type.n < 100 ? type.n : 100), type.p);
        int rc = take_descriptor(d, l->digest, &l->size_bytes, "a layer", err);
        if (rc < 0)
            return rc;
        m->layer_count++;
    }
    return 0;
}

int pull_manifest_parse(struct str text, struct str media_type, struct pull_manifest *ret_manifest,
                        struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *o;
    arena_init(&a, 8 * PULL_MANIFEST_BYTES);
    int rc = json_parse(&a, text, NULL, &o, err);
    if (rc < 0)
        return err_wrap(err, rc, "manifest");
    struct str type = json_path_str(o, "mediaType");
    if (!type.n && (one_of(media_type, index_types) || one_of(media_type, manifest_types)))
        type = media_type;
    memset(ret_manifest, 0, sizeof *ret_manifest);
    if (json_path_i64(o, "schemaVersion", 0) != 2)
        return err_set(err, E_UNSUPPORTED, "the manifest is of schema version %lld; 2 is supported",
                       (long long)json_path_i64(o, "schemaVersion", 0));
    /* A document that is both would let two readers see two images (CVE-2021-41190). */
    bool index = json_is(json_get(o, "manifests"), JSON_ARRAY);
    bool manifest = json_is(json_get(o, "config"), JSON_OBJECT) || json_is(json_get(o, "layers"), JSON_ARRAY);
    if (index == manifest || (index && one_of(type, manifest_types)) || (manifest && one_of(type, index_types)))
        return err_set(err, E_SYNTAX, "neither a manifest nor an index, or both");
    if (type.n && !one_of(type, index_types) && !one_of(type, manifest_types))
        return err_set(err, E_UNSUPPORTED, "manifest of unknown type \"%.*s\"", (int)(type.n < 100 ? type.n : 100), type.p);
    if (index)
        return take_index(json_get(o, "manifests"), ret_manifest, err);
    rc = take_descriptor(json_get(o, "config"), ret_manifest->digest, &ret_manifest->size_bytes,
                         "the configuration", err);
    return rc < 0 ? rc : take_layers(json_get(o, "layers"), ret_manifest, err);
}

int pull_config_parse(struct str text, struct pull_manifest *m, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *o;
    arena_init(&a, 8 * PULL_MANIFEST_BYTES);
    int rc = json_parse(&a, text, NULL, &o, err);
    if (rc < 0)
        return err_wrap(err, rc, "image configuration");
    const char *os = json_path_cstr(o, "os"), *architecture = json_path_cstr(o, "architecture");
    if ((os[0] && !cstr_eq(os, "linux")) || (architecture[0] && !cstr_eq(architecture, "amd64")))
        return err_set(err, E_UNSUPPORTED, "the image is for %.40s/%.40s, this machine is linux/amd64", os, architecture);
    const struct json *ids = json_path(o, "rootfs.diff_ids");
    if (json_count(ids) != m->layer_count)
        return err_set(err, E_SYNTAX, "image configuration: %u diff_ids for %zu layers", json_count(ids), m->layer_count);
    size_t i = 0;
    for (const struct json *id = json_first(ids); id; id = id->next, i++) {
        if (!pull_digest_ok(json_str(id)))
            return err_set(err, E_SYNTAX, "image configuration: a diff_id is no sha256 digest");
        str_copy(m->layers[i].diff_id, PULL_DIGEST_BYTES, json_str(id));
    }
    return 0;
}
