/* URLs as Go's net/url reads them (apiserver/pkg/cel/library/urls.go). */
#include <stdio.h>

#include "cel/cel_int.h"
#include "cel/url.h"

struct url_value {
    struct cel_opaque head;
    struct url url;
};

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return str_eq(((const struct url_value *)(const void *)a)->url.text,
                  ((const struct url_value *)(const void *)b)->url.text);
}

static int parse(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct url_value *u = arena_alloc(call->run->arena, sizeof *u);
    const char *wrong;
    (void)count;
    if (!u)
        return -E_NOMEM;
    u->head = (struct cel_opaque){&cel_type_url, same};
    int rc = cel_url_parse(call->run->arena, args[0].string, &u->url, &wrong);
    if (rc == -E_SYNTAX)
        return err_set(call->err, E_INVALID,
                       "URL parse error during conversion from string: parse \"" STR_FMT "\": %s",
                       STR_ARG(args[0].string), wrong);
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &u->head};
    return rc;
}

static int is_url(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    struct url u;
    const char *wrong;
    (void)count;
    int rc = cel_url_parse(call->run->arena, args[0].string, &u, &wrong);
    *ret = cel_of_bool(rc == 0);
    return rc == -E_SYNTAX ? 0 : rc;
}

static int part(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    const struct url *u = &((const struct url_value *)(const void *)args[0].opaque)->url;
    const struct {
        const char *name;
        struct str text;
    } parts[] = {{"getScheme", u->scheme},
                 {"getHost", u->host},
                 {"getHostname", u->hostname},
                 {"getPort", u->port},
                 {"getEscapedPath", u->escaped_path}};
    (void)count;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (str_is(call->expr->name, parts[i].name))
            *ret = cel_of_str(parts[i].text.p ? parts[i].text : STR(""));
    return 0;
}

/* Values of one name in one list, in the order they come. */
static int add_query(struct cel_call *call, struct cel_map *m, struct str name, struct str value)
{
    struct cel_value key = cel_of_str(name), map = cel_map_value(m), list, v = cel_of_str(value);
    bool found;
    int rc = cel_map_find(call->run, &map, &key, &list, &found, call->err);
    if (rc < 0)
        return rc;
    struct cel_list *l = (struct cel_list *)(uintptr_t)list.list;
    if (!found) {
        if (!(l = cel_list_new(call->run->arena, 2)))
            return -E_NOMEM;
        list = cel_list_value(l);
        rc = cel_map_put(call->run->arena, m, &key, &list, NULL);
    }
    return rc < 0 ? rc : cel_list_push(call->run->arena, l, &v);
}

static int query(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct str rest = ((const struct url_value *)(const void *)args[0].opaque)->url.query, pair;
    struct cel_map *m = cel_map_new(call->run->arena);
    (void)count;
    if (!m)
        return -E_NOMEM;
    while (rest.n > 0 && str_split(&rest, '&', &pair)) {
        struct str name, value;
        ptrdiff_t at = str_find_byte(pair, '=');
        if (pair.n == 0 || str_find_byte(pair, ';') >= 0)
            continue;
        value = at < 0 ? STR("") : str_make(pair.p + at + 1, pair.n - (size_t)at - 1);
        name = at < 0 ? pair : str_make(pair.p, (size_t)at);
        int rc = url_unescape_query(call->run->arena, name, &name);
        if (rc == 0)
            rc = url_unescape_query(call->run->arena, value, &value);
        if (rc == 0)
            rc = add_query(call, m, name, value);
        if (rc < 0 && rc != -E_SYNTAX)
            return rc;
    }
    *ret = cel_map_value(m);
    return 0;
}

const struct cel_function cel_functions_url[] = {
    {"url", false, "s>w", parse, COST_TEXT},
    {"isURL", false, "s>b", is_url, COST_ONE},
    {"getScheme", true, "w>s", part, COST_ONE},
    {"getHost", true, "w>s", part, COST_ONE},
    {"getHostname", true, "w>s", part, COST_ONE},
    {"getPort", true, "w>s", part, COST_ONE},
    {"getEscapedPath", true, "w>s", part, COST_ONE},
    {"getQuery", true, "w>MsLs", query, COST_ONE},
    {0},
};
