/* Addresses as text (RFC 4291, RFC 5952). See net.h. */
#include "port/net.h"

#include <stdio.h>

static uint16_t group(const struct net_addr *a, int i)
{
    return (uint16_t)(a->ip[2 * i] << 8 | a->ip[2 * i + 1]);
}

/* The longest run of at least two zero groups, the first on a tie. */
static void longest_zeros(const struct net_addr *a, int *ret_at, int *ret_len)
{
    *ret_at = -1;
    *ret_len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group(a, i + n) == 0)
            n++;
        if (n > *ret_len) {
            *ret_at = i;
            *ret_len = n;
        }
        i += n;
    }
}

static int put_ip6(const struct net_addr *a, char *dst, size_t size)
{
    int at, len, n = 0;
    longest_zeros(a, &at, &len);
    for (int i = 0; i < 8; i++) {
        if (i == at) {
            n += snprintf(dst + n, size - (size_t)n, "::");
            i += len - 1;
            continue;
        }
        bool colon = i > 0 && !(at >= 0 && i == at + len);
        n += snprintf(dst + n, size - (size_t)n, "%s%x", colon ? ":" : "", group(a, i));
    }
    if (a->scope)
        n += snprintf(dst + n, size - (size_t)n, "%%%u", a->scope);
    return n;
}

const char *net_addr_format(const struct net_addr *a, bool with_port, char *dst)
{
    char ip[NET_ADDR_TEXT - 8] = "";
    if (a->family == 4)
        snprintf(ip, sizeof ip, "%u.%u.%u.%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3]);
    else if (a->family == 6)
        put_ip6(a, ip, sizeof ip);
    if (!with_port)
        snprintf(dst, NET_ADDR_TEXT, "%s", ip);
    else
        snprintf(dst, NET_ADDR_TEXT, a->family == 6 ? "[%s]:%u" : "%s:%u", ip, a->port);
    return dst;
}

static bool parse_ip4(struct str s, uint8_t *ip)
{
    struct str part;
    int n = 0;
    while (s.p && str_split(&s, '.', &part)) {
        uint64_t v;
        if (n == 4 || part.n > 3 || (part.n > 1 && part.p[0] == '0') || str_to_u64(part, &v) < 0 ||
            v > 255)
            return false;
        ip[n++] = (uint8_t)v;
    }
    return n == 4;
}

static int hex_group(struct str s)
{
    uint8_t two[2];
    char padded[4] = {'0', '0', '0', '0'};
    if (s.n == 0 || s.n > 4)
        return -1;
    memcpy(padded + 4 - s.n, s.p, s.n);
    return hex_decode(two, 2, str_make(padded, 4)) < 0 ? -1 : two[0] << 8 | two[1];
}

/* Groups separated by ':' into out (16-bit each); an IPv4 tail counts as two. */
static int parse_groups(struct str s, uint16_t *out, int max)
{
    struct str part;
    int n = 0;
    if (s.n == 0)
        return 0;
    while (s.p && str_split(&s, ':', &part)) {
        uint8_t v4[4];
        if (!s.p && str_find_byte(part, '.') >= 0) {
            if (n + 2 > max || !parse_ip4(part, v4))
                return -1;
            out[n++] = (uint16_t)(v4[0] << 8 | v4[1]);
            out[n++] = (uint16_t)(v4[2] << 8 | v4[3]);
            break;
        }
        int v = hex_group(part);
        if (n == max || v < 0)
            return -1;
        out[n++] = (uint16_t)v;
    }
    return n;
}

static bool parse_ip6(struct str s, struct net_addr *a)
{
    uint16_t head[8], tail[8] = {0};
    ptrdiff_t scope = str_find_byte(s, '%');
    if (scope >= 0) {
        uint64_t v;
        if (str_to_u64(str_make(s.p + scope + 1, s.n - (size_t)scope - 1), &v) < 0 || v > UINT32_MAX)
            return false;
        a->scope = (uint32_t)v;
        s.n = (size_t)scope;
    }
    ptrdiff_t gap = str_find(s, STR("::"));
    int front = parse_groups(gap < 0 ? s : str_make(s.p, (size_t)gap), head, 8), back = 0;
    if (gap >= 0)
        back = parse_groups(str_make(s.p + gap + 2, s.n - (size_t)gap - 2), tail, 8);
    if (front < 0 || back < 0 || (gap < 0 && front != 8) || (gap >= 0 && front + back > 7))
        return false;
    for (int i = 0; i < 8; i++) {
        uint16_t v = i < front ? head[i] : i >= 8 - back ? tail[i - (8 - back)] : 0;
        a->ip[2 * i] = (uint8_t)(v >> 8);
        a->ip[2 * i + 1] = (uint8_t)v;
    }
    return true;
}

static bool parse_ip(struct str s, struct net_addr *a)
{
    if (str_find_byte(s, ':') >= 0) {
        a->family = 6;
        return parse_ip6(s, a);
    }
    a->family = 4;
    return parse_ip4(s, a->ip);
}

int net_addr_parse(struct str text, bool with_port, struct net_addr *ret_addr)
{
    struct net_addr a = {0};
    struct str ip = text, port = {0};
    if (with_port && text.n && text.p[0] == '[') {
        ptrdiff_t end = str_find_byte(text, ']');
        if (end < 0)
            return -E_SYNTAX;
        ip = str_make(text.p + 1, (size_t)end - 1);
        port = str_make(text.p + end + 1, text.n - (size_t)end - 1);
        if (str_find_byte(ip, ':') < 0)
            return -E_SYNTAX;
    } else if (with_port) {
        ptrdiff_t colon = str_find_byte(text, ':');
        if (colon < 0)
            colon = (ptrdiff_t)text.n;
        ip = str_make(text.p, (size_t)colon);
        port = str_make(text.p + colon, text.n - (size_t)colon);
    }
    if (with_port && port.n) {
        uint64_t v;
        if (port.p[0] != ':' || str_to_u64(str_make(port.p + 1, port.n - 1), &v) < 0 || v > 65535)
            return -E_SYNTAX;
        a.port = (uint16_t)v;
    }
    if (ip.n == 0 || !parse_ip(ip, &a))
        return -E_SYNTAX;
    *ret_addr = a;
    return 0;
}

bool net_addr_same_ip(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && a->family &&
           memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0 && a->scope == b->scope;
}
