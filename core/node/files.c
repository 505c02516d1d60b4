/* The files of configMap, secret, downwardAPI and projected volumes. See volumes.h. */
#include "node/downward.h"
#include "node/sources.h"
#include "node/volumes.h"

enum { DEFAULT_MODE = 0644 };

static int add(struct arena *a, struct file_list *l, const char *path, struct str content, int64_t mode)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        struct runtime_file *more = arena_alloc(a, room * sizeof *more);
        if (!more)
            return -E_NOMEM;
        if (l->count)
            memcpy(more, l->files, l->count * sizeof *more);
        l->files = more;
        l->room = room;
    }
    l->files[l->count++] = (struct runtime_file){path, content, (uint32_t)mode & 0777};
    return 0;
}

static int check_path(const char *path, struct err *err)
{
    struct str rest = str_of(path), part;
    bool bad = path[0] == '/' || !path[0];
    while (str_split(&rest, '/', &part))
        bad |= str_is(part, "..");
    return bad ? err_set(err, E_INVALID, "path %s must be relative and without \"..\"", path) : 0;
}

/* ---- ConfigMaps and Secrets ---- */

struct keyed { /* what a configMap or secret source says */
    enum source_kind kind;
    const char *name;
    const struct json *items;
    bool optional;
    int64_t mode;
};

static int add_decoded(struct step *s, struct file_list *l, const char *path, const struct json *value,
                       bool base64, int64_t mode, struct err *err)
{
    struct str text = json_str(value);
    if (!base64)
        return add(s->a, l, path, text, mode);
    char *raw = arena_alloc(s->a, text.n / 4 * 3 + 4);
    size_t n = 0;
    if (!raw)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = base64_decode(raw, &n, text);
    return rc < 0 ? err_set(err, -rc, "key %s: not base64", value->key.p)
                  : add(s->a, l, path, str_make(raw, n), mode);
}

static int add_items(struct step *s, const struct keyed *k, const struct json *data,
                     const struct json *binary, struct file_list *l, struct err *err)
{
    int rc = 0;
    for (struct json *i = json_first(k->items); i && rc == 0; i = i->next) {
        struct str key = json_path_str(i, "key");
        const char *path = json_path_cstr(i, "path");
        const struct json *text = json_get_str(data, key), *bytes = json_get_str(binary, key);
        if (!text && !bytes) {
            if (!k->optional)
                return err_set(err, E_NOT_FOUND, "references non-existent %s key: " STR_FMT,
                               k->kind == SOURCE_CONFIG_MAP ? "config" : "secret", STR_ARG(key));
            continue;
        }
        rc = check_path(path, err);
        if (rc == 0)
            rc = add_decoded(s, l, path, text ? text : bytes, !text || k->kind == SOURCE_SECRET,
                             json_path_i64(i, "mode", k->mode), err);
    }
    return rc;
}

static int add_all(struct step *s, const struct keyed *k, const struct json *data,
                   const struct json *binary, struct file_list *l, struct err *err)
{
    int rc = 0;
    for (struct json *m = json_first(data); m && rc == 0; m = m->next)
        rc = add_decoded(s, l, m->key.p, m, k->kind == SOURCE_SECRET, k->mode, err);
    for (struct json *m = json_first(binary); m && rc == 0; m = m->next)
        rc = add_decoded(s, l, m->key.p, m, true, k->mode, err);
    return rc;
}

static int add_keyed(struct step *s, const struct keyed *k, struct file_list *l, struct err *err)
{
    struct json *object = NULL;
    int rc = sources_read(s->pod, s->a, k->kind, k->name, &object, err);
    if (rc == -E_NOT_FOUND && k->optional)
        return 0;
    if (rc < 0)
        return rc;
    const struct json *data = json_get(object, "data"), *binary = json_get(object, "binaryData");
    return json_count(k->items) ? add_items(s, k, data, binary, l, err) : add_all(s, k, data, binary, l, err);
}

/* ---- downward API ---- */

