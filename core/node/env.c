/* See env.h; upstream's makeEnvironmentVariables and third_party/forked/golang/expansion. */
#include "node/env.h"

#include <stdio.h>

#include "base/limits.h"
#include "node/downward.h"
#include "node/sources.h"

enum { NAME_BYTES = 300 };

void env_set(struct arena *a, struct env *e, struct str name, struct str value)
{
    for (size_t i = 0; i < e->count; i++) {
        if (str_eq(e->pairs[i].name, name)) {
            e->pairs[i].value = value;
            return;
        }
    }
    if (e->count == e->room) {
        size_t room = e->room ? e->room * 2 : 32;
        struct env_pair *more = arena_alloc(a, room * sizeof *more);
        if (!more)
            return; /* the arena remembers it */
        if (e->count)
            memcpy(more, e->pairs, e->count * sizeof *more);
        e->pairs = more;
        e->room = room;
    }
    e->pairs[e->count++] = (struct env_pair){arena_str(a, name), value};
}

bool env_get(const struct env *e, struct str name, struct str *ret_value)
{
    for (size_t i = 0; i < e->count; i++) {
        if (str_eq(e->pairs[i].name, name)) {
            *ret_value = e->pairs[i].value;
            return true;
        }
    }
    return false;
}

/* At text.p[0] == '$': how many bytes of text were read; what they stand for goes to b. */
static size_t expand_one(struct buf *b, const struct env *e, struct str text)
{
    struct str value;
    if (text.n > 1 && text.p[1] == '$') {
        buf_putc(b, '$');
        return 2;
    }
    if (text.n > 1 && text.p[1] == '(') {
        ptrdiff_t end = str_find_byte(text, ')');
        if (end > 0) {
            size_t whole = (size_t)end + 1;
            if (env_get(e, str_make(text.p + 2, whole - 3), &value))
                buf_append_str(b, value);
            else
                buf_append(b, text.p, whole);
            return whole;
        }
    }
    buf_putc(b, '$');
    return 1;
}

struct str env_expand(struct arena *a, const struct env *e, struct str text)
{
    struct buf b CLEANUP_BUF = {0};
    buf_init(&b, LIMIT_OBJECT_BYTES);
    if (str_find_byte(text, '$') < 0)
        return arena_str(a, text);
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] != '$') {
            buf_putc(&b, text.p[i++]);
            continue;
        }
        i += expand_one(&b, e, str_make(text.p + i, text.n - i));
    }
    if (b.failed)
        a->failed = true;
    return arena_str(a, buf_str(&b));
}

/* ---- services ---- */

static void upper_name(char *dst, const char *service)
{
    size_t i = 0;
    for (; service[i] && i < NAME_BYTES - 40; i++) {
        char ch = service[i];
        dst[i] = ch == '-' ? '_' : ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
    }
    dst[i] = 0;
}

static void put(struct arena *a, struct env *e, const char *name, const char *value)
{
    if (value)
        env_set(a, e, str_of(name), str_of(value));
}

static void put_port(struct arena *a, struct env *e, const char *prefix, const char *ip,
                     const struct json *port, bool first)
{
    char name[NAME_BYTES + 80], protocol[8] = "TCP", lower[8] = "tcp";
    char *number = arena_printf(a, "%lld", (long long)json_path_i64(port, "port", 0));
    const char *port_name = json_path_cstr(port, "name"), *given = json_path_cstr(port, "protocol");
    bool v6 = strchr(ip, ':') != NULL;
    if (given[0])
        snprintf(protocol, sizeof protocol, "%s", given);
    for (size_t i = 0; protocol[i]; i++)
        lower[i] = (char)(protocol[i] | 0x20), lower[i + 1] = 0;
    char *url = arena_printf(a, v6 ? "%s://[%s]:%s" : "%s://%s:%s", lower, ip, number ? number : "");
    if (first) {
        snprintf(name, sizeof name, "%s_SERVICE_PORT", prefix);
        put(a, e, name, number);
    }
    if (port_name[0]) {
        char upper[NAME_BYTES];
        upper_name(upper, port_name);
        snprintf(name, sizeof name, "%s_SERVICE_PORT_%.60s", prefix, upper);
        put(a, e, name, number);
    }
    if (first) {
        snprintf(name, sizeof name, "%s_PORT", prefix);
        put(a, e, name, url);
    }
    static const char *const parts[] = {"", "_PROTO", "_PORT", "_ADDR"};
    const char *const values[] = {url, arena_strdup(a, lower), number, ip};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s_PORT_%s_%s%s", prefix, number ? number : "", protocol, parts[i]);
        put(a, e, name, values[i]);
    }
}

