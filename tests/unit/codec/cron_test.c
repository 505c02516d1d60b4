/* Schedules of CronJobs, and names of time zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/cron.h"
#include "codec/time.h"

static void next_times_are_found(void **state)
{
    static const struct {
        const char *schedule, *after, *next;
        int32_t offset;
    } cases[] = {
        {"* * * * *", "2026-11-23T18:00:00Z", "2026-11-23T18:01:00Z", 0},
        {"* * * * *", "2026-11-23T18:00:59.9Z", "2026-11-23T18:01:00Z", 0},
        {"*/15 * * * *", "2026-11-23T18:46:00Z", "2026-11-23T19:00:00Z", 0},
        {"5/20 * * * *", "2026-11-23T18:06:00Z", "2026-11-23T18:25:00Z", 0},
        {"30 4 1,15 * *", "2026-11-23T18:00:00Z", "2026-12-01T04:30:00Z", 0},
        {"0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z", 0},
        {"0 22 * * mon-FRI", "2026-11-27T22:00:00Z", "2026-11-30T22:00:00Z", 0},
        {"0 12 13 * 5", "2026-11-23T00:00:00Z", "2026-11-27T12:00:00Z", 0}, /* either */
        {"0 12 13 * ?", "2026-11-23T00:00:00Z", "2026-12-13T12:00:00Z", 0},
        {"0 12 */13 * 5", "2026-11-23T00:00:00Z", "2026-11-27T12:00:00Z", 0},
        {"@yearly", "2026-11-23T00:00:00Z", "2027-01-01T00:00:00Z", 0},
        {"@weekly", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z", 0},
        {"@hourly", "2026-11-23T00:00:00Z", "2026-11-23T01:00:00Z", 0},
        {"@every 1h30m", "2026-11-23T00:00:00.5Z", "2026-11-23T01:30:00Z", 0},
        {"0 9 * * *", "2026-11-23T00:00:00Z", "2026-11-23T07:00:00Z", 7200},
        {"0 1 * * *", "2026-11-23T00:00:00Z", "2026-11-23T23:00:00Z", 7200},
        {"TZ=Etc/GMT-3 0 9 * * *", "2026-11-23T00:00:00Z", "2026-11-23T06:00:00Z", 7200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cron c;
        int64_t after, next;
        char text[TIME_TEXT];
        assert_int_equal(cron_parse(str_of(cases[i].schedule), &c, NULL), 0);
        assert_int_equal(time_parse(str_of(cases[i].after), &after, NULL), 0);
        assert_int_equal(cron_next(&c, after, cases[i].offset, &next), 0);
        time_format(next, text);
        if (strcmp(text, cases[i].next) != 0)
            fail_msg("%s after %s is %s", cases[i].schedule, cases[i].after, text);
    }
}

static void what_never_comes_is_not_found(void **state)
{
    static const char *const never[] = {"0 0 30 2 *", "0 0 31 4,6 *", ", * * * *"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct cron c;
        int64_t next;
        assert_int_equal(cron_parse(str_of(never[i]), &c, NULL), 0);
        assert_int_equal(cron_next(&c, 0, 0, &next), -E_NOT_FOUND);
    }
}

static void mistakes_are_told_as_upstream_does(void **state)
{
    static const char *const cases[][2] = {
        {"", "empty spec string"},
        {"a b c", "expected exactly 5 fields, found 3: [a b c]"},
        {"* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"},
        {"60 * * * *", "end of range (60) above maximum (59): 60"},
        {"* * 0 * *", "beginning of range (0) below minimum (1): 0"},
        {"9-3 * * * *", "beginning of range (9) beyond end of range (3): 9-3"},
        {"1-2-3 * * * *", "too many hyphens: 1-2-3"},
        {"*/2/3 * * * *", "too many slashes: */2/3"},
        {"*/0 * * * *", "step of range should be a positive number: */0"},
        {"x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"},
        {"99999999999999999999 * * * *",
         "failed to parse int from 99999999999999999999: strconv.Atoi: parsing "
         "\"99999999999999999999\": value out of range"},
        {"*/-1 * * * *", "negative number (-1) not allowed: -1"},
        {"* * * * 7", "end of range (7) above maximum (6): 7"},
        {"@sometimes", "unrecognized descriptor: @sometimes"},
        {"@every day", "failed to parse duration @every day: time: invalid duration \"day\""},
        {"TZ=Nowhere/X 0 * * * *", "provided bad location Nowhere/X: unknown time zone Nowhere/X"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cron c;
        struct err err;
        assert_int_equal(cron_parse(str_of(cases[i][0]), &c, &err), -E_INVALID);
        assert_string_equal(err.text, cases[i][1]);
    }
}

static void zones_are_known_possible_or_not_there(void **state)
{
    static const struct {
        const char *name;
        int rc;
        int32_t offset;
    } cases[] = {
        {"UTC", 0, 0},
        {"Etc/UTC", 0, 0},
        {"Etc/GMT+12", 0, -43200},
        {"Etc/GMT-14", 0, 50400},
        {"Etc/GMT-15", -E_INVALID, 0},
        {"GMT+3", -E_INVALID, 0},
        {"Europe/Berlin", -E_UNSUPPORTED, 0},
        {"America/Argentina/Ushuaia", -E_UNSUPPORTED, 0},
        {"CET", -E_UNSUPPORTED, 0},
        {"", -E_INVALID, 0},
        {"Europe/", -E_INVALID, 0},
        {"Europe//Berlin", -E_INVALID, 0},
        {"../Europe", -E_INVALID, 0},
        {"Europe/-x", -E_INVALID, 0},
        {"Europe/AnExtraordinarilyLongName", -E_INVALID, 0},
        {"Mars/Olympus", -E_INVALID, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t offset = 0;
        struct err err;
        if (cron_zone(str_of(cases[i].name), &offset, &err) != cases[i].rc)
            fail_msg("%s: %s", cases[i].name, err.text);
        assert_int_equal(offset, cases[i].offset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_times_are_found),
        cmocka_unit_test(what_never_comes_is_not_found),
        cmocka_unit_test(mistakes_are_told_as_upstream_does),
        cmocka_unit_test(zones_are_known_possible_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
