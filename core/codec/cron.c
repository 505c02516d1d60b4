/* See cron.h. A field becomes a set of bits; the next time is sought day by day. */
#include "codec/cron.h"

#include <stdio.h>
#include <string.h>

#include "codec/time.h"

#define STAR (UINT64_C(1) << 63)

enum { FIELDS = 5, DAY_S = 86400, YEARS_AHEAD = 5 };

struct bounds {
    uint32_t min, max;
    const char *names; /* three letters each, the first one for min; or NULL */
};

static const struct bounds bounds[FIELDS] = {
    {0, 59, NULL},
    {0, 23, NULL},
    {1, 31, NULL},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {0, 6, "sunmontuewedthufrisat"},
};

static int read_int(struct str s, uint64_t *ret, struct err *err)
{
    bool negative = s.n && s.p[0] == '-', sign = s.n && (negative || s.p[0] == '+');
    struct str rest = sign ? str_make(s.p + 1, s.n - 1) : s;
    uint64_t v = 0;
    bool over = false;
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return err_set(err, E_INVALID,
                           "failed to parse int from " STR_FMT ": strconv.Atoi: parsing \"" STR_FMT
                           "\": invalid syntax",
                           STR_ARG(s), STR_ARG(s));
        over = over || v > (INT64_MAX - 9) / 10;
        v = over ? v : v * 10 + (uint64_t)(rest.p[i] - '0');
    }
    if (!rest.n || over)
        return err_set(err, E_INVALID,
                       "failed to parse int from " STR_FMT ": strconv.Atoi: parsing \"" STR_FMT
                       "\": %s",
                       STR_ARG(s), STR_ARG(s), over ? "value out of range" : "invalid syntax");
    if (negative && v)
        return err_set(err, E_INVALID, "negative number (-%llu) not allowed: " STR_FMT,
                       (unsigned long long)v, STR_ARG(s));
    *ret = v;
    return 0;
}

static int read_value(struct str s, const struct bounds *b, uint64_t *ret, struct err *err)
{
    for (uint32_t i = 0; b->names && s.n == 3 && b->min + i <= b->max; i++) {
        const char *name = b->names + (size_t)i * 3;
        if ((s.p[0] | 0x20) == name[0] && (s.p[1] | 0x20) == name[1] &&
            (s.p[2] | 0x20) == name[2]) {
            *ret = b->min + i;
            return 0;
        }
    }
    return read_int(s, ret, err);
}

static unsigned count_byte(struct str s, char c)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

/* "LOW-HIGH" */
static int read_ends(struct str whole, struct str part, const struct bounds *b, uint64_t *low,
                     uint64_t *high, struct err *err)
{
    struct str rest = part, first, last;
    unsigned hyphens = count_byte(part, '-');
    if (!str_split(&rest, '-', &first))
        first = part;
    int rc = read_value(first, b, low, err);
    if (rc < 0)
        return rc;
    if (hyphens > 1)
        return err_set(err, E_INVALID, "too many hyphens: " STR_FMT, STR_ARG(whole));
    *high = *low;
    last = str_make(part.p + first.n + 1, hyphens ? part.n - first.n - 1 : 0);
    return hyphens ? read_value(last, b, high, err) : 0;
}

static int check_range(struct str s, const struct bounds *b, uint64_t low, uint64_t high,
                       uint64_t step, struct err *err)
{
    unsigned long long l = low, h = high;
    if (low < b->min)
        return err_set(err, E_INVALID, "beginning of range (%llu) below minimum (%u): " STR_FMT, l,
                       b->min, STR_ARG(s));
    if (high > b->max)
        return err_set(err, E_INVALID, "end of range (%llu) above maximum (%u): " STR_FMT, h,
                       b->max, STR_ARG(s));
    if (low > high)
        return err_set(err, E_INVALID,
                       "beginning of range (%llu) beyond end of range (%llu): " STR_FMT, l, h,
                       STR_ARG(s));
    if (step == 0)
        return err_set(err, E_INVALID, "step of range should be a positive number: " STR_FMT,
                       STR_ARG(s));
    return 0;
}

/* "*", "5", "1-5", each with "/2" */
static int read_range(struct str s, const struct bounds *b, uint64_t *bits, struct err *err)
{
    unsigned slashes = count_byte(s, '/');
    ptrdiff_t slash = str_find_byte(s, '/');
    struct str ends = slashes ? str_make(s.p, (size_t)slash) : s;
    uint64_t low = b->min, high = b->max, step = 1, star = 0;
    ptrdiff_t hyphen = str_find_byte(ends, '-');
    struct str first = hyphen >= 0 ? str_make(ends.p, (size_t)hyphen) : ends;
    int rc = 0;
    if (str_is(first, "*") || str_is(first, "?"))
        star = STAR;
    else
        rc = read_ends(s, ends, b, &low, &high, err);
    if (rc == 0 && slashes > 1)
        rc = err_set(err, E_INVALID, "too many slashes: " STR_FMT, STR_ARG(s));
    if (rc == 0 && slashes) {
        rc = read_int(str_make(s.p + slash + 1, s.n - (size_t)slash - 1), &step, err);
        if (hyphen < 0)
            high = b->max;
        if (step > 1)
            star = 0;
    }
    if (rc == 0)
        rc = check_range(s, b, low, high, step, err);
    if (rc < 0)
        return rc;
    for (uint64_t i = low; i <= high; i += step)
        *bits |= UINT64_C(1) << i;
    *bits |= star;
    return 0;
}

