/* IP addresses and CIDR prefixes (apiserver/pkg/cel/library/ip.go, cidr.go). */
#include <arpa/inet.h>
#include <stdio.h>

#include "cel/cel_int.h"
#include "codec/names.h"

struct address {
    struct cel_opaque head;
    uint8_t bytes[16];
    uint8_t size; /* 4 or 16 */
    uint8_t bits; /* of a prefix */
};

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    const struct address *x = (const void *)a, *y = (const void *)b;
    return x->size == y->size && x->bits == y->bits && memcmp(x->bytes, y->bytes, x->size) == 0;
}

uint64_t cel_net_size(const struct cel_opaque *o)
{
    const struct address *a = (const void *)o;
    if (o->type == &cel_type_cidr)
        return (a->bits + 7u) / 8;
    return o->type == &cel_type_ip ? a->size : 1;
}

/* ---- text ---- */

static bool parse_address(struct str s, struct address *ret)
{
    char text[64];
    struct address a = {.head = {&cel_type_ip, same}};
    if (s.n == 0 || memchr(s.p, 0, s.n) || memchr(s.p, '%', s.n) ||
        !str_copy(text, sizeof text, s) || names_ip(s))
        return false;
    bool six = strchr(text, ':') != NULL;
    a.size = six ? 16 : 4;
    if (inet_pton(six ? AF_INET6 : AF_INET, text, a.bytes) != 1)
        return false;
    *ret = a;
    return true;
}

static bool is_mapped(const struct address *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return a->size == 16 && memcmp(a->bytes, prefix, sizeof prefix) == 0;
}

static int read_address(struct cel_call *call, struct str s, struct address *ret)
{
    const char *zone = memchr(s.p, '%', s.n);
    if (zone && parse_address(str_make(s.p, (size_t)(zone - s.p)), ret))
        return err_set(call->err, E_INVALID,
                       "IP address \"" STR_FMT "\" with zone value is not "
                       "allowed",
                       STR_ARG(s));
    if (!parse_address(s, ret))
        return err_set(call->err, E_INVALID,
                       "IP Address \"" STR_FMT "\" parse error during conversion from string: "
                       "ParseAddr(\"" STR_FMT "\"): unable to parse IP",
                       STR_ARG(s), STR_ARG(s));
    if (is_mapped(ret))
        return err_set(call->err, E_INVALID,
                       "IPv4-mapped IPv6 address \"" STR_FMT "\" is not allowed", STR_ARG(s));
    return 0;
}

static int read_prefix(struct cel_call *call, struct str s, struct address *ret)
{
    ptrdiff_t slash = -1;
    int64_t bits = -1;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/')
            slash = (ptrdiff_t)i;
    struct str digits = slash < 0 ? STR("") : str_make(s.p + slash + 1, s.n - (size_t)slash - 1);
    bool ok = slash >= 0 && parse_address(str_make(s.p, (size_t)slash), ret) && digits.n > 0 &&
              digits.n <= 3 && (digits.p[0] != '0' || digits.n == 1) && digits.p[0] != '-' &&
              str_to_i64(digits, &bits) == 0 && bits <= ret->size * 8;
    if (!ok)
        return err_set(
            call->err, E_INVALID,
            "network address parse error during conversion from string: network "
            "address parse error during conversion from string: netip.ParsePrefix(\"" STR_FMT
            "\"): no valid prefix",
            STR_ARG(s));
    if (is_mapped(ret))
        return err_set(call->err, E_INVALID,
                       "network address parse error during conversion from string: IPv4-mapped "
                       "IPv6 address \"" STR_FMT "\" is not allowed",
                       STR_ARG(s));
    ret->head.type = &cel_type_cidr;
    ret->bits = (uint8_t)bits;
    return 0;
}

