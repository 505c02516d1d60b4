/* Hand-written matchers for upstream's regular expressions, and its messages word for word. */
#include "codec/names.h"

#define LABEL_REGEX     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define NO_MORE_THAN(n) "must be no more than " #n " characters"
#define SUBDOMAIN_TEXT                                                                            \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "  \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used " \
    "for validation is '" LABEL_REGEX "(\\." LABEL_REGEX ")*')"
#define QUALIFIED_TEXT                                                                          \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "      \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool alnum(char c)
{
    return lower(c) || digit(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!lower(s.p[i]) && !digit(s.p[i]) && s.p[i] != '-')
            return false;
    return s.n > 0 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

static bool is_subdomain(struct str s)
{
    struct str part;
    if (s.n == 0)
        return false;
    while (str_split(&s, '.', &part))
        if (!is_label(part))
            return false;
    return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_name_part(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return s.n > 0 && alnum(s.p[0]) && alnum(s.p[s.n - 1]);
}

const char *names_dns1123_label(struct str s)
{
    if (s.n > 63)
        return NO_MORE_THAN(63);
    return is_label(s)
               ? NULL
               : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters "
                 "or '-', and must start and end with an alphanumeric character (e.g. 'my-name', "
                 " or '123-abc', regex used for validation is '" LABEL_REGEX "')";
}

const char *names_dns1123_subdomain(struct str s)
{
    if (s.n > 253)
        return NO_MORE_THAN(253);
    return is_subdomain(s) ? NULL : SUBDOMAIN_TEXT;
}

const char *names_dns1035_label(struct str s)
{
    if (s.n > 63)
        return NO_MORE_THAN(63);
    return is_label(s) && lower(s.p[0])
               ? NULL
               : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                 "start with "
                 "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name', "
                 " or "
                 "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

const char *names_wildcard_subdomain(struct str s)
{
    if (s.n > 253)
        return NO_MORE_THAN(253);
    return str_starts(s, STR("*.")) && is_subdomain(str_make(s.p + 2, s.n - 2))
               ? NULL
               : "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
                 "subdomain, "
                 "which must consist of lower case alphanumeric characters, '-' or '.' and end "
                 "with an "
                 "alphanumeric character (e.g. '*.example.com', regex used for validation is "
                 "'\\*\\." LABEL_REGEX "(\\." LABEL_REGEX ")*')";
}

const char *names_qualified(struct str s)
{
    struct str rest = s, first, name = s, more;
    str_split(&rest, '/', &first);
    if (rest.p) {
        str_split(&rest, '/', &name);
        if (str_split(&rest, '/', &more))
            return "a qualified name " QUALIFIED_TEXT
                   " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        if (first.n == 0)
            return "prefix part must be non-empty";
        if (first.n > 253)
            return "prefix part " NO_MORE_THAN(253);
        if (!is_subdomain(first))
            return "prefix part " SUBDOMAIN_TEXT;
    }
    if (name.n == 0)
        return "name part must be non-empty";
    if (name.n > 63)
        return "name part " NO_MORE_THAN(63);
    return is_name_part(name) ? NULL : "name part " QUALIFIED_TEXT;
}

const char *names_label_value(struct str s)
{
    if (s.n > 63)
        return NO_MORE_THAN(63);
    return s.n == 0 || is_name_part(s)
               ? NULL
               : "a valid label must be an empty string or consist of alphanumeric characters, "
                 "'-', '_' or "
                 "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
                 "'my_value',  or '12345', regex used for validation is "
                 "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

const char *names_config_map_key(struct str s)
{
    bool good = s.n > 0;
    if (s.n > 253)
        return NO_MORE_THAN(253);
    for (size_t i = 0; i < s.n; i++)
        good = good && (alnum(s.p[i]) || s.p[i] == '-' || s.p[i] == '_' || s.p[i] == '.');
    if (!good)
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
               "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
               "'[-._a-zA-Z0-9]+')";
    if (str_is(s, "."))
        return "must not be '.'";
    if (str_is(s, ".."))
        return "must not be '..'";
    return str_starts(s, STR("..")) ? "must not start with '..'" : NULL;
}

const char *names_env_var(struct str s)
{
    if (s.n == 0)
        return "environment variable name must be non-empty";
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters "
                   "other than '='";
    return NULL;
}

const char *names_port_name(struct str s)
{
    bool letter = false;
    if (s.n > 15)
        return NO_MORE_THAN(15);
    for (size_t i = 0; i < s.n; i++) {
        if (!lower(s.p[i]) && !digit(s.p[i]) && s.p[i] != '-')
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        letter = letter || lower(s.p[i]);
    }
    if (s.n == 0)
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
    if (!letter)
        return "must contain at least one letter (a-z)";
    if (str_find(s, STR("--")) >= 0)
        return "must not contain consecutive hyphens";
    return s.p[0] == '-' || s.p[s.n - 1] == '-' ? "must not begin or end with a hyphen" : NULL;
}

const char *names_path_segment(struct str s)
{
    if (str_is(s, "."))
        return "may not be '.'";
    if (str_is(s, ".."))
        return "may not be '..'";
    if (str_find_byte(s, '/') >= 0)
        return "may not contain '/'";
    return str_find_byte(s, '%') >= 0 ? "may not contain '%'" : NULL;
}

/* Four decimal parts of 0 to 255 without leading zeros. */
static bool is_ipv4(struct str s)
{
    struct str part;
    int parts = 0;
    while (str_split(&s, '.', &part)) {
        uint64_t v;
        if (part.n == 0 || part.n > 3 || (part.n > 1 && part.p[0] == '0') || str_to_u64(part, &v) ||
            v > 255)
            return false;
        parts++;
    }
    return parts == 4;
}

static bool is_hex_group(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!digit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f') &&
            !(s.p[i] >= 'A' && s.p[i] <= 'F'))
            return false;
    return s.n >= 1 && s.n <= 4;
}

/* Groups in a run without "::"; a trailing IPv4 counts for two. -1 when malformed. */
static int ipv6_groups(struct str s, bool may_end_ipv4)
{
    struct str part;
    int groups = 0;
    if (s.n == 0)
        return 0;
    while (str_split(&s, ':', &part)) {
        bool last = s.p == NULL;
        if (last && may_end_ipv4 && str_find_byte(part, '.') >= 0) {
            if (!is_ipv4(part))
                return -1;
            groups += 2;
        } else if (is_hex_group(part)) {
            groups++;
        } else {
            return -1;
        }
    }
    return groups;
}

static bool is_ipv6(struct str s)
{
    ptrdiff_t gap = str_find(s, STR("::"));
    if (gap < 0)
        return ipv6_groups(s, true) == 8;
    int before = ipv6_groups(str_make(s.p, (size_t)gap), false);
    int after = ipv6_groups(str_make(s.p + gap + 2, s.n - (size_t)gap - 2), true);
    return before >= 0 && after >= 0 && before + after < 8;
}

const char *names_ip(struct str s)
{
    return is_ipv4(s) || is_ipv6(s)
               ? NULL
               : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

const char *names_port_number(int64_t port)
{
    return port >= 1 && port <= 65535 ? NULL : "must be between 1 and 65535, inclusive";
}

const char *names_uid_range(int64_t id)
{
    return id >= 0 && id <= INT32_MAX ? NULL : "must be between 0 and 2147483647, inclusive";
}
