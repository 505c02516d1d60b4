/*
 * Timestamps and durations: text, arithmetic, getters with time zones (cel-spec, langdef.md,
 * "Timestamps"). Zones are UTC and fixed offsets ("+05:30"): the node carries no zone database.
 */
#include <stdio.h>

#include "cel/cel_int.h"
#include "codec/time.h"

enum { NANOS = 1000000000, DAY = 86400 };

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar (March-based years). */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

struct date {
    int64_t year;
    unsigned month, day; /* from 1 */
    unsigned of_year;    /* from 0 */
};

static struct date date_of(int64_t days)
{
    struct date d;
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned shifted = (5 * of_year + 2) / 153;
    d.day = of_year - (153 * shifted + 2) / 5 + 1;
    d.month = shifted < 10 ? shifted + 3 : shifted - 9;
    d.year = (int64_t)year + era * 400 + (d.month <= 2);
    d.of_year = (unsigned)(days - 719468 - days_of(d.year, 1, 1));
    return d;
}

/* ---- text ---- */

/* Exactly n digits at *at, which moves on. */
static bool digits(const char **at, const char *end, unsigned n, unsigned *ret)
{
    unsigned v = 0;
    for (unsigned i = 0; i < n; i++, (*at)++) {
        if (*at >= end || **at < '0' || **at > '9')
            return false;
        v = v * 10 + (unsigned)(**at - '0');
    }
    *ret = v;
    return true;
}

static bool character(const char **at, const char *end, char c)
{
    if (*at >= end || **at != c)
        return false;
    (*at)++;
    return true;
}

static bool read_date(const char **at, const char *end, int64_t *ret_days)
{
    unsigned year, month, day;
    if (!digits(at, end, 4, &year) || !character(at, end, '-') || !digits(at, end, 2, &month) ||
        !character(at, end, '-') || !digits(at, end, 2, &day))
        return false;
    static const unsigned lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1] ||
        (month == 2 && day == 29 && !leap))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