/* RFC 5952: the longest run of zero groups (two at least, the first of equals) as "::". */
static void write_six(struct buf *out, const uint8_t *bytes)
{
    int best = -1, best_length = 1, run = 0;
    for (int i = 0; i < 8; i++) {
        run = bytes[2 * i] || bytes[2 * i + 1] ? 0 : run + 1;
        if (run > best_length) {
            best_length = run;
            best = i - run + 1;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            buf_puts(out, "::");
            i += best_length - 1;
            continue;
        }
        if (i > 0 && (best < 0 || i != best + best_length))
            buf_putc(out, ':');
        buf_printf(out, "%x", bytes[2 * i] << 8 | bytes[2 * i + 1]);
    }
}

static void write_address(struct buf *out, const struct address *a)
{
    const uint8_t *b = a->bytes;
    if (a->size == 4)
        buf_printf(out, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    else
        write_six(out, b);
    if (a->head.type == &cel_type_cidr)
        buf_printf(out, "/%u", a->bits);
}

/* ---- functions ---- */

static int give(struct cel_call *call, const struct address *a, struct cel_value *ret)
{
    struct address *copy = arena_alloc(call->run->arena, sizeof *copy);
    if (!copy)
        return -E_NOMEM;
    *copy = *a;
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &copy->head};
    return 0;
}

static const struct address *address_of(const struct cel_value *v)
{
    return (const void *)v->opaque;
}

static int parse_ip(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    struct address a;
    (void)count;
    int rc = read_address(call, args[0].string, &a);
    return rc < 0 ? rc : give(call, &a, ret);
}

static int parse_cidr(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    struct address a;
    (void)count;
    int rc = read_prefix(call, args[0].string, &a);
    return rc < 0 ? rc : give(call, &a, ret);
}

static int is_ip(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct cel_call quiet = {.run = call->run};
    struct address a;
    (void)count;
    *ret = cel_of_bool(read_address(&quiet, args[0].string, &a) == 0);
    return 0;
}

static int is_cidr(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct cel_call quiet = {.run = call->run};
    struct address a;
    (void)count;
    *ret = cel_of_bool(read_prefix(&quiet, args[0].string, &a) == 0);
    return 0;
}

static int is_canonical(struct cel_call *call, const struct cel_value *args, unsigned count,
                        struct cel_value *ret)
{
    struct address a;
    CLEANUP_BUF struct buf b;
    (void)count;
    buf_init(&b, 100);
    int rc = read_address(call, args[0].string, &a);
    if (rc < 0)
        return rc;
    write_address(&b, &a);
    if (b.failed)
        return -E_NOMEM;
    *ret = cel_of_bool(str_eq(buf_str(&b), args[0].string));
    return 0;
}

static int to_string(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    struct buf b;
    (void)count;
    buf_init(&b, 100);
    write_address(&b, address_of(args));
    return cel_text_from(call, &b, ret);
}

static int family(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = address_of(args)->size == 4 ? 4 : 6};
    return 0;
}

enum property { UNSPECIFIED, LOOPBACK, LOCAL_MULTICAST, LOCAL_UNICAST, GLOBAL_UNICAST };

static bool all_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

static bool has_property(const struct address *a, enum property p)
{
    const uint8_t *b = a->bytes;
    bool four = a->size == 4;
    switch (p) {
    case UNSPECIFIED:
        return all_zero(b, a->size);
    case LOOPBACK:
        return four ? b[0] == 127 : all_zero(b, 15) && b[15] == 1;
    case LOCAL_MULTICAST:
        return four ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 15) == 2;
    case LOCAL_UNICAST:
        return four ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
    case GLOBAL_UNICAST:
        break;
    }
    bool broadcast = four && b[0] == 255 && b[1] == 255 && b[2] == 255 && b[3] == 255;
    bool multicast = four ? (b[0] & 0xf0) == 0xe0 : b[0] == 0xff;
    return !broadcast && !multicast && !has_property(a, UNSPECIFIED) &&
           !has_property(a, LOOPBACK) && !has_property(a, LOCAL_UNICAST);
}

