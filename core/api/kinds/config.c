/* ConfigMaps and Secrets: keys, sizes, types, immutability. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

enum { DATA_BYTES = 1024 * 1024 };

static const struct kind_field secret_fields[] = {{SELECTABLE("type")}, {.selector = NULL}};

static size_t check_keys(struct field_errors *e, const char *part, const struct json *data,
                         const struct json *other)
{
    size_t bytes = 0;
    for (const struct json *m = json_first(data); m; m = m->next) {
        const struct field *f = FIELD_KEY(FIELD(NULL, part), m->key);
        field_check_name(e, f, m->key, names_config_map_key);
        if (json_get_str(other, m->key))
            field_invalid_str(e, f, m->key, "duplicate of key present in binaryData");
        bytes += json_str(m).n;
    }
    return bytes;
}

static void validate_map(struct write *w)
{
    const struct json *data = json_get(w->object, "data"),
                      *binary = json_get(w->object, "binaryData");
    size_t bytes = check_keys(&w->errors, "data", data, binary) +
                   check_keys(&w->errors, "binaryData", binary, NULL) / 4 * 3;
    if (bytes > DATA_BYTES)
        field_too_long(&w->errors, NULL, DATA_BYTES);
}

static void check_frozen(struct write *w, const char *const *parts)
{
    if (!json_path_bool(w->old, "immutable", false))
        return;
    if (!json_path_bool(w->object, "immutable", false))
        field_forbidden(&w->errors, FIELD(NULL, "immutable"),
                        "field is immutable when `immutable` is set");
    for (; *parts; parts++)
        if (!json_equal(json_get(w->object, *parts), json_get(w->old, *parts)))
            field_forbidden(&w->errors, FIELD(NULL, *parts),
                            "field is immutable when `immutable` is set");
}

static void update_map(struct write *w)
{
    check_frozen(w, (const char *const[]){"data", "binaryData", NULL});
}

/* ---- secrets ---- */

/* stringData is written and never read: it goes into data. */
static void set_secret(struct write *w)
{
    struct json *text = json_get(w->object, "stringData");
    for (const struct json *m = json_first(text); m; m = m->next) {
        struct json *data = json_object_at(w->a, w->object, "data");
        struct str s = json_str(m);
        char *encoded = arena_alloc(w->a, base64_encoded_size(s.n));
        if (!encoded || !data)
            return;
        size_t n = base64_encode(encoded, s.p, s.n);
        json_set_key(w->a, data, m->key, json_new_str(w->a, str_make(encoded, n)));
    }
    json_remove(w->object, "stringData");
    set_missing(w->a, w->object, "type", "Opaque");
}

static void need(struct write *w, const char *key)
{
    if (!json_get(json_get(w->object, "data"), key))
        field_required(&w->errors, FIELD_KEY(FIELD(NULL, "data"), str_of(key)), NULL);
}

/* The value, which is a registry's configuration, is a JSON object. Its text is not repeated. */
static void need_json(struct write *w, const char *key)
{
    const struct json *value = json_get(json_get(w->object, "data"), key);
    struct str s = json_str(value);
    struct err why = {0};
    struct json *parsed = NULL;
    size_t n = 0;
    if (!value) {
        need(w, key);
        return;
    }
    char *bytes = arena_alloc(w->a, s.n + 4);
    if (!bytes || base64_decode(bytes, &n, s) < 0)
        return; /* the decoder said so already */
    bool good = n && json_parse(w->a, str_make(bytes, n), NULL, &parsed, &why) == 0;
    if (good && json_is(parsed, JSON_OBJECT))
        return;
    field_invalid_str(&w->errors, FIELD_KEY(FIELD(NULL, "data"), str_of(key)),
                      STR("<secret contents redacted>"),
                      !n     ? "unexpected end of JSON input"
                      : good ? "json: cannot unmarshal value into Go value of type "
                               "map[string]interface {}"
                             : "invalid character in JSON");
}

static void validate_secret(struct write *w)
{
    struct str type = json_path_str(w->object, "type");
    const struct json *data = json_get(w->object, "data");
    if (check_keys(&w->errors, "data", data, NULL) / 4 * 3 > DATA_BYTES)
        field_too_long(&w->errors, FIELD(NULL, "data"), DATA_BYTES);
    if (str_is(type, "kubernetes.io/dockerconfigjson"))
        need_json(w, ".dockerconfigjson");
    else if (str_is(type, "kubernetes.io/dockercfg"))
        need_json(w, ".dockercfg");
    else if (str_is(type, "kubernetes.io/ssh-auth") &&
             !json_str(json_get(data, "ssh-privatekey")).n)
        field_required(&w->errors, FIELD_KEY(FIELD(NULL, "data"), STR("ssh-privatekey")), NULL);
    else if (str_is(type, "kubernetes.io/tls")) {
        need(w, "tls.crt");
        need(w, "tls.key");
    } else if (str_is(type, "kubernetes.io/basic-auth") && !json_get(data, "username") &&
               !json_get(data, "password")) {
        need(w, "username");
        need(w, "password");
    } else if (str_is(type, "kubernetes.io/service-account-token") &&
               !json_str(json_get(json_path(w->object, "metadata.annotations"),
                                  "kubernetes.io/service-account.name"))
                    .n) {
        field_required(&w->errors,
                       FIELD_KEY(FIELD(FIELD(NULL, "metadata"), "annotations"),
                                 STR("kubernetes.io/service-account.name")),
                       NULL);
    }
}

static void update_secret(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(NULL, "type"), json_get(w->object, "type"),
                          json_get(w->old, "type"));
    check_frozen(w, (const char *const[]){"data", NULL});
}

const struct kind kind_config_map = {
    .group = "",
    .resource = "configmaps",
    .validate = validate_map,
    .validate_update = update_map,
};

const struct kind kind_secret = {
    .group = "",
    .resource = "secrets",
    .fields = secret_fields,
    .set_defaults = set_secret,
    .validate = validate_secret,
    .validate_update = update_secret,
};
