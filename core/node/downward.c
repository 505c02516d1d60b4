/* See downward.h; upstream's pkg/fieldpath and pkg/api/v1/resource. */
#include "node/downward.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "codec/quantity.h"
#include "node/qos.h"

/* As Go's %q for the text that labels and annotations hold. */
static void put_quoted(struct buf *b, struct str s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        if (ch == '"' || ch == '\\')
            buf_printf(b, "\\%c", ch);
        else if (ch == '\n')
            buf_puts(b, "\\n");
        else if (ch == '\t')
            buf_puts(b, "\\t");
        else if (ch == '\r')
            buf_puts(b, "\\r");
        else if (ch < 0x20 || ch == 0x7f)
            buf_printf(b, "\\x%02x", ch);
        else
            buf_putc(b, (char)ch);
    }
    buf_putc(b, '"');
}

static int by_key(const void *a, const void *b)
{
    const struct json *const *x = a, *const *y = b;
    return str_cmp((*x)->key, (*y)->key);
}

static int format_map(struct arena *a, const struct json *map, struct str *ret_text)
{
    struct buf text CLEANUP_BUF = {0};
    size_t count = json_count(map), i = 0;
    const struct json **sorted = arena_alloc(a, (count + 1) * sizeof *sorted);
    buf_init(&text, LIMIT_OBJECT_BYTES);
    if (!sorted)
        return -E_NOMEM;
    for (struct json *m = json_first(map); m; m = m->next)
        sorted[i++] = m;
    qsort(sorted, count, sizeof *sorted, by_key);
    for (i = 0; i < count; i++) {
        buf_printf(&text, "%s" STR_FMT "=", i ? "\n" : "", STR_ARG(sorted[i]->key));
        put_quoted(&text, json_str(sorted[i]));
    }
    *ret_text = arena_str(a, buf_str(&text));
    return text.failed || a->failed ? -E_NOMEM : 0;
}

/* "metadata.labels['key']" -> key; {NULL, 0} when the path is not of that form. */
static struct str subscript(const char *path, struct str prefix)
{
    struct str s = str_of(path);
    if (!str_starts(s, prefix) || !str_ends(s, STR("']")) || s.n < prefix.n + 4 ||
        memcmp(s.p + prefix.n, "['", 2) != 0)
        return (struct str){NULL, 0};
    return str_make(s.p + prefix.n + 2, s.n - prefix.n - 4);
}

static struct str addrs_text(struct arena *a, const struct net_addr *addrs, size_t count, bool all)
{
    struct buf b CLEANUP_BUF = {0};
    char text[NET_ADDR_TEXT];
    buf_init(&b, 1024);
    for (size_t i = 0; i < count && (all || i == 0); i++)
        buf_printf(&b, "%s%s", i ? "," : "", net_addr_format(&addrs[i], false, text));
    return arena_str(a, buf_str(&b));
}

static bool address_field(struct step *s, const char *path, struct str *ret)
{
    const struct node_options *o = &s->pod->node->o;
    const struct pod *p = s->pod;
    const struct net_addr *own = p->host_network ? o->addrs : p->addrs;
    size_t own_count = p->host_network ? o->addr_count : p->addr_count;
    if (cstr_eq(path, "status.podIP") || cstr_eq(path, "status.podIPs"))
        *ret = addrs_text(s->a, own, own_count, path[12] == 's');
    else if (cstr_eq(path, "status.hostIP") || cstr_eq(path, "status.hostIPs"))
        *ret = addrs_text(s->a, o->addrs, o->addr_count, path[13] == 's');
    else
        return false;
    return true;
}

int downward_field(struct step *s, const char *path, struct str *ret_text, struct err *err)
{
    static const char *const plain[] = {"metadata.name",  "metadata.namespace",     "metadata.uid",
                                        "spec.nodeName", "spec.serviceAccountName", NULL};
    for (int i = 0; plain[i]; i++) {
        if (cstr_eq(path, plain[i])) {
            *ret_text = json_path_str(s->tree, path);
            return 0;
        }
    }
    if (address_field(s, path, ret_text))
        return 0;
    if (cstr_eq(path, "metadata.labels") || cstr_eq(path, "metadata.annotations"))
        return format_map(s->a, json_path(s->tree, path), ret_text);
    struct str key = subscript(path, STR("metadata.labels"));
    if (key.p) {
        *ret_text = json_str(json_get_str(json_path(s->tree, "metadata.labels"), key));
        return 0;
    }
    key = subscript(path, STR("metadata.annotations"));
    if (key.p) {
        *ret_text = json_str(json_get_str(json_path(s->tree, "metadata.annotations"), key));
        return 0;
    }
    return err_set(err, E_INVALID, "unsupported fieldPath: %s", path);
}

static const struct json *find_container(const struct json *spec, const char *name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (int i = 0; i < 2; i++)
        for (struct json *c = json_first(json_get(spec, lists[i])); c; c = c->next)
            if (cstr_eq(json_path_cstr(c, "name"), name))
                return c;
    return NULL;
}

/* Without a limit, what the node could give counts. */
static int64_t allocatable(const struct node_options *o, struct str name)
{
    if (str_is(name, "cpu"))
        return o->cpu_milli - o->reserved_cpu_milli;
    if (str_is(name, "memory"))
        return o->memory_bytes - o->reserved_memory_bytes;
    return str_is(name, "ephemeral-storage") ? o->storage_bytes : 0;
}

static int64_t resource_value(struct step *s, const struct json *container, const char *kind,
                              struct str name, bool milli)
{
    const struct json *r = json_get(container, "resources");
    const struct json *q = json_get_str(json_get(r, kind), name);
    if (!q && cstr_eq(kind, "requests"))
        q = json_get_str(json_get(r, "limits"), name);
    if (q)
        return milli ? quantity_text_milli(json_str(q)) : quantity_text_value(json_str(q));
    return cstr_eq(kind, "limits") ? allocatable(&s->pod->node->o, name) : 0;
}

int downward_resource(struct step *s, const struct json *ref, const struct json *own,
                      struct str *ret_text, struct err *err)
{
    const char *name = json_path_cstr(ref, "containerName");
    const struct json *container = name[0] ? find_container(s->spec, name) : own;
    struct str resource = json_path_str(ref, "resource");
    if (!container)
        return err_set(err, E_INVALID, "container %s of a resourceFieldRef is not in the pod", name);
    ptrdiff_t dot = str_find_byte(resource, '.');
    struct str kind = str_make(resource.p, dot > 0 ? (size_t)dot : 0);
    struct str what = str_make(resource.p + kind.n + 1, dot > 0 ? resource.n - kind.n - 1 : 0);
    bool limits = str_is(kind, "limits"), cpu = str_is(what, "cpu");
    if ((!limits && !str_is(kind, "requests")) ||
        (!cpu && !str_is(what, "memory") && !str_is(what, "ephemeral-storage")))
        return err_set(err, E_INVALID, "unsupported container resource : " STR_FMT, STR_ARG(resource));
    struct str divisor = json_path_str(ref, "divisor");
    int64_t by = cpu ? quantity_text_milli(divisor) : quantity_text_value(divisor);
    if (by <= 0)
        by = cpu ? 1000 : 1;
    int64_t value = resource_value(s, container, limits ? "limits" : "requests", what, cpu);
    char *text = arena_printf(s->a, "%lld", (long long)((value + by - 1) / by));
    *ret_text = str_of(text ? text : "");
    return text ? 0 : -E_NOMEM;
}