static int property(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    static const char *const names[] = {
        [UNSPECIFIED] = "isUnspecified",
        [LOOPBACK] = "isLoopback",
        [LOCAL_MULTICAST] = "isLinkLocalMulticast",
        [LOCAL_UNICAST] = "isLinkLocalUnicast",
        [GLOBAL_UNICAST] = "isGlobalUnicast",
    };
    unsigned p = 0;
    (void)count;
    while (p < GLOBAL_UNICAST && !str_is(call->expr->name, names[p]))
        p++;
    *ret = cel_of_bool(has_property(address_of(args), (enum property)p));
    return 0;
}

static void mask(struct address *a)
{
    for (unsigned bit = a->bits; bit < a->size * 8u; bit++)
        a->bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

/* Whether the first `bits` of both are the same. */
static bool within(const struct address *net, const struct address *a)
{
    struct address x = *net, y = *a;
    x.bits = y.bits = net->bits;
    mask(&x);
    mask(&y);
    return x.size == y.size && memcmp(x.bytes, y.bytes, x.size) == 0;
}

static int contains_ip(struct cel_call *call, const struct cel_value *args, unsigned count,
                       struct cel_value *ret)
{
    struct address a;
    int rc = 0;
    (void)count;
    if (args[1].kind == CEL_STRING)
        rc = read_address(call, args[1].string, &a);
    else
        a = *address_of(&args[1]);
    if (rc == 0)
        *ret = cel_of_bool(within(address_of(args), &a));
    return rc;
}

static int contains_cidr(struct cel_call *call, const struct cel_value *args, unsigned count,
                         struct cel_value *ret)
{
    struct address a;
    int rc = 0;
    (void)count;
    if (args[1].kind == CEL_STRING)
        rc = read_prefix(call, args[1].string, &a);
    else
        a = *address_of(&args[1]);
    if (rc == 0)
        *ret = cel_of_bool(address_of(args)->bits <= a.bits && within(address_of(args), &a));
    return rc;
}

static int cidr_ip(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct address a = *address_of(args);
    (void)count;
    a.head.type = &cel_type_ip;
    a.bits = 0;
    return give(call, &a, ret);
}

static int prefix_length(struct cel_call *call, const struct cel_value *args, unsigned count,
                         struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = address_of(args)->bits};
    return 0;
}

static int masked(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    struct address a = *address_of(args);
    (void)count;
    mask(&a);
    return give(call, &a, ret);
}

const struct cel_function cel_functions_net[] = {
    {"ip", false, "s>p", parse_ip, COST_TEXT},
    {"isIP", false, "s>b", is_ip, COST_TEXT},
    {"ip.isCanonical", false, "s>b", is_canonical, COST_TEXT_TWICE},
    {"family", true, "p>i", family, COST_ONE},
    {"isUnspecified", true, "p>b", property, COST_ONE},
    {"isLoopback", true, "p>b", property, COST_ONE},
    {"isLinkLocalMulticast", true, "p>b", property, COST_ONE},
    {"isLinkLocalUnicast", true, "p>b", property, COST_ONE},
    {"isGlobalUnicast", true, "p>b", property, COST_ONE},
    {"string", false, "p>s", to_string, COST_ONE},
    {"cidr", false, "s>c", parse_cidr, COST_TEXT},
    {"isCIDR", false, "s>b", is_cidr, COST_TEXT},
    {"containsIP", true, "cs>b", contains_ip, COST_CIDR_IP_TEXT},
    {"containsIP", true, "cp>b", contains_ip, COST_CIDR_IP},
    {"containsCIDR", true, "cs>b", contains_cidr, COST_CIDR_CIDR_TEXT},
    {"containsCIDR", true, "cc>b", contains_cidr, COST_CIDR_CIDR},
    {"ip", true, "c>p", cidr_ip, COST_ONE},
    {"prefixLength", true, "c>i", prefix_length, COST_ONE},
    {"masked", true, "c>c", masked, COST_ONE},
    {"string", false, "c>s", to_string, COST_ONE},
    {0},
};
