/* Calendar arithmetic by days since 1970-01-01 in the proleptic Gregorian calendar. */
#include "codec/time.h"

#include <stdio.h>

enum { DAY_SECONDS = 86400 };

int64_t time_days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void time_civil_from_days(int64_t days, int64_t *y, int *m, int *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

/* n digits at *p; -1 when there are none. */
static int digits(const char **p, const char *end, int n)
{
    int v = 0;
    if (end - *p < n)
        return -1;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        v = v * 10 + (**p - '0');
    }
    return v;
}

static bool take(const char **p, const char *end, char c)
{
    if (*p >= end || **p != c)
        return false;
    (*p)++;
    return true;
}

static int month_days(int y, int m)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return days[m - 1] + (m == 2 && leap);
}

static int fraction(const char **p, const char *end, int64_t *ret_us)
{
    int64_t us = 0, unit = 100000;
    if (take(p, end, '.')) {
        const char *start = *p;
        for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
            us += (**p - '0') * unit;
        if (*p == start)
            return -E_SYNTAX;
    }
    *ret_us = us;
    return 0;
}

static int offset(const char **p, const char *end, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (take(p, end, 'Z'))
        return 0;
    int sign = take(p, end, '+') ? 1 : take(p, end, '-') ? -1 : 0;
    int hours = sign ? digits(p, end, 2) : -1;
    int minutes = hours >= 0 && take(p, end, ':') ? digits(p, end, 2) : -1;
    if (minutes < 0 || hours > 23 || minutes > 59)
        return -E_SYNTAX;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

static int parse(struct str text, int64_t *ret_us)
{
    const char *p = text.p, *end = text.p + text.n;
    int year = digits(&p, end, 4), month = take(&p, end, '-') ? digits(&p, end, 2) : -1;
    int day = take(&p, end, '-') ? digits(&p, end, 2) : -1;
    int hour = take(&p, end, 'T') ? digits(&p, end, 2) : -1;
    int minute = take(&p, end, ':') ? digits(&p, end, 2) : -1;
    int second = take(&p, end, ':') ? digits(&p, end, 2) : -1;
    int64_t us, zone;
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -E_SYNTAX;
    if (fraction(&p, end, &us) || offset(&p, end, &zone) || p != end)
        return -E_SYNTAX;
    int64_t seconds =
        time_days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    *ret_us = (seconds - zone) * 1000000 + us;
    return 0;
}

int time_parse(struct str text, int64_t *ret_us, struct err *err)
{
    if (parse(text, ret_us) == 0)
        return 0;
    return err_set(err, E_SYNTAX,
                   "parsing time \"%.*s\" as \"2006-01-02T15:04:05Z07:00\": cannot parse",
                   (int)(text.n < 100 ? text.n : 100), text.p ? text.p : "");
}

static void format(int64_t us, bool micro, char out[TIME_TEXT])
{
    int64_t seconds = us / 1000000, rest = us % 1000000;
    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    int64_t days = seconds / DAY_SECONDS, in_day = seconds % DAY_SECONDS, year;
    int month, day;
    if (in_day < 0) {
        in_day += DAY_SECONDS;
        days--;
    }
    time_civil_from_days(days, &year, &month, &day);
    int n = snprintf(out, TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, day,
                     (int)(in_day / 3600), (int)(in_day / 60 % 60), (int)(in_day % 60));
    if (micro)
        n += snprintf(out + n, TIME_TEXT - (size_t)n, ".%06d", (int)rest);
    snprintf(out + n, TIME_TEXT - (size_t)n, "Z");
}

void time_format(int64_t us, char out[TIME_TEXT])
{
    format(us, false, out);
}

void time_format_micro(int64_t us, char out[TIME_TEXT])
{
    format(us, true, out);
}

int64_t time_text_ms(struct str text, int64_t otherwise)
{
    int64_t us;
    if (text.n == 0 || parse(text, &us))
        return otherwise;
    return us / 1000;
}

/* ---- durations ---- */

static const struct {
    char text[4];
    int64_t ns;
} units[] = {{"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
             {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000}};

static int64_t unit_of(struct str s)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (str_is(s, units[i].text))
            return units[i].ns;
    return 0;
}

/* One "1.5h" at *p, in ns. */
static int duration_part(const char **p, const char *end, __int128 *ret_ns)
{
    __int128 whole = 0, part = 0, scale = 1;
    const char *start = *p;
    bool any = false;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, any = true)
        if ((whole = whole * 10 + (**p - '0')) > INT64_MAX)
            return -E_LIMIT;
    if (take(p, end, '.'))
        for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, any = true)
            if (scale < 1000000000000000) {
                part = part * 10 + (**p - '0');
                scale *= 10;
            }
    start = *p;
    while (*p < end && **p != '.' && (**p < '0' || **p > '9'))
        (*p)++;
    int64_t unit = unit_of(str_make(start, (size_t)(*p - start)));
    if (!any || unit == 0)
        return -E_SYNTAX;
    *ret_ns = whole * unit + part * unit / scale;
    return 0;
}

int duration_parse(struct str text, int64_t *ret_ns, struct err *err)
{
    const char *p = text.p, *end = text.p + text.n;
    bool minus = take(&p, end, '-');
    __int128 total = 0, part;
    int rc = 0;
    if (!minus)
        take(&p, end, '+');
    if (p == end)
        rc = -E_SYNTAX;
    if (end - p == 1 && *p == '0')
        p++;
    while (rc == 0 && p < end) {
        rc = duration_part(&p, end, &part);
        total += rc ? 0 : part;
        if (rc == 0 && total > INT64_MAX)
            rc = -E_LIMIT;
    }
    if (rc)
        return err_set(err, -rc, "time: invalid duration \"%.*s\"",
                       (int)(text.n < 100 ? text.n : 100), text.p ? text.p : "");
    *ret_ns = (int64_t)(minus ? -total : total);
    return 0;
}

/* v / unit with its decimals, trailing zeros dropped, then the unit's name. */
static int put_decimal(char *out, size_t size, uint64_t v, uint64_t unit, const char *name)
{
    char fraction_text[16] = "";
    uint64_t rest = v % unit;
    if (rest) {
        int width = 0;
        for (uint64_t u = unit; u > 1; u /= 10)
            width++;
        int n = snprintf(fraction_text, sizeof(fraction_text), ".%0*llu", width,
                         (unsigned long long)rest);
        while (n > 0 && fraction_text[n - 1] == '0')
            fraction_text[--n] = '\0';
    }
    return snprintf(out, size, "%llu%s%s", (unsigned long long)(v / unit), fraction_text, name);
}

void duration_format(int64_t ns, char out[TIME_TEXT])
{
    uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    size_t n = 0;
    if (v == 0) {
        snprintf(out, TIME_TEXT, "0s");
        return;
    }
    if (ns < 0)
        out[n++] = '-';
    if (v < 1000000000) {
        bool micro = v >= 1000, milli = v >= 1000000;
        put_decimal(out + n, TIME_TEXT - n, v,
                    milli   ? 1000000
                    : micro ? 1000
                            : 1,
                    milli   ? "ms"
                    : micro ? "\xc2\xb5s"
                            : "ns");
        return;
    }
    uint64_t hours = v / 3600000000000, minutes = v / 60000000000 % 60;
    if (hours)
        n += (size_t)snprintf(out + n, TIME_TEXT - n, "%lluh", (unsigned long long)hours);
    if (hours || minutes)
        n += (size_t)snprintf(out + n, TIME_TEXT - n, "%llum", (unsigned long long)minutes);
    put_decimal(out + n, TIME_TEXT - n, v % 60000000000, 1000000000, "s");
}
