/* See url.h. */
#include "pull/url.h"

#include <stdio.h>

static int bad(struct str text, const char *why, struct err *err)
{
    return err_set(err, E_SYNTAX, "bad URL \"%.*s\": %s", (int)(text.n < 200 ? text.n : 200), text.p, why);
}

static int take_port(struct str text, struct str port, struct pull_url *u, struct err *err)
{
    uint64_t n;
    if (str_to_u64(port, &n) < 0 || n == 0 || n > 65535)
        return bad(text, "the port", err);
    u->port = (uint16_t)n;
    return 0;
}

static int take_authority(struct str text, struct str authority, struct pull_url *u, struct err *err)
{
    struct str host = authority, port = {NULL, 0};
    if (str_find_byte(authority, '@') >= 0)
        return bad(text, "it carries user information", err);
    if (authority.n && authority.p[0] == '[') {
        ptrdiff_t end = str_find_byte(authority, ']');
        if (end < 0)
            return bad(text, "the address", err);
        host = str_make(authority.p + 1, (size_t)end - 1);
        if ((size_t)end + 1 < authority.n && authority.p[end + 1] == ':')
            port = str_make(authority.p + end + 2, authority.n - (size_t)end - 2);
        else if ((size_t)end + 1 != authority.n)
            return bad(text, "the address", err);
    } else {
        ptrdiff_t colon = str_find_byte(authority, ':');
        if (colon >= 0) {
            host.n = (size_t)colon;
            port = str_make(authority.p + colon + 1, authority.n - (size_t)colon - 1);
        }
    }
    if (!host.n || !str_copy(u->host, sizeof u->host, host))
        return bad(text, "the host", err);
    u->port = u->https ? 443 : 80;
    return port.p ? take_port(text, port, u, err) : 0;
}

int pull_url_parse(struct str text, struct pull_url *ret_url, struct err *err)
{
    struct pull_url u = {0};
    struct str rest;
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 127)
            return bad(text, "a space or control character", err);
    if (str_starts(text, STR("https://"))) {
        u.https = true;
        rest = str_make(text.p + 8, text.n - 8);
    } else if (str_starts(text, STR("http://"))) {
        rest = str_make(text.p + 7, text.n - 7);
    } else {
        return bad(text, "it must begin with http:// or https://", err);
    }
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != '#')
        n++;
    int rc = take_authority(text, str_make(rest.p, n), &u, err);
    if (rc < 0)
        return rc;
    struct str target = str_make(rest.p + n, rest.n - n);
    ptrdiff_t fragment = str_find_byte(target, '#');
    if (fragment >= 0)
        target.n = (size_t)fragment;
    int length = snprintf(u.target, sizeof u.target, "%s" STR_FMT,
                          target.n && target.p[0] == '/' ? "" : "/", STR_ARG(target));
    if (length >= (int)sizeof u.target)
        return bad(text, "it is too long", err);
    *ret_url = u;
    return 0;
}

int pull_url_resolve(const struct pull_url *base, struct str location, struct pull_url *ret_url,
                     struct err *err)
{
    char whole[PULL_URL_BYTES + PULL_HOST_BYTES + 64], host[PULL_HOST_BYTES + 16];
    const char *scheme = base->https ? "https:" : "http:";
    int n;
    if (str_starts(location, STR("//"))) {
        n = snprintf(whole, sizeof whole, "%s" STR_FMT, scheme, STR_ARG(location));
    } else if (str_starts(location, STR("/"))) {
        pull_url_host(base, host);
        n = snprintf(whole, sizeof whole, "%s//%s" STR_FMT, scheme, host, STR_ARG(location));
    } else {
        return pull_url_parse(location, ret_url, err);
    }
    if (n >= (int)sizeof whole)
        return bad(location, "it is too long", err);
    return pull_url_parse(str_make(whole, (size_t)n), ret_url, err);
}

bool pull_url_same_origin(const struct pull_url *a, const struct pull_url *b)
{
    return a->https == b->https && a->port == b->port && str_eq_nocase(str_of(a->host), str_of(b->host));
}

void pull_url_host(const struct pull_url *u, char ret_host[PULL_HOST_BYTES + 16])
{
    bool v6 = strchr(u->host, ':') != NULL;
    bool plain = u->port == (u->https ? 443 : 80);
    int n = snprintf(ret_host, PULL_HOST_BYTES + 16, "%s%s%s", v6 ? "[" : "", u->host, v6 ? "]" : "");
    if (!plain)
        snprintf(ret_host + n, (size_t)(PULL_HOST_BYTES + 16 - n), ":%u", u->port);
}
