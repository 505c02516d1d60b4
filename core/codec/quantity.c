/* Quantities: the grammar <sign>digits[.digits]<suffix>, exact arithmetic, canonical spelling. */
#include "codec/quantity.h"

#include <stdio.h>

#define NANO ((__int128)1000000000)
#define MOST ((__int128)INT64_MAX * NANO)

static const struct {
    char text[4];
    int8_t power; /* of 10 or of 2 */
    enum quantity_format format;
} suffixes[] = {
    {"", 0, QUANTITY_DECIMAL_SI},   {"n", -9, QUANTITY_DECIMAL_SI}, {"u", -6, QUANTITY_DECIMAL_SI},
    {"m", -3, QUANTITY_DECIMAL_SI}, {"k", 3, QUANTITY_DECIMAL_SI},  {"M", 6, QUANTITY_DECIMAL_SI},
    {"G", 9, QUANTITY_DECIMAL_SI},  {"T", 12, QUANTITY_DECIMAL_SI}, {"P", 15, QUANTITY_DECIMAL_SI},
    {"E", 18, QUANTITY_DECIMAL_SI}, {"Ki", 10, QUANTITY_BINARY_SI}, {"Mi", 20, QUANTITY_BINARY_SI},
    {"Gi", 30, QUANTITY_BINARY_SI}, {"Ti", 40, QUANTITY_BINARY_SI}, {"Pi", 50, QUANTITY_BINARY_SI},
    {"Ei", 60, QUANTITY_BINARY_SI},
};

