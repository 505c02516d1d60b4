/* Definitions from the store. See crd.h. */
#include "api/crd/conversion.h"
#include "api/crd/node.h"

#include <stdio.h>

#include "base/mem.h"

enum { DEFINITION_ARENA = 32 * 1024 * 1024 };

struct crds {
    struct map by_name;  /* struct crd, also those that are not established */
    struct crd **listed; /* of the last crd_all */
    size_t listed_room;
};

struct crd *crd_ref(struct crd *c)
{
    c->refs++;
    return c;
}

void crd_unref(struct crd *c)
{
    if (!c || --c->refs)
        return;
    conversion_hook_drop(c->hook);
    arena_done(&c->arena);
    mem_free(c);
}

/* ---- from the stored form ---- */

static const char *const *names_of(struct arena *a, const struct json *list)
{
    const char **names = arena_alloc(a, (json_count(list) + 1) * sizeof *names);
    size_t n = 0;
    if (!names)
        return NULL;
    for (const struct json *m = json_first(list); m; m = m->next)
        names[n++] = json_cstr(m);
    names[n] = NULL;
    return names;
}

static bool condition_is(const struct json *object, const char *type)
{
    for (const struct json *m = json_first(json_path(object, "status.conditions")); m; m = m->next)
        if (str_is(json_path_str(m, "type"), type))
            return str_is(json_path_str(m, "status"), "True");
    return false;
}

static const char *deprecation_of(struct crd *c, const struct crd_version *v, const struct json *j)
{
    const char *own = json_path_cstr(j, "deprecationWarning");
    if (!json_path_bool(j, "deprecated", false))
        return NULL;
    return own[0] ? own
                  : arena_printf(&c->arena, "%s/%s %s is deprecated", c->group, v->name,
                                 v->names.kind);
}

/* "com.example.v1.Widget" */
static const char *type_name_of(struct arena *a, const char *group, const char *version,
                                const char *kind)
{
    struct buf name CLEANUP_BUF;
    struct str rest = str_of(group);
    buf_init(&name, 1024);
    while (rest.n) {
        size_t at = rest.n;
        while (at > 0 && rest.p[at - 1] != '.')
            at--;
        buf_append(&name, rest.p + at, rest.n - at);
        buf_putc(&name, '.');
        rest.n = at ? at - 1 : 0;
    }
    buf_printf(&name, "%s.%s", version, kind);
    return arena_strdup(a, buf_cstr(&name));
}

static int add_version(struct crd *c, const struct json *spec, const struct json *accepted,
                       const struct json *j)
{
    struct crd_version *v = &c->versions[c->version_count];
    struct arena *a = &c->arena;
    v->crd = c;
    v->name = json_path_cstr(j, "name");
    v->served = json_path_bool(j, "served", false);
    v->storage = json_path_bool(j, "storage", false);
    v->schema = json_path(j, "schema.openAPIV3Schema");
    v->subresources = json_get(j, "subresources");
    v->selectable = json_get(j, "selectableFields");
    if (v->schema && crd_node_new(a, v->schema, &v->root) == -E_NOMEM)
        return -E_NOMEM;
    v->names = (struct schema_runtime_names){
        .group = c->group,
        .version = v->name,
        .plural = json_path_cstr(spec, "names.plural"),
        .singular = json_path_cstr(accepted, "singular"),
        .kind = json_path_cstr(spec, "names.kind"),
        .list_kind = json_path_cstr(accepted, "listKind"),
        .short_names = names_of(a, json_get(accepted, "shortNames")),
        .categories = names_of(a, json_get(accepted, "categories")),
        .namespaced = c->namespaced,
        .type_name = type_name_of(a, c->group, v->name, json_path_cstr(spec, "names.kind")),
        .columns = json_get(j, "additionalPrinterColumns"),
        .owner = v,
    };
    v->deprecation = deprecation_of(c, v, j);
    int rc = schema_runtime_new(a, &v->names, NULL, NULL, &v->main);
    if (rc == 0 && json_is(json_get(v->subresources, "status"), JSON_OBJECT))
        rc = schema_runtime_new(a, &v->names, v->main, "status", &v->status);
    if (rc == 0 && json_is(json_get(v->subresources, "scale"), JSON_OBJECT))
        rc = schema_runtime_new(a, &v->names, v->main, "scale", &v->scale);
    if (v->storage)
        c->storage = c->version_count;
    c->version_count++;
    crd_kind_init(v, a);
    return a->failed ? -E_NOMEM : rc;
}

