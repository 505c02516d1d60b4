/* Objects as bytes in one allocation. See object.h. */
#include "client/object.h"

#include "base/limits.h"

static const char *controller_of(const struct json *meta)
{
    for (struct json *o = json_first(json_get(meta, "ownerReferences")); o; o = o->next)
        if (json_bool(json_get(o, "controller"), false))
            return json_cstr(json_get(o, "uid"));
    return "";
}

static const char *place(char **at, struct str s)
{
    char *to = *at;
    if (s.n)
        memcpy(to, s.p, s.n);
    to[s.n] = 0;
    *at += s.n + 1;
    return to;
}

/* All but managedFields, which no consumer asks for and which are a third of many objects: an
 * update without them keeps what the server has. */
static void write_lean(struct buf *out, const struct json *j, bool root)
{
    buf_putc(out, '{');
    bool first = true;
    for (const struct json *m = json_first(j); m; m = m->next) {
        if (!root && str_is(m->key, "managedFields"))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        json_write_string(out, m->key);
        buf_putc(out, ':');
        if (root && str_is(m->key, "metadata"))
            write_lean(out, m, false);
        else
            json_write(out, m);
    }
    buf_putc(out, '}');
}

int object_new(const struct json *tree, struct object **ret_object)
{
    const struct json *meta = json_get(tree, "metadata");
    struct str name = json_path_str(meta, "name"), ns = json_path_str(meta, "namespace");
    struct str uid = json_path_str(meta, "uid"), owner = str_of(controller_of(meta));
    struct buf text CLEANUP_BUF;
    int64_t revision = 0;

    buf_init(&text, LIMIT_OBJECT_BYTES * 2);
    if (name.n == 0)
        return -E_INVALID;
    struct str rv = json_path_str(meta, "resourceVersion");
    if (rv.n && str_to_i64(rv, &revision) < 0)
        return -E_INVALID;
    write_lean(&text, tree, true);
    if (text.failed)
        return -E_NOMEM;
    size_t size = name.n + ns.n + uid.n + owner.n + buf_len(&text) + 5;
    struct object *o = mem_alloc(sizeof *o + size);
    if (!o)
        return -E_NOMEM;
    char *at = (char *)(o + 1);
    *o = (struct object){.refs = 1, .size = (uint32_t)size, .resource_version = revision};
    o->deleting = !json_absent(json_get(meta, "deletionTimestamp"));
    o->namespace = place(&at, ns);
    o->name = place(&at, name);
    o->uid = place(&at, uid);
    o->controller_uid = place(&at, owner);
    o->json.n = buf_len(&text);
    o->json.p = place(&at, buf_str(&text));
    *ret_object = o;
    return 0;
}

struct object *object_ref(struct object *o)
{
    if (o)
        o->refs++;
    return o;
}

void object_unref(struct object *o)
{
    if (o && --o->refs == 0)
        mem_free(o);
}

struct json *object_json(const struct object *o, struct arena *a)
{
    struct json *tree = NULL;
    return o && json_parse(a, o->json, NULL, &tree, NULL) == 0 ? tree : NULL;
}
