/* Names of time zones (https://data.iana.org/time-zones/theory.html#naming). See cron.h. */
#include "codec/cron.h"

/* A component: at most 14 letters, digits (of names from before the rule), '.', '-', '_', '+'. */
static bool part_is_good(struct str s)
{
    if (!s.n || s.n > 14 || s.p[0] == '-' || str_is(s, ".") || str_is(s, ".."))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_' && c != '+')
            return false;
    }
    return true;
}

static bool one_of(struct str s, const char *const *names)
{
    while (*names && !str_is(s, *names))
        names++;
    return *names != NULL;
}

/* Behind "Etc/GMT" the sign is turned round: GMT+3 lies west. */
static bool fixed_zone(struct str s, int32_t *ret)
{
    static const char *const utc[] = {"UTC",   "UCT",       "GMT",  "GMT0",      "GMT+0",
                                      "GMT-0", "Universal", "Zulu", "Greenwich", NULL};
    struct str name = str_starts(s, STR("Etc/")) ? str_make(s.p + 4, s.n - 4) : s;
    uint64_t hours;
    if (one_of(name, utc)) {
        *ret = 0;
        return true;
    }
    if (name.p == s.p || !str_starts(name, STR("GMT")) || name.n < 5 || name.n > 6 ||
        (name.p[3] != '+' && name.p[3] != '-') || name.p[4] == '0' ||
        str_to_u64(str_make(name.p + 4, name.n - 4), &hours) < 0)
        return false;
    bool west = name.p[3] == '+';
    if (hours > (west ? 12 : 14))
        return false;
    *ret = (int32_t)hours * (west ? -3600 : 3600);
    return true;
}

/* Regions, and zones that stand in none. */
static bool maybe_zone(struct str s)
{
    static const char *const regions[] = {
        "Africa", "America", "Antarctica", "Arctic", "Asia",   "Atlantic", "Australia", "Brazil",
        "Canada", "Chile",   "Europe",     "Indian", "Mexico", "Pacific",  "US",        NULL};
    static const char *const alone[] = {
        "CET",       "CST6CDT", "Cuba",      "EET",     "EST",      "EST5EDT",  "Egypt",   "Eire",
        "Factory",   "GB",      "GB-Eire",   "HST",     "Hongkong", "Iceland",  "Iran",    "Israel",
        "Jamaica",   "Japan",   "Kwajalein", "Libya",   "MET",      "MST",      "MST7MDT", "NZ",
        "NZ-CHAT",   "Navajo",  "PRC",       "PST8PDT", "Poland",   "Portugal", "ROC",     "ROK",
        "Singapore", "Turkey",  "W-SU",      "WET",     NULL};
    ptrdiff_t slash = str_find_byte(s, '/');
    if (slash < 0)
        return one_of(s, alone);
    return one_of(str_make(s.p, (size_t)slash), regions);
}

int cron_zone(struct str name, int32_t *ret_offset_s, struct err *err)
{
    struct str rest = name;
    bool good = name.n > 0;
    for (size_t from = 0; good && from <= name.n;) {
        ptrdiff_t slash = str_find_byte(rest, '/');
        size_t n = slash < 0 ? rest.n : (size_t)slash;
        good = part_is_good(str_make(rest.p, n));
        from += n + 1;
        if (slash >= 0)
            rest = str_make(rest.p + n + 1, rest.n - n - 1);
    }
    if (good && fixed_zone(name, ret_offset_s))
        return 0;
    if (!good || !maybe_zone(name))
        return err_set(err, E_INVALID, "unknown time zone " STR_FMT, STR_ARG(name));
    return err_set(err, E_UNSUPPORTED, "the rules of time zone " STR_FMT " are not known here",
                   STR_ARG(name));
}