static int read_field(struct str s, const struct bounds *b, uint64_t *ret, struct err *err)
{
    struct str part;
    *ret = 0;
    while (str_split(&s, ',', &part)) {
        int rc = part.n ? read_range(part, b, ret, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool next_word(struct str *rest, struct str *ret)
{
    while (rest->n && (rest->p[0] == ' ' || (rest->p[0] >= '\t' && rest->p[0] <= '\r')))
        *rest = str_make(rest->p + 1, rest->n - 1);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && !(rest->p[n] >= '\t' && rest->p[n] <= '\r'))
        n++;
    *ret = str_make(rest->p, n);
    *rest = str_make(rest->p + n, rest->n - n);
    return n > 0;
}

static int read_fields(struct str text, struct cron *c, struct err *err)
{
    uint64_t *const to[FIELDS] = {&c->minute, &c->hour, &c->day, &c->month, &c->weekday};
    struct str words[FIELDS], rest = text, word;
    unsigned count = 0;
    char all[160];
    size_t used = 0;
    for (; next_word(&rest, &word); count++) {
        if (count < FIELDS)
            words[count] = word;
        int n =
            snprintf(all + used, sizeof all - used, "%s" STR_FMT, count ? " " : "", STR_ARG(word));
        used = used + (size_t)n < sizeof all ? used + (size_t)n : sizeof all - 1;
    }
    all[used] = 0;
    if (count != FIELDS)
        return err_set(err, E_INVALID, "expected exactly %d fields, found %u: [%s]", FIELDS, count,
                       all);
    for (size_t i = 0; i < FIELDS; i++) {
        int rc = read_field(words[i], &bounds[i], to[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_every(struct str text, struct str duration, struct cron *c, struct err *err)
{
    struct err why = {0};
    int64_t ns;
    if (duration_parse(duration, &ns, &why) < 0)
        return err_set(err, E_INVALID, "failed to parse duration " STR_FMT ": %s", STR_ARG(text),
                       why.text);
    c->every_s = ns / 1000000000 > 1 ? ns / 1000000000 : 1;
    return 0;
}

static int read_descriptor(struct str s, struct cron *c, struct err *err)
{
    static const struct {
        const char *name, *fields;
    } table[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (str_is(s, table[i].name))
            return read_fields(str_of(table[i].fields), c, err);
    if (str_starts(s, STR("@every ")))
        return read_every(s, str_make(s.p + 7, s.n - 7), c, err);
    return err_set(err, E_INVALID, "unrecognized descriptor: " STR_FMT, STR_ARG(s));
}

/* "TZ=Etc/UTC 0 4 * * *" */
static int read_zone(struct str *text, struct cron *c, struct err *err)
{
    struct err why = {0};
    if (!str_starts(*text, STR("TZ=")) && !str_starts(*text, STR("CRON_TZ=")))
        return 0;
    size_t from = (size_t)str_find_byte(*text, '=') + 1;
    ptrdiff_t space = str_find_byte(*text, ' ');
    size_t to = space < 0 ? text->n : (size_t)space;
    struct str name = str_make(text->p + from, to > from ? to - from : 0);
    int rc = name.n ? cron_zone(name, &c->offset_s, &why) : 0;
    c->zoned = true;
    c->zone_unknown = rc == -E_UNSUPPORTED;
    if (rc == -E_INVALID)
        return err_set(err, E_INVALID, "provided bad location " STR_FMT ": %s", STR_ARG(name),
                       why.text);
    *text = str_trim(str_make(text->p + to, text->n - to));
    return 0;
}

int cron_parse(struct str text, struct cron *ret, struct err *err)
{
    struct cron c = {0};
    if (!text.n)
        return err_set(err, E_INVALID, "empty spec string");
    int rc = read_zone(&text, &c, err);
    if (rc == 0)
        rc = text.n && text.p[0] == '@' ? read_descriptor(text, &c, err)
                                        : read_fields(text, &c, err);
    if (rc == 0)
        *ret = c;
    return rc;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool day_matches(const struct cron *c, int64_t days, int month, int day)
{
    int64_t weekday = (days + 4) - 7 * floor_div(days + 4, 7); /* 1970-01-01 was a Thursday */
    bool by_day = c->day >> day & 1, by_weekday = c->weekday >> weekday & 1;
    if (!(c->month >> month & 1))
        return false;
    return (c->day | c->weekday) & STAR ? by_day && by_weekday : by_day || by_weekday;
}

/* The first minute of a day at or behind `from` minutes; -1: none. */
static int minute_of_day(const struct cron *c, int from)
{
    for (int m = from; m < DAY_S / 60; m++)
        if ((c->hour >> (m / 60) & 1) && (c->minute >> (m % 60) & 1))
            return m;
    return -1;
}

int cron_next(const struct cron *c, int64_t after_us, int32_t offset_s, int64_t *ret_us)
{
    int64_t after_s = floor_div(after_us, 1000000), year, limit = 0;
    int month, day;
    if (c->every_s) {
        if (__builtin_mul_overflow(after_s + c->every_s, INT64_C(1000000), ret_us))
            return -E_NOT_FOUND;
        return 0;
    }
    int64_t offset = c->zoned ? c->offset_s : offset_s;
    int64_t local = floor_div(after_s + offset, 60) + 1; /* in minutes: the next whole one */
    int64_t days = floor_div(local, DAY_S / 60);
    int from = (int)(local - days * (DAY_S / 60));
    time_civil_from_days(days, &limit, &month, &day);
    limit += YEARS_AHEAD;
    for (;; days++, from = 0) {
        time_civil_from_days(days, &year, &month, &day);
        if (year > limit)
            return -E_NOT_FOUND;
        int minute = day_matches(c, days, month, day) ? minute_of_day(c, from) : -1;
        if (minute < 0)
            continue;
        if (__builtin_mul_overflow(days * DAY_S + (int64_t)minute * 60 - offset, INT64_C(1000000),
                                   ret_us))
            return -E_NOT_FOUND;
        return 0;
    }
}