/* What a served definition depends on: the rest of its status and metadata may change. */
static struct str essence_of(struct arena *a, const struct json *object)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 2 * (size_t)LIMIT_OBJECT_BYTES);
    json_write(&text, json_get(object, "spec"));
    json_write(&text, json_path(object, "status.acceptedNames"));
    buf_printf(&text, "%d%d %s", condition_is(object, "Established"),
               !json_absent(json_path(object, "metadata.deletionTimestamp")),
               json_path_cstr(object, "metadata.uid"));
    return text.failed ? (struct str){NULL, 0} : arena_str(a, buf_str(&text));
}

static int fill(struct crd *c, const struct json *object)
{
    const struct json *spec = json_get(object, "spec"),
                      *accepted = json_path(object, "status.acceptedNames");
    c->name = json_path_cstr(object, "metadata.name");
    c->uid = json_path_cstr(object, "metadata.uid");
    c->group = json_path_cstr(spec, "group");
    c->namespaced = str_is(json_path_str(spec, "scope"), "Namespaced");
    c->preserves_unknown = json_path_bool(spec, "preserveUnknownFields", false);
    if (str_is(json_path_str(spec, "conversion.strategy"), "Webhook"))
        c->webhook = json_path(spec, "conversion.webhook");
    c->established = condition_is(object, "Established");
    c->terminating = !json_absent(json_path(object, "metadata.deletionTimestamp"));
    for (const struct json *v = json_first(json_get(spec, "versions")); v; v = v->next) {
        if (c->version_count == CRD_VERSIONS)
            return -E_INVALID;
        int rc = add_version(c, spec, accepted, v);
        if (rc < 0)
            return rc;
    }
    return c->version_count ? 0 : -E_INVALID;
}

int crd_new(struct str stored, int64_t revision, struct crd **ret)
{
    struct crd *c = mem_zalloc(sizeof *c);
    struct json *object;
    if (!c)
        return -E_NOMEM;
    c->refs = 1;
    c->revision = revision;
    arena_init(&c->arena, DEFINITION_ARENA);
    int rc = json_parse(&c->arena, stored, NULL, &object, NULL);
    if (rc == 0)
        c->essence = essence_of(&c->arena, object);
    if (rc == 0)
        rc = fill(c, object);
    if (rc == 0 && c->arena.failed)
        rc = -E_NOMEM;
    if (rc < 0) {
        crd_unref(c);
        return rc == -E_NOMEM ? rc : -E_INVALID;
    }
    *ret = c;
    return 0;
}

/* ---- those known ---- */

int crds_new(struct api *api)
{
    api->crds = mem_zalloc(sizeof *api->crds);
    return api->crds ? 0 : -E_NOMEM;
}

static void unref(void *c)
{
    crd_unref(c);
}

void crds_free(struct api *api)
{
    if (!api->crds)
        return;
    map_done(&api->crds->by_name, unref);
    mem_free(api->crds->listed);
    mem_free(api->crds);
    api->crds = NULL;
}

static bool same_essence(const struct crd *c, struct str stored, int64_t revision)
{
    struct arena a CLEANUP_ARENA;
    struct json *object;
    arena_init(&a, DEFINITION_ARENA);
    if (c->revision == revision)
        return true;
    return json_parse(&a, stored, NULL, &object, NULL) == 0 &&
           str_eq(essence_of(&a, object), c->essence);
}