static bool read_clock(const char **at, const char *end, struct cel_time *t)
{
    unsigned hour, minute, second;
    if (!digits(at, end, 2, &hour) || !character(at, end, ':') || !digits(at, end, 2, &minute) ||
        !character(at, end, ':') || !digits(at, end, 2, &second) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    t->seconds += hour * 3600 + minute * 60 + second;
    if (!character(at, end, '.'))
        return true;
    const char *start = *at;
    for (int32_t unit = NANOS / 10; *at < end && **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        t->nanos += (**at - '0') * unit;
    return *at > start;
}

/* "Z", "+hh:mm" or "-hh:mm"; the sign may be left out where *at says so. */
static bool read_offset(const char **at, const char *end, bool bare, int64_t *ret_seconds)
{
    unsigned hour, minute;
    int sign = 1;
    if (character(at, end, '-'))
        sign = -1;
    else if (!character(at, end, '+') && !bare)
        return false;
    if (!digits(at, end, 2, &hour) || !character(at, end, ':') || !digits(at, end, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *ret_seconds = sign * (int64_t)(hour * 3600 + minute * 60);
    return true;
}

int cel_time_parse(struct str text, struct cel_time *ret, struct err *err)
{
    const char *at = text.p, *end = text.p + text.n;
    struct cel_time t = {0};
    int64_t days, offset = 0;
    bool ok = text.n > 0 && read_date(&at, end, &days);
    ok = ok && (character(&at, end, 'T') || character(&at, end, 't'));
    if (ok)
        t.seconds = days * DAY;
    ok = ok && read_clock(&at, end, &t);
    ok = ok && (character(&at, end, 'Z') || character(&at, end, 'z') ||
                read_offset(&at, end, false, &offset));
    if (!ok || at != end)
        return err_set(err, E_INVALID, "cannot parse \"" STR_FMT "\" as an RFC 3339 timestamp",
                       STR_ARG(text));
    t.seconds -= offset;
    if (t.seconds < CEL_TIME_MIN || t.seconds > CEL_TIME_MAX)
        return err_set(err, E_INVALID, "timestamp overflow");
    *ret = t;
    return 0;
}

int cel_date_parse(struct str text, struct cel_time *ret, struct err *err)
{
    const char *at = text.p, *end = text.p + text.n;
    int64_t days;
    if (text.n == 0 || !read_date(&at, end, &days) || at != end)
        return err_set(err, E_INVALID, "Invalid date formatted string " STR_FMT, STR_ARG(text));
    *ret = (struct cel_time){.seconds = days * DAY};
    return 0;
}

static void put_fraction(struct buf *out, int32_t nanos)
{
    char text[16];
    size_t n = 9;
    if (nanos == 0)
        return;
    snprintf(text, sizeof text, "%09d", nanos);
    while (text[n - 1] == '0')
        n--;
    buf_putc(out, '.');
    buf_append(out, text, n);
}

void cel_time_write(struct buf *out, const struct cel_time *t)
{
    int64_t days = t->seconds / DAY - (t->seconds % DAY < 0);
    int64_t clock = t->seconds - days * DAY;
    struct date d = date_of(days);
    buf_printf(out, "%04lld-%02u-%02uT%02lld:%02lld:%02lld", (long long)d.year, d.month, d.day,
               (long long)clock / 3600, (long long)clock / 60 % 60, (long long)clock % 60);
    put_fraction(out, t->nanos);
    buf_putc(out, 'Z');
}

void cel_duration_write(struct buf *out, int64_t ns)
{
    uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    buf_puts(out, ns < 0 ? "-" : "");
    buf_put_u64(out, v / NANOS);
    put_fraction(out, (int32_t)(v % NANOS));
    buf_putc(out, 's');
}

/* ---- arithmetic ---- */

static int give_time(struct cel_call *call, __int128 ns, struct cel_value *ret)
{
    __int128 seconds = ns / NANOS - (ns % NANOS < 0);
    if (seconds < CEL_TIME_MIN || seconds > CEL_TIME_MAX)
        return err_set(call->err, E_INVALID, "timestamp overflow");
    *ret = (struct cel_value){
        .kind = CEL_TIMESTAMP,
        .time = {.seconds = (int64_t)seconds, .nanos = (int32_t)(ns - seconds * NANOS)}};
    return 0;
}

static int give_duration(struct cel_call *call, __int128 ns, struct cel_value *ret)
{
    if (ns < INT64_MIN || ns > INT64_MAX)
        return err_set(call->err, E_INVALID, "duration overflow");
    *ret = (struct cel_value){.kind = CEL_DURATION, .i64 = (int64_t)ns};
    return 0;
}

static __int128 nanos_of(const struct cel_value *v)
{
    return v->kind == CEL_DURATION ? v->i64 : (__int128)v->time.seconds * NANOS + v->time.nanos;
}

static int add(struct cel_call *call, const struct cel_value *args, unsigned count,
               struct cel_value *ret)
{
    __int128 sum = nanos_of(&args[0]) + nanos_of(&args[1]);
    (void)count;
    if (args[0].kind == CEL_DURATION && args[1].kind == CEL_DURATION)
        return give_duration(call, sum, ret);
    return give_time(call, sum, ret);
}

static int subtract(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    __int128 difference = nanos_of(&args[0]) - nanos_of(&args[1]);
    (void)count;
    if (args[0].kind == CEL_TIMESTAMP && args[1].kind == CEL_DURATION)
        return give_time(call, difference, ret);
    return give_duration(call, difference, ret);
}

/* ---- getters ---- */

static int zone(struct cel_call *call, const struct cel_value *args, unsigned count,
                int64_t *ret_offset)
{
    *ret_offset = 0;
    if (count < 2)
        return 0;
    struct str name = args[1].string;
    const char *at = name.p, *end = name.p + name.n;
    if (name.n == 0 || str_is(name, "UTC") || str_is(name, "Etc/UTC") || str_is(name, "GMT"))
        return 0;
    if (read_offset(&at, end, true, ret_offset) && at == end)
        return 0;
    return err_set(call->err, E_INVALID, "unknown time zone " STR_FMT, STR_ARG(name));
}

static int64_t calendar(const char *what, int64_t days)
{
    struct date d = date_of(days);
    if (str_is(STR("getFullYear"), what))
        return d.year;
    if (str_is(STR("getMonth"), what))
        return d.month - 1;
    if (str_is(STR("getDayOfYear"), what))
        return d.of_year;
    if (str_is(STR("getDate"), what))
        return d.day;
    if (str_is(STR("getDayOfMonth"), what))
        return d.day - 1;
    return ((days + 4) % 7 + 7) % 7; /* getDayOfWeek: 1970-01-01 was a Thursday */
}

static int get_date(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    int64_t offset;
    int rc = zone(call, args, count, &offset);
    if (rc < 0)
        return rc;
    int64_t local = args[0].time.seconds + offset;
    int64_t days = local / DAY - (local % DAY < 0);
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = calendar(call->expr->name.p, days)};
    return 0;
}

static int get_clock(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    const char *what = call->expr->name.p;
    int64_t offset, v;
    int rc = zone(call, args, count, &offset);
    if (rc < 0)
        return rc;
    int64_t clock = ((args[0].time.seconds + offset) % DAY + DAY) % DAY;
    if (str_is(STR("getHours"), what))
        v = clock / 3600;
    else if (str_is(STR("getMinutes"), what))
        v = clock / 60 % 60;
    else if (str_is(STR("getSeconds"), what))
        v = clock % 60;
    else
        v = args[0].time.nanos / 1000000;
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = v};
    return 0;
}

static int get_length(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    const char *what = call->expr->name.p;
    int64_t ns = args[0].i64, v;
    (void)count;
    if (str_is(STR("getHours"), what))
        v = ns / ((int64_t)3600 * NANOS);
    else if (str_is(STR("getMinutes"), what))
        v = ns / ((int64_t)60 * NANOS);
    else if (str_is(STR("getSeconds"), what))
        v = ns / NANOS;
    else
        v = ns / 1000000;
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = v};
    return 0;
}

#define GETTER(name, fn)                 \
    {name, true, "t>i", fn, COST_ONE},   \
    {                                    \
        name, true, "ts>i", fn, COST_ONE \
    }
const struct cel_function cel_functions_time[] = {
    {"_+_", false, "rr>r", add, COST_ONE},
    {"_+_", false, "tr>t", add, COST_ONE},
    {"_+_", false, "rt>t", add, COST_ONE},
    {"_-_", false, "rr>r", subtract, COST_ONE},
    {"_-_", false, "tr>t", subtract, COST_ONE},
    {"_-_", false, "tt>r", subtract, COST_ONE},
    GETTER("getFullYear", get_date),
    GETTER("getMonth", get_date),
    GETTER("getDayOfYear", get_date),
    GETTER("getDate", get_date),
    GETTER("getDayOfMonth", get_date),
    GETTER("getDayOfWeek", get_date),
    GETTER("getHours", get_clock),
    GETTER("getMinutes", get_clock),
    GETTER("getSeconds", get_clock),
    GETTER("getMilliseconds", get_clock),
    {"getHours", true, "r>i", get_length, COST_ONE},
    {"getMinutes", true, "r>i", get_length, COST_ONE},
    {"getSeconds", true, "r>i", get_length, COST_ONE},
    {"getMilliseconds", true, "r>i", get_length, COST_ONE},
    {0},
};