struct services {
    struct step *step;
    struct env *env;
    bool all; /* enableServiceLinks */
};

static bool put_service(void *ctx, struct object *o)
{
    struct services *s = ctx;
    struct arena *a = s->step->a;
    bool master = cstr_eq(o->namespace, "default") && cstr_eq(o->name, "kubernetes");
    if (!master && (!s->all || !cstr_eq(o->namespace, s->step->pod->namespace)))
        return true;
    const struct json *spec = json_get(object_json(o, a), "spec");
    const char *ip = json_path_cstr(spec, "clusterIP");
    char prefix[NAME_BYTES], name[NAME_BYTES + 20];
    if (!ip[0] || cstr_eq(ip, "None"))
        return true;
    upper_name(prefix, o->name);
    snprintf(name, sizeof name, "%s_SERVICE_HOST", prefix);
    put(a, s->env, name, ip);
    bool first = true;
    for (struct json *port = json_first(json_get(spec, "ports")); port; port = port->next) {
        put_port(a, s->env, prefix, ip, port, first);
        first = false;
    }
    return true;
}

/* ---- sources ---- */

static bool optional(const struct json *ref)
{
    return json_path_bool(ref, "optional", false);
}

static int decoded(struct arena *a, enum source_kind kind, const struct json *value, struct str *ret)
{
    if (kind == SOURCE_CONFIG_MAP) {
        *ret = json_str(value);
        return 0;
    }
    struct str text = json_str(value);
    char *raw = arena_alloc(a, text.n / 4 * 3 + 4);
    size_t n = 0;
    if (!raw)
        return -E_NOMEM;
    int rc = base64_decode(raw, &n, text);
    *ret = str_make(raw, n);
    return rc;
}

static const char *kind_name(enum source_kind kind)
{
    return kind == SOURCE_CONFIG_MAP ? "ConfigMap" : "Secret";
}

static int put_all(struct step *s, struct env *e, const struct json *from, enum source_kind kind,
                   struct err *err)
{
    const struct json *ref = json_get(from, kind == SOURCE_CONFIG_MAP ? "configMapRef" : "secretRef");
    struct json *object = NULL;
    int rc = sources_read(s->pod, s->a, kind, json_path_cstr(ref, "name"), &object, err);
    if (rc == -E_NOT_FOUND && optional(ref))
        return 0;
    if (rc < 0)
        return rc;
    const char *prefix = json_path_cstr(from, "prefix");
    for (struct json *m = json_first(json_get(object, "data")); m; m = m->next) {
        struct str value = {"", 0};
        rc = decoded(s->a, kind, m, &value);
        if (rc < 0)
            return err_set(err, -rc, "%s %s: key %s", kind_name(kind), json_path_cstr(ref, "name"), m->key.p);
        char *name = arena_printf(s->a, "%s%s", prefix, m->key.p);
        if (name)
            env_set(s->a, e, str_of(name), value);
    }
    return 0;
}

