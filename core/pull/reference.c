/* See reference.h; the grammar is that of github.com/distribution/reference. */
#include "pull/reference.h"

#include <stdio.h>

#include "port/net.h"

bool pull_digest_ok(struct str digest)
{
    if (digest.n != 71 || !str_starts(digest, STR("sha256:")))
        return false;
    for (size_t i = 7; i < digest.n; i++)
        if (!((digest.p[i] >= '0' && digest.p[i] <= '9') || (digest.p[i] >= 'a' && digest.p[i] <= 'f')))
            return false;
    return true;
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Lower-case letters and digits, joined by '.', '_', '__' or any number of '-'. */
static bool part_ok(struct str part)
{
    size_t i = 0;
    if (!part.n)
        return false;
    while (i < part.n) {
        if (!is_lower_or_digit(part.p[i]))
            return false;
        while (i < part.n && is_lower_or_digit(part.p[i]))
            i++;
        if (i == part.n)
            return true;
        size_t from = i;
        char c = part.p[i];
        while (i < part.n && part.p[i] == c)
            i++;
        size_t run = i - from;
        if (!(c == '-' || (c == '_' && run <= 2) || (c == '.' && run == 1)))
            return false;
    }
    return false; /* ends in a separator */
}

static bool repository_ok(struct str repository)
{
    struct str rest = repository, part;
    while (str_split(&rest, '/', &part))
        if (!part_ok(part))
            return false;
    return true;
}

static bool tag_ok(struct str tag)
{
    if (!tag.n || tag.n >= PULL_TAG_BYTES || tag.p[0] == '.' || tag.p[0] == '-')
        return false;
    for (size_t i = 0; i < tag.n; i++) {
        char c = tag.p[i];
        if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

static bool label_ok(struct str label)
{
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '-')
            return false;
    }
    return label.n && label.p[0] != '-' && label.p[label.n - 1] != '-';
}

/* A host name, an IPv4 address or a bracketed IPv6 address, with an optional port. */
static bool registry_ok(struct str registry)
{
    struct net_addr a;
    struct str host = registry, label;
    if (registry.n && registry.p[0] == '[') {
        bool with_port = registry.p[registry.n - 1] != ']';
        if (!with_port)
            registry = str_make(registry.p + 1, registry.n - 2);
        return net_addr_parse(registry, with_port, &a) == 0 && a.family == 6;
    }
    ptrdiff_t colon = str_find_byte(registry, ':');
    if (colon >= 0) {
        uint64_t port;
        host.n = (size_t)colon;
        if (str_to_u64(str_make(registry.p + colon + 1, registry.n - host.n - 1), &port) < 0 || port == 0 || port > 65535)
            return false;
    }
    while (str_split(&host, '.', &label))
        if (!label_ok(label))
            return false;
    return true;
}

static bool names_registry(struct str first)
{
    return str_find_byte(first, '.') >= 0 || str_find_byte(first, ':') >= 0 || str_is(first, "localhost");
}

static int invalid(const char *text, const char *why, struct err *err)
{
    return err_set(err, E_BAD_REQUEST, "invalid image reference \"%.300s\": %s", text, why);
}

/* Cuts the digest and the tag off the end. */
static int take_end(const char *text, struct str *rest, struct pull_reference *r, struct err *err)
{
    ptrdiff_t at = str_find_byte(*rest, '@');
    if (at >= 0) {
        struct str digest = str_make(rest->p + at + 1, rest->n - (size_t)at - 1);
        if (!pull_digest_ok(digest))
            return invalid(text, "the digest must be sha256: and 64 hex digits", err);
        str_copy(r->digest, sizeof r->digest, digest);
        rest->n = (size_t)at;
    }
    size_t colon = rest->n;
    while (colon > 0 && rest->p[colon - 1] != ':' && rest->p[colon - 1] != '/')
        colon--;
    if (colon > 0 && rest->p[colon - 1] == ':') {
        struct str tag = str_make(rest->p + colon, rest->n - colon);
        if (!tag_ok(tag))
            return invalid(text, "malformed tag", err);
        str_copy(r->tag, sizeof r->tag, tag);
        rest->n = colon - 1;
    } else if (at < 0) {
        str_copy(r->tag, sizeof r->tag, STR("latest"));
    }
    return 0;
}

int pull_reference_parse(const char *text, struct pull_reference *ret_reference, struct err *err)
{
    struct pull_reference r = {0};
    struct str rest = str_of(text);
    int rc = take_end(text, &rest, &r, err);
    if (rc < 0)
        return rc;
    ptrdiff_t slash = str_find_byte(rest, '/');
    struct str registry = STR("docker.io"), repository = rest;
    if (slash > 0 && names_registry(str_make(rest.p, (size_t)slash))) {
        registry = str_make(rest.p, (size_t)slash);
        repository = str_make(rest.p + slash + 1, rest.n - (size_t)slash - 1);
    }
    if (str_is(registry, "index.docker.io"))
        registry = STR("docker.io");
    if (!registry_ok(registry) || registry.n >= sizeof r.registry)
        return invalid(text, "malformed registry", err);
    bool official = str_is(registry, "docker.io") && str_find_byte(repository, '/') < 0;
    if (!repository_ok(repository))
        return invalid(text, "the repository must be lower-case letters, digits and separators", err);
    if (repository.n + (official ? strlen("library/") : 0) >= sizeof r.repository)
        return invalid(text, "the repository is too long", err);
    str_copy(r.registry, sizeof r.registry, registry);
    snprintf(r.repository, sizeof r.repository, "%s" STR_FMT, official ? "library/" : "", STR_ARG(repository));
    *ret_reference = r;
    return 0;
}

void pull_reference_name(const struct pull_reference *r, char ret_name[PULL_REFERENCE_BYTES])
{
    if (r->tag[0])
        snprintf(ret_name, PULL_REFERENCE_BYTES, "%s/%s:%s", r->registry, r->repository, r->tag);
    else
        pull_reference_by_digest(r, r->digest, ret_name);
}

void pull_reference_by_digest(const struct pull_reference *r, const char *digest,
                              char ret_name[PULL_REFERENCE_BYTES])
{
    snprintf(ret_name, PULL_REFERENCE_BYTES, "%s/%s@%s", r->registry, r->repository, digest);
}
