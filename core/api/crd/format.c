/* Formats of values. See format.h. */
#include "api/crd/format.h"

#include <stdio.h>

#include "codec/names.h"
#include "codec/time.h"

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Hexadecimal digits and nothing else but what stands at the same place in the pattern. */
static bool fits_pattern(struct str s, const char *pattern)
{
    if (s.n != strlen(pattern))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (pattern[i] == 'x' ? !is_hex(s.p[i]) : s.p[i] != pattern[i])
            return false;
    return true;
}

static bool is_base64(struct str s)
{
    size_t pad = 0;
    if (s.n % 4)
        return false;
    while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i + pad < s.n; i++) {
        char c = s.p[i];
        bool good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                    c == '+' || c == '/';
        if (!good)
            return false;
    }
    return true;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static bool is_date(struct str s)
{
    char text[32];
    int64_t us;
    if (s.n != 10)
        return false;
    int n = snprintf(text, sizeof text, STR_FMT "T00:00:00Z", STR_ARG(s));
    return time_parse(str_make(text, (size_t)n), &us, NULL) == 0;
}

static bool is_cidr(struct str s)
{
    ptrdiff_t slash = str_find_byte(s, '/');
    if (slash < 0)
        return false;
    struct str bits = str_make(s.p + slash + 1, s.n - (size_t)slash - 1),
               ip = str_make(s.p, (size_t)slash);
    uint64_t n;
    bool six = str_find_byte(ip, ':') >= 0;
    return is_digits(bits) && str_to_u64(bits, &n) == 0 && n <= (six ? 128 : 32) && !names_ip(ip);
}

static bool is_mac(struct str s)
{
    return fits_pattern(s, "xx:xx:xx:xx:xx:xx") || fits_pattern(s, "xx-xx-xx-xx-xx-xx") ||
           fits_pattern(s, "xxxx.xxxx.xxxx");
}

static bool is_uuid(struct str s)
{
    return fits_pattern(s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") ||
           fits_pattern(s, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static bool is_duration(struct str s)
{
    int64_t ns;
    return duration_parse(s, &ns, NULL) == 0;
}

static bool is_time(struct str s)
{
    int64_t us;
    return time_parse(s, &us, NULL) == 0;
}

static bool is_uri(struct str s)
{
    return str_find(s, STR(":")) > 0 || (s.n && s.p[0] == '/');
}

static bool is_email(struct str s)
{
    ptrdiff_t at = str_find_byte(s, '@');
    return at > 0 && (size_t)at + 1 < s.n && str_find_byte(s, ' ') < 0;
}

static bool is_ip4(struct str s)
{
    return !names_ip(s) && str_find_byte(s, ':') < 0;
}

static bool is_ip6(struct str s)
{
    return !names_ip(s) && str_find_byte(s, ':') >= 0;
}

static bool is_color(struct str s)
{
    return fits_pattern(s, "#xxx") || fits_pattern(s, "#xxxxxx") || fits_pattern(s, "xxx") ||
           fits_pattern(s, "xxxxxx");
}

static bool is_hostname(struct str s)
{
    return s.n && s.n <= 255 && !names_dns1123_subdomain(s);
}

static bool is_label(struct str s)
{
    return !names_dns1123_label(s);
}

static bool is_subdomain(struct str s)
{
    return !names_dns1123_subdomain(s);
}

static bool fits_text(struct str format, struct str s)
{
    static const struct {
        const char *format;
        bool (*fits)(struct str s);
    } formats[] = {{"byte", is_base64},         {"cidr", is_cidr},
                   {"date", is_date},           {"date-time", is_time},
                   {"datetime", is_time},       {"duration", is_duration},
                   {"email", is_email},         {"hexcolor", is_color},
                   {"hostname", is_hostname},   {"ipv4", is_ip4},
                   {"ipv6", is_ip6},            {"k8s-long-name", is_subdomain},
                   {"k8s-short-name", is_label}, {"mac", is_mac},
                   {"uri", is_uri},             {"uuid", is_uuid}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (str_is(format, formats[i].format))
            return formats[i].fits(s);
    return true;
}

bool crd_format_fits(struct str format, const struct json *value)
{
    if (json_is(value, JSON_STRING))
        return fits_text(format, value->string);
    if (json_is(value, JSON_INT) && str_is(format, "int32"))
        return value->i64 >= INT32_MIN && value->i64 <= INT32_MAX;
    return true;
}