static int key_ref(struct step *s, const struct json *ref, enum source_kind kind, bool *ret_set,
                   struct str *ret, struct err *err)
{
    struct json *object = NULL;
    const char *name = json_path_cstr(ref, "name");
    int rc = sources_read(s->pod, s->a, kind, name, &object, err);
    if (rc == -E_NOT_FOUND && optional(ref))
        return 0;
    if (rc < 0)
        return rc;
    const struct json *value = json_get_str(json_get(object, "data"), json_path_str(ref, "key"));
    if (!value && optional(ref))
        return 0;
    if (!value)
        return err_set(err, E_NOT_FOUND, "couldn't find key %s in %s %s/%s", json_path_cstr(ref, "key"),
                       kind_name(kind), s->pod->namespace, name);
    *ret_set = true;
    return decoded(s->a, kind, value, ret);
}

static int put_one(struct step *s, struct env *e, const struct json *container,
                   const struct json *entry, struct err *err)
{
    const struct json *from = json_get(entry, "valueFrom"), *ref;
    struct str value = {"", 0};
    bool set = true;
    int rc = 0;
    if (json_absent(from)) {
        value = env_expand(s->a, e, json_path_str(entry, "value"));
    } else if ((ref = json_get(from, "fieldRef"))) {
        rc = downward_field(s, json_path_cstr(ref, "fieldPath"), &value, err);
    } else if ((ref = json_get(from, "resourceFieldRef"))) {
        rc = downward_resource(s, ref, container, &value, err);
    } else if ((ref = json_get(from, "configMapKeyRef"))) {
        set = false;
        rc = key_ref(s, ref, SOURCE_CONFIG_MAP, &set, &value, err);
    } else if ((ref = json_get(from, "secretKeyRef"))) {
        set = false;
        rc = key_ref(s, ref, SOURCE_SECRET, &set, &value, err);
    } else {
        rc = err_set(err, E_UNSUPPORTED, "env %s: this valueFrom is not supported", json_path_cstr(entry, "name"));
    }
    if (rc == 0 && set)
        env_set(s->a, e, json_path_str(entry, "name"), value);
    return rc;
}

int env_build(struct step *s, const struct json *container, struct env *ret_env, struct err *err)
{
    struct env e = {0};
    struct services services = {s, &e, json_path_bool(s->spec, "enableServiceLinks", true)};
    int rc = 0;
    cache_each(s->pod->node->services, put_service, &services);
    for (struct json *f = json_first(json_get(container, "envFrom")); f && rc == 0; f = f->next) {
        if (json_get(f, "configMapRef"))
            rc = put_all(s, &e, f, SOURCE_CONFIG_MAP, err);
        else if (json_get(f, "secretRef"))
            rc = put_all(s, &e, f, SOURCE_SECRET, err);
    }
    for (struct json *v = json_first(json_get(container, "env")); v && rc == 0; v = v->next)
        rc = put_one(s, &e, container, v, err);
    if (rc == 0 && s->a->failed)
        rc = err_set(err, E_NOMEM, "out of memory");
    if (rc == 0)
        *ret_env = e;
    return rc;
}

static void want(struct step *s, enum source_kind kind, const struct json *ref)
{
    struct json *ignored;
    if (ref)
        (void)!sources_read(s->pod, s->a, kind, json_path_cstr(ref, "name"), &ignored, NULL);
}

void env_prefetch(struct step *s)
{
    static const char *const lists[] = {"initContainers", "containers"};
    for (int i = 0; i < 2; i++) {
        for (struct json *c = json_first(json_get(s->spec, lists[i])); c; c = c->next) {
            for (struct json *f = json_first(json_get(c, "envFrom")); f; f = f->next) {
                want(s, SOURCE_CONFIG_MAP, json_get(f, "configMapRef"));
                want(s, SOURCE_SECRET, json_get(f, "secretRef"));
            }
            for (struct json *v = json_first(json_get(c, "env")); v; v = v->next) {
                want(s, SOURCE_CONFIG_MAP, json_path(v, "valueFrom.configMapKeyRef"));
                want(s, SOURCE_SECRET, json_path(v, "valueFrom.secretKeyRef"));
            }
        }
    }
    for (struct json *r = json_first(json_get(s->spec, "imagePullSecrets")); r; r = r->next)
        want(s, SOURCE_SECRET, r);
}
