/* Fair queues and the division of seats, without an API around them. */
#include "api/flow/queues.h"
#include "api/flow/schemas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void begin(struct flow_queues *q, unsigned seats, uint32_t queues, uint32_t hand, uint32_t length)
{
    flow_queues_init(q, 0);
    q->seats = seats;
    q->shape = (struct flow_shape){.queues = queues, .hand = hand, .length = length};
}

static void hands_hold_different_queues(void **state)
{
    (void)state;
    for (uint64_t flow = 1; flow < 2000; flow++) {
        uint32_t cards[8], again[8];
        flow_deal(flow * 0x9e3779b97f4a7c15u, 16, 8, cards);
        flow_deal(flow * 0x9e3779b97f4a7c15u, 16, 8, again);
        for (int i = 0; i < 8; i++) {
            assert_true(cards[i] < 16);
            assert_int_equal(cards[i], again[i]);
            assert_true(i == 0 || cards[i - 1] < cards[i]);
        }
    }
    uint32_t all[5];
    flow_deal(12345, 5, 5, all);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(all[i], i);
}

static void seats_bound_what_runs_and_queues_what_waits(void **state)
{
    struct flow_queues q;
    struct flow_ticket t[8];
    (void)state;
    begin(&q, 2, 1, 1, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(flow_queues_arrive(&q, &t[i], 7, 1, i), FLOW_RUNS);
    for (int i = 2; i < 5; i++)
        assert_int_equal(flow_queues_arrive(&q, &t[i], 7, 1, i), FLOW_WAITS);
    assert_int_equal(flow_queues_arrive(&q, &t[5], 7, 1, 5), FLOW_QUEUE_FULL);
    assert_null(flow_queues_next(&q, 6));
    assert_int_equal(flow_queues_demand(&q), 5);
    flow_queues_leave(&q, &t[0], 10);
    assert_ptr_equal(flow_queues_next(&q, 10), &t[2]); /* first come, first served, in one queue */
    assert_null(flow_queues_next(&q, 10));
    assert_ptr_equal(flow_queues_late(&q, 4), &t[3]);
    flow_queues_leave(&q, &t[3], 11); /* waits no longer */
    assert_null(flow_queues_late(&q, 4));
    flow_queues_leave(&q, &t[1], 12);
    assert_ptr_equal(flow_queues_next(&q, 12), &t[4]);
    flow_queues_leave(&q, &t[2], 13);
    flow_queues_leave(&q, &t[4], 13);
    flow_queues_leave(&q, &t[4], 13);
    assert_int_equal(q.used, 0);
    flow_queues_done(&q);
}

static void wide_requests_run_alone_and_closed_levels_run_nothing(void **state)
{
    struct flow_queues q;
    struct flow_ticket wide, small;
    (void)state;
    begin(&q, 4, 0, 0, 0);
    assert_int_equal(flow_queues_arrive(&q, &wide, 1, 10, 0), FLOW_RUNS);
    assert_int_equal(flow_queues_arrive(&q, &small, 1, 1, 0), FLOW_NO_SEAT);
    flow_queues_leave(&q, &wide, 1);
    q.seats = 0;
    assert_int_equal(flow_queues_arrive(&q, &small, 1, 1, 2), FLOW_NO_SEAT);
    q.shape.exempt = true;
    assert_int_equal(flow_queues_arrive(&q, &small, 1, 1, 2), FLOW_RUNS);
    flow_queues_leave(&q, &small, 3);
    flow_queues_done(&q);
}

/* Two flows in different queues: one floods, the other sends two. */
static void a_flood_does_not_starve_its_neighbour(void **state)
{
    enum { FLOOD = 40 };
    struct flow_queues q;
    struct flow_ticket first, flood[FLOOD], other[2];
    uint32_t own[1], its[1];
    uint64_t quiet = 0;
    (void)state;
    begin(&q, 1, 64, 1, 50);
    flow_deal(3, 64, 1, own);
    do
        flow_deal(++quiet, 64, 1, its);
    while (own[0] == its[0]);
    assert_int_equal(flow_queues_arrive(&q, &first, 3, 1, 0), FLOW_RUNS);
    for (int i = 0; i < FLOOD; i++)
        assert_int_equal(flow_queues_arrive(&q, &flood[i], 3, 1, 0), FLOW_WAITS);
    for (int i = 0; i < 2; i++)
        assert_int_equal(flow_queues_arrive(&q, &other[i], quiet, 1, 0), FLOW_WAITS);
    struct flow_ticket *running = &first;
    int64_t now = 0;
    int left = 2, served = 0;
    while (left) {
        flow_queues_leave(&q, running, now += 1000);
        running = flow_queues_next(&q, now);
        left -= running == &other[0] || running == &other[1];
        assert_true(++served <= 5);
    }
    while (running) {
        flow_queues_leave(&q, running, now += 1000);
        running = flow_queues_next(&q, now);
    }
    assert_int_equal(q.waiting + q.used, 0);
    flow_queues_done(&q);
}

static void seats_are_shared_by_shares_and_lent(void **state)
{
    struct flow_grade g[3] = {{.shares = 30, .lendable = 50, .borrowing = FLOW_NO_LIMIT},
                              {.shares = 10, .lendable = 0, .borrowing = 50},
                              {.shares = 0, .borrowing = FLOW_NO_LIMIT}};
    (void)state;
    flow_share_nominal(g, 3, 100);
    assert_int_equal(g[0].nominal, 75);
    assert_int_equal(g[0].least, 75 - 38);
    assert_int_equal(g[0].most, 100);
    assert_int_equal(g[1].nominal, 25);
    assert_int_equal(g[1].least, 25);
    assert_int_equal(g[1].most, 38);
    assert_int_equal(g[2].most, 0);
    struct flow_claim idle_and_busy[2] = {{.target = 1, .least = 37, .most = 100},
                                          {.target = 500, .least = 25, .most = 38}};
    flow_share_current(idle_and_busy, 2, 100);
    assert_int_equal((int)(idle_and_busy[1].ret_seats + 0.5), 38); /* as much as it may borrow */
    assert_true(idle_and_busy[0].ret_seats <= 62.001);
    struct flow_claim both[2] = {{.target = 300, .least = 10, .most = 100},
                                 {.target = 100, .least = 10, .most = 100}};
    flow_share_current(both, 2, 100);
    assert_int_equal((int)(both[0].ret_seats + 0.5), 75);
    assert_int_equal((int)(both[1].ret_seats + 0.5), 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_hold_different_queues),
        cmocka_unit_test(seats_bound_what_runs_and_queues_what_waits),
        cmocka_unit_test(wide_requests_run_alone_and_closed_levels_run_nothing),
        cmocka_unit_test(a_flood_does_not_starve_its_neighbour),
        cmocka_unit_test(seats_are_shared_by_shares_and_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