/* The definition of a stored value, kept; NULL: out of memory, or never to be served. */
static struct crd *current(struct api *api, struct store_value *v)
{
    struct map *map = &api->crds->by_name;
    struct str name, ns;
    object_key_split(store_value_key(v), false, &ns, &name);
    struct crd *c = map_get(map, name);
    if (c && same_essence(c, store_value_bytes(v), v->mod_revision)) {
        c->revision = v->mod_revision;
        return c;
    }
    void *old = NULL;
    if (crd_new(store_value_bytes(v), v->mod_revision, &c) < 0)
        return NULL;
    if (map_set(map, name, c, &old) < 0) {
        crd_unref(c);
        return NULL;
    }
    crd_unref(old);
    return c;
}

struct crd *crd_get(struct api *api, struct str group, struct str plural)
{
    char text[STORE_KEY_MAX];
    int n = snprintf(text, sizeof text, "/" CRD_GROUP "/" CRD_RESOURCE "/" STR_FMT "." STR_FMT,
                     STR_ARG(plural), STR_ARG(group));
    if (n < 0 || (size_t)n >= sizeof text || !group.n)
        return NULL;
    struct store_value *v = store_get(api->store, str_make(text, (size_t)n));
    struct crd *c = v ? current(api, v) : NULL;
    return c && c->established ? crd_ref(c) : NULL;
}

struct listing {
    struct api *api;
    size_t count;
    int rc;
};

static bool list_one(void *ctx, struct store_value *v)
{
    struct listing *l = ctx;
    struct crds *all = l->api->crds;
    struct crd *c = current(l->api, v);
    if (!c)
        return true;
    c->seen = true;
    if (!c->established)
        return true;
    if (l->count == all->listed_room) {
        size_t room = all->listed_room ? 2 * all->listed_room : 64;
        struct crd **more = mem_realloc(all->listed, room * sizeof(struct crd *));
        if (!more) {
            l->rc = -E_NOMEM;
            return false;
        }
        all->listed = more;
        all->listed_room = room;
    }
    all->listed[l->count++] = c;
    return true;
}

/* Those that are gone from the store. */
static void forget_unseen(struct crds *all)
{
    struct str name;
    void *value;
    bool again;
    do {
        struct map_iter it;
        again = false;
        map_iter_init(&all->by_name, &it);
        while (map_iter_next(&all->by_name, &it, &name, &value))
            if (!((struct crd *)value)->seen) {
                crd_unref(map_remove(&all->by_name, name));
                again = true;
                break;
            }
    } while (again);
    struct map_iter it;
    map_iter_init(&all->by_name, &it);
    while (map_iter_next(&all->by_name, &it, &name, &value))
        ((struct crd *)value)->seen = false;
}

int crd_all(struct api *api, struct crd *const **ret, size_t *ret_count)
{
    struct listing l = {api, 0, 0};
    struct store_snapshot *snap;
    int rc = store_snapshot_take(api->store, &snap);
    if (rc < 0)
        return rc;
    store_snapshot_range(snap, STR("/" CRD_GROUP "/" CRD_RESOURCE "/"),
                         STR("/" CRD_GROUP "/" CRD_RESOURCE "0"), list_one, &l);
    store_snapshot_release(snap);
    if (l.rc == 0)
        forget_unseen(api->crds);
    *ret = api->crds->listed;
    *ret_count = l.count;
    return l.rc;
}

const struct crd_version *crd_version_find(const struct crd *c, struct str version)
{
    for (size_t i = 0; i < c->version_count; i++)
        if (str_is(version, c->versions[i].name))
            return &c->versions[i];
    return NULL;
}

void crd_find_resource(struct api_request *r)
{
    const struct url *u = &r->url;
    struct crd *c = crd_get(r->api, u->group, u->resource);
    const struct crd_version *v = c ? crd_version_find(c, u->version) : NULL;
    if (v && v->served)
        r->resource = !u->subresource.n                    ? v->main
                      : str_is(u->subresource, "status") ? v->status
                      : str_is(u->subresource, "scale")  ? v->scale
                                                         : NULL;
    if (!r->resource) {
        crd_unref(c);
        return;
    }
    r->crd = c;
    if (v->deprecation)
        request_warn(r, "%s", v->deprecation);
}