static int add_downward(struct step *s, const struct json *items, int64_t mode, struct file_list *l,
                        struct err *err)
{
    int rc = 0;
    for (struct json *i = json_first(items); i && rc == 0; i = i->next) {
        const char *path = json_path_cstr(i, "path");
        const struct json *field = json_get(i, "fieldRef"), *resource = json_get(i, "resourceFieldRef");
        struct str text = {"", 0};
        rc = check_path(path, err);
        if (rc == 0 && field)
            rc = downward_field(s, json_path_cstr(field, "fieldPath"), &text, err);
        else if (rc == 0 && resource)
            rc = downward_resource(s, resource, NULL, &text, err);
        if (rc == 0)
            rc = add(s->a, l, path, text, json_path_i64(i, "mode", mode));
    }
    return rc;
}

/* ---- projected ---- */

static struct keyed keyed_of(const struct json *source, enum source_kind kind, const char *name_key, int64_t mode)
{
    return (struct keyed){.kind = kind, .name = json_path_cstr(source, name_key),
                          .items = json_get(source, "items"),
                          .optional = json_path_bool(source, "optional", false),
                          .mode = json_path_i64(source, "defaultMode", mode)};
}

static int add_token(struct step *s, struct volume *v, const struct json *source, int64_t mode,
                     struct file_list *l, struct err *err)
{
    struct str token;
    const char *path = json_path_cstr(source, "path");
    int rc = check_path(path, err);
    if (rc == 0)
        rc = token_get(v, s->spec, source, &token, err);
    return rc < 0 ? rc : add(s->a, l, path, token, mode);
}

static int add_projected(struct step *s, struct volume *v, const struct json *source, int64_t mode,
                         struct file_list *l, struct err *err)
{
    const struct json *one;
    if ((one = json_get(source, "configMap"))) {
        struct keyed k = keyed_of(one, SOURCE_CONFIG_MAP, "name", mode);
        return add_keyed(s, &k, l, err);
    }
    if ((one = json_get(source, "secret"))) {
        struct keyed k = keyed_of(one, SOURCE_SECRET, "name", mode);
        return add_keyed(s, &k, l, err);
    }
    if ((one = json_get(source, "downwardAPI")))
        return add_downward(s, json_get(one, "items"), mode, l, err);
    if ((one = json_get(source, "serviceAccountToken")))
        return add_token(s, v, one, mode, l, err);
    return err_set(err, E_UNSUPPORTED, "a projected source of this kind is not supported");
}

bool files_is_source(const struct json *volume)
{
    return json_get(volume, "configMap") || json_get(volume, "secret") || json_get(volume, "downwardAPI") ||
           json_get(volume, "projected");
}

int files_collect(struct step *s, struct volume *v, const struct json *volume, struct file_list *ret_list,
                  struct err *err)
{
    const struct json *source;
    struct file_list l = {0};
    int rc = 0;
    if ((source = json_get(volume, "configMap"))) {
        struct keyed k = keyed_of(source, SOURCE_CONFIG_MAP, "name", DEFAULT_MODE);
        rc = add_keyed(s, &k, &l, err);
    } else if ((source = json_get(volume, "secret"))) {
        struct keyed k = keyed_of(source, SOURCE_SECRET, "secretName", DEFAULT_MODE);
        rc = add_keyed(s, &k, &l, err);
    } else if ((source = json_get(volume, "downwardAPI"))) {
        rc = add_downward(s, json_get(source, "items"), json_path_i64(source, "defaultMode", DEFAULT_MODE), &l, err);
    } else {
        source = json_get(volume, "projected");
        int64_t mode = json_path_i64(source, "defaultMode", DEFAULT_MODE);
        int waiting = 0; /* everything is asked for before the first answer is waited for */
        for (struct json *j = json_first(json_get(source, "sources")); j && rc == 0; j = j->next) {
            rc = add_projected(s, v, j, mode, &l, err);
            if (rc == -E_AGAIN)
                waiting = rc, rc = 0;
        }
        if (rc == 0)
            rc = waiting;
    }
    if (rc == 0 && s->a->failed)
        rc = err_set(err, E_NOMEM, "out of memory");
    if (rc == 0)
        *ret_list = l;
    return rc;
}
