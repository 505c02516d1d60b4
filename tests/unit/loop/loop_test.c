/* Timers in order, tasks once, no event for what was removed. Runs on a clock of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "loop/loop.h"

struct fake {
    int64_t now_ns;
    struct poll_event ready[8];
    int ready_count;
};

static int64_t fake_now(void *ctx)
{
    return ((struct fake *)ctx)->now_ns;
}

static int fake_set(void *ctx, int fd, unsigned events, void *tag)
{
    (void)ctx;
    (void)fd;
    (void)events;
    (void)tag;
    return 0;
}

static int fake_wait(void *ctx, int timeout_ms, struct poll_event *ret, int max)
{
    struct fake *f = ctx;
    int n = f->ready_count;
    (void)max;
    for (int i = 0; i < n; i++)
        ret[i] = f->ready[i];
    f->ready_count = 0;
    if (n == 0 && timeout_ms > 0)
        f->now_ns += (int64_t)timeout_ms * 1000000;
    return n;
}

static void fake_close(void *ctx)
{
    (void)ctx;
}

static const struct poll_ops fake_ops = {fake_now, fake_now, fake_set, fake_wait, fake_close};

struct alarm {
    struct loop_timer timer;
    struct loop *loop;
    int64_t due_ms, fired_ms;
    int64_t *last;
};

static void ring(void *ctx)
{
    struct alarm *a = ctx;
    a->fired_ms = loop_now_ms(a->loop);
    assert_true(a->due_ms >= *a->last);
    *a->last = a->due_ms;
}

static void timers_fire_in_order_and_only_when_due(void **state)
{
    enum { N = 500 };
    static struct alarm alarms[N];
    struct fake f = {0};
    struct loop *l;
    struct prng r;
    int64_t last = 0;
    (void)state;
    prng_init(&r, 11);
    assert_int_equal(loop_new((struct poll){&fake_ops, &f}, &l), 0);
    for (int i = 0; i < N; i++) {
        alarms[i] = (struct alarm){.loop = l, .last = &last, .fired_ms = -1};
        loop_timer_init(&alarms[i].timer, ring, &alarms[i]);
        for (int again = 0; again < 2; again++) { /* re-armed once */
            alarms[i].due_ms = (int64_t)prng_below(&r, 1000) + 1;
            loop_timer_set(l, &alarms[i].timer, alarms[i].due_ms);
        }
    }
    for (int i = 0; i < N; i += 7)
        loop_timer_cancel(l, &alarms[i].timer);
    for (int turn = 0; turn < 3000; turn++)
        assert_int_equal(loop_turn(l, 1), 0);
    for (int i = 0; i < N; i++) {
        assert_false(loop_timer_armed(&alarms[i].timer));
        if (i % 7 == 0)
            assert_int_equal(alarms[i].fired_ms, -1);
        else
            assert_true(alarms[i].fired_ms >= alarms[i].due_ms);
    }
    loop_free(l);
}

struct pair {
    struct loop_fd a, b;
    struct loop *loop;
    int calls;
};

static void remove_other(void *ctx, unsigned events)
{
    struct pair *p = ctx;
    (void)events;
    p->calls++;
    loop_fd_remove(p->loop, &p->a);
    loop_fd_remove(p->loop, &p->b);
}

static void no_event_reaches_what_was_removed(void **state)
{
    struct fake f = {0};
    struct pair p = {0};
    (void)state;
    assert_int_equal(loop_new((struct poll){&fake_ops, &f}, &p.loop), 0);
    loop_fd_init(&p.a, remove_other, &p);
    loop_fd_init(&p.b, remove_other, &p);
    assert_int_equal(loop_fd_add(p.loop, &p.a, 3, POLL_IN), 0);
    assert_int_equal(loop_fd_add(p.loop, &p.b, 4, POLL_IN), 0);
    f.ready[0] = (struct poll_event){&p.a, POLL_IN};
    f.ready[1] = (struct poll_event){&p.b, POLL_IN};
    f.ready_count = 2;
    assert_int_equal(loop_turn(p.loop, 0), 0);
    assert_int_equal(p.calls, 1);
    loop_free(p.loop);
}

static int task_runs;

static void count_task(void *ctx)
{
    (void)ctx;
    task_runs++;
}

static void a_task_queued_twice_runs_once(void **state)
{
    struct fake f = {0};
    struct loop *l;
    struct loop_task t, cancelled;
    (void)state;
    assert_int_equal(loop_new((struct poll){&fake_ops, &f}, &l), 0);
    loop_task_init(&t, count_task, NULL);
    loop_task_init(&cancelled, count_task, NULL);
    loop_defer(l, &t);
    loop_defer(l, &t);
    loop_defer(l, &cancelled);
    loop_task_cancel(&cancelled);
    assert_int_equal(loop_turn(l, 0), 0);
    assert_int_equal(task_runs, 1);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_only_when_due),
        cmocka_unit_test(no_event_reaches_what_was_removed),
        cmocka_unit_test(a_task_queued_twice_runs_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
