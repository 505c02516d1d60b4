/* Counters, gauges and histograms as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"

static const char *const labels[] = {"code", "path", NULL};
static const double bounds[] = {0.1, 1, 0};
static const struct metric_spec counter = {"hits_total", "Hits.", METRIC_COUNTER, labels, NULL},
                                gauge = {"now", "Now.", METRIC_GAUGE, NULL, NULL},
                                histogram = {"took_seconds", "Took.", METRIC_HISTOGRAM, NULL, bounds};

static void expect_text(const struct metrics *m, const char *text)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, 1 << 20);
    metrics_write(m, &b);
    assert_string_equal(buf_cstr(&b), text);
}

static void text_is_that_of_prometheus(void **state)
{
    (void)state;
    struct metrics *m;
    assert_int_equal(metrics_new(&m), 0);
    struct metric *hits = metrics_add(m, &counter), *now = metrics_add(m, &gauge),
                  *took = metrics_add(m, &histogram);
    expect_text(m, "");
    struct str a[] = {STR("200"), STR("/a\"b\\c\nd")}, b[] = {STR("404"), STR("")};
    metric_add(hits, a, 1);
    metric_add(hits, b, 2);
    metric_add(hits, a, 1);
    metric_set(now, NULL, -1.5);
    metric_observe(took, NULL, 0.05);
    metric_observe(took, NULL, 0.1);
    metric_observe(took, NULL, 7);
    expect_text(m, "# HELP hits_total Hits.\n# TYPE hits_total counter\n"
                   "hits_total{code=\"200\",path=\"/a\\\"b\\\\c\\nd\"} 2\n"
                   "hits_total{code=\"404\",path=\"\"} 2\n"
                   "# HELP now Now.\n# TYPE now gauge\nnow -1.5\n"
                   "# HELP took_seconds Took.\n# TYPE took_seconds histogram\n"
                   "took_seconds_bucket{le=\"0.1\"} 2\n"
                   "took_seconds_bucket{le=\"1\"} 2\n"
                   "took_seconds_bucket{le=\"+Inf\"} 3\n"
                   "took_seconds_sum 7.15\ntook_seconds_count 3\n");
    metric_clear(hits);
    metric_clear(took);
    expect_text(m, "# HELP now Now.\n# TYPE now gauge\nnow -1.5\n");
    metrics_free(m);
    assert_int_equal(mem_live_count(), 0);
}

static void clients_cannot_make_any_number_of_series(void **state)
{
    (void)state;
    struct metrics *m;
    struct buf b CLEANUP_BUF;
    char path[2000], code[16];
    size_t lines = 0;
    buf_init(&b, 16 << 20);
    assert_int_equal(metrics_new(&m), 0);
    struct metric *hits = metrics_add(m, &counter);
    for (int i = 0; i < METRIC_SERIES + 100; i++) {
        snprintf(code, sizeof code, "%d", i);
        struct str values[] = {str_of(code), STR("")};
        metric_add(hits, values, 1);
    }
    memset(path, 'x', sizeof path);
    struct str far[] = {STR("1"), str_make(path, sizeof path)};
    metric_add(hits, far, 1);
    metrics_write(m, &b);
    for (const char *p = buf_cstr(&b); *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, METRIC_SERIES + 2);
    metrics_free(m);
}

static void nothing_happens_without_memory(void **state)
{
    (void)state;
    struct metrics *m;
    struct str values[] = {STR("1"), STR("2")};
    for (uint64_t n = 1; n < 12; n++) {
        mem_fail_nth(n);
        if (metrics_new(&m) == 0) {
            metric_add(metrics_add(m, &counter), values, 1);
            metrics_free(m);
        }
        mem_fail_nth(0);
        assert_int_equal(mem_live_count(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_that_of_prometheus),
        cmocka_unit_test(clients_cannot_make_any_number_of_series),
        cmocka_unit_test(nothing_happens_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