static int fail_syntax(struct err *err)
{
    return err_set(err, E_SYNTAX,
                   "quantities must match the regular expression "
                   "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

static int read_suffix(struct str s, int *ret_power, enum quantity_format *ret_format)
{
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (str_is(s, suffixes[i].text)) {
            *ret_power = suffixes[i].power;
            *ret_format = suffixes[i].format;
            return 0;
        }
    if (s.n < 2 || (s.p[0] != 'e' && s.p[0] != 'E'))
        return -E_SYNTAX;
    bool minus = s.p[1] == '-';
    size_t at = 1 + (minus || s.p[1] == '+');
    int power = 0;
    if (at == s.n)
        return -E_SYNTAX;
    for (; at < s.n; at++) {
        if (s.p[at] < '0' || s.p[at] > '9')
            return -E_SYNTAX;
        power = power > 1000 ? power : power * 10 + (s.p[at] - '0');
    }
    *ret_power = minus ? -power : power;
    *ret_format = QUANTITY_DECIMAL_EXPONENT;
    return 0;
}

/* digits x 10^power in nano, rounded up; past MOST it stays a little above MOST. */
static __int128 scale_decimal(__int128 digits, int power)
{
    bool rest = false;
    power += 9;
    for (; power < 0 && (digits > 0 || rest); power++) {
        rest = rest || digits % 10 != 0;
        digits /= 10;
        if (digits == 0)
            break;
    }
    for (; power > 0 && digits != 0 && digits <= MOST; power--)
        digits *= 10;
    return digits + rest;
}

static __int128 scale_binary(__int128 digits, int decimals, int shift)
{
    /* digits / 10^decimals x 2^shift x 10^9: multiply while it fits, then divide rounding up */
    __int128 v = digits;
    int power = 9 - decimals;
    for (; power > 0 && v <= MOST; power--)
        v *= 10;
    for (; shift > 0 && v <= MOST * 1000000; shift--)
        v *= 2;
    if (shift > 0)
        return v; /* far too large already, whatever the fraction */
    bool rest = false;
    for (; power < 0; power++) {
        rest = rest || v % 10 != 0;
        v /= 10;
    }
    return v + rest;
}

int quantity_parse(struct str s, struct quantity *ret, struct err *err)
{
    size_t at = 0;
    bool minus = false, dot = false, any = false, fine = false;
    __int128 digits = 0;
    int decimals = 0;
    if (s.n == 0)
        return fail_syntax(err);
    if (s.p[0] == '-' || s.p[0] == '+') {
        minus = s.p[0] == '-';
        at++;
    }
    for (; at < s.n && ((s.p[at] >= '0' && s.p[at] <= '9') || (s.p[at] == '.' && !dot)); at++) {
        if (s.p[at] == '.') {
            dot = true;
            continue;
        }
        any = true;
        if (dot && decimals >= 18) { /* finer than nano even with a suffix of E: only rounds up */
            fine = fine || s.p[at] != '0';
            continue;
        }
        decimals += dot;
        if (digits > MOST)
            return err_set(err, E_LIMIT, "quantity " STR_FMT " is too large", STR_ARG(s));
        digits = digits * 10 + (s.p[at] - '0');
    }
    int power;
    enum quantity_format format;
    if (!any || read_suffix(str_make(s.p + at, s.n - at), &power, &format))
        return fail_syntax(err);
    __int128 v = format == QUANTITY_BINARY_SI ? scale_binary(digits, decimals, power)
                                              : scale_decimal(digits, power - decimals);
    if (fine && v < MOST)
        v += 1;
    if (v > MOST)
        v = MOST; /* upstream caps too */
    *ret = (struct quantity){minus ? -v : v, format};
    return 0;
}

static void put_i128(char *out, size_t size, __int128 v, const char *suffix)
{
    char digits[48];
    size_t n = sizeof(digits);
    unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    digits[--n] = '\0';
    do {
        digits[--n] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u > 0);
    snprintf(out, size, "%s%s%s", v < 0 ? "-" : "", digits + n, suffix);
}

/* Whole values of 1024 and more by powers of 1024; false when decimal spelling is due. */
static bool format_binary(const struct quantity *q, char *out)
{
    static const char names[][3] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    __int128 v = q->nano / NANO;
    int i = 0;
    if (q->nano % NANO != 0 || (v < 1024 && v > -1024))
        return false;
    for (; i < 6 && v % 1024 == 0; i++)
        v /= 1024;
    put_i128(out, QUANTITY_TEXT, v, names[i]);
    return true;
}

void quantity_format(const struct quantity *q, char out[QUANTITY_TEXT])
{
    static const char names[][2] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    __int128 v = q->nano;
    int i = 0;
    char exponent[8] = "";
    if (v == 0) {
        snprintf(out, QUANTITY_TEXT, "0");
        return;
    }
    if (q->format == QUANTITY_BINARY_SI && format_binary(q, out))
        return;
    /* An exponent is a multiple of three and written without a sign rule: 1e3, 5e-3. */
    for (; i < 9 && v % 1000 == 0; i++)
        v /= 1000;
    if (q->format == QUANTITY_DECIMAL_EXPONENT) {
        if (i != 3)
            snprintf(exponent, sizeof(exponent), "e%d", (i - 3) * 3);
        put_i128(out, QUANTITY_TEXT, v, exponent);
    } else {
        put_i128(out, QUANTITY_TEXT, v, names[i]);
    }
}

struct quantity quantity_from_i64(int64_t value, enum quantity_format format)
{
    return (struct quantity){value * NANO, format};
}

struct quantity quantity_from_milli(int64_t milli)
{
    return (struct quantity){milli * (NANO / 1000), QUANTITY_DECIMAL_SI};
}

static int64_t round_up(__int128 v, __int128 unit)
{
    __int128 whole = v / unit;
    if (v > 0 && v % unit != 0)
        whole++;
    if (v < 0 && v % unit != 0)
        whole--; /* away from zero, as upstream */
    return whole > INT64_MAX ? INT64_MAX : whole < INT64_MIN ? INT64_MIN : (int64_t)whole;
}

int64_t quantity_value(const struct quantity *q)
{
    return round_up(q->nano, NANO);
}

int64_t quantity_milli(const struct quantity *q)
{
    return round_up(q->nano, NANO / 1000);
}

int quantity_cmp(const struct quantity *a, const struct quantity *b)
{
    return a->nano < b->nano ? -1 : a->nano > b->nano;
}

static void add(struct quantity *to, __int128 more, enum quantity_format format)
{
    __int128 v = to->nano + more;
    if (to->nano == 0)
        to->format = format;
    to->nano = v > MOST ? MOST : v < -MOST ? -MOST : v;
}

void quantity_add(struct quantity *to, const struct quantity *more)
{
    add(to, more->nano, more->format);
}

void quantity_sub(struct quantity *from, const struct quantity *less)
{
    add(from, -less->nano, less->format);
}

int64_t quantity_text_value(struct str text)
{
    struct quantity q;
    return quantity_parse(text, &q, NULL) ? 0 : quantity_value(&q);
}

int64_t quantity_text_milli(struct str text)
{
    struct quantity q;
    return quantity_parse(text, &q, NULL) ? 0 : quantity_milli(&q);
}
