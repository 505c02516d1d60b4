/* Membership and leadership transfer as transcripts: one node's core, the others played by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "raft/raft.h"

static struct raft_actions acts;

static int do_step(struct raft *r, struct raft_event e)
{
    return raft_step(r, &e, &acts);
}

static void persist_all(struct raft *r)
{
    uint64_t last = raft_last_index(r);
    assert_int_equal(do_step(r, (struct raft_event){.kind = RAFT_PERSISTED,
                                                    .hard = r->hard,
                                                    .index = last,
                                                    .term = raft_term_at(r, last)}),
                     0);
}

static void start(struct raft *r, struct raft_members m)
{
    struct raft_config c = {.id = 1, .members = m, .seed = 1};
    assert_int_equal(raft_init(r, &c), 0);
    assert_int_equal(do_step(r, (struct raft_event){.kind = RAFT_START}), 0);
}

static void receive(struct raft *r, struct raft_message m)
{
    m.to = r->id;
    assert_int_equal(do_step(r, (struct raft_event){.kind = RAFT_RECEIVE, .message = &m}), 0);
}

/* A peer has everything up to index. */
static void answer(struct raft *r, uint64_t from, uint64_t index)
{
    receive(r, (struct raft_message){.kind = RAFT_APPEND_REPLY, .from = from, .term = r->hard.term,
                                     .log_index = index, .ok = true});
}

static int change(struct raft *r, struct raft_members m)
{
    return do_step(r, (struct raft_event){.kind = RAFT_CHANGE, .members = &m});
}

static void lead_alone(struct raft *r)
{
    start(r, (struct raft_members){1, {{.id = 1}}});
    persist_all(r);
    persist_all(r);
    assert_int_equal(r->role, RAFT_LEADER);
    assert_int_equal(r->commit, 1);
}

/* Leader of three, all of them up to date. */
static void lead_three(struct raft *r)
{
    lead_alone(r);
    assert_int_equal(change(r, (struct raft_members){2, {{.id = 1}, {.id = 2, .learner = true}}}), 0);
    persist_all(r);
    answer(r, 2, 2);
    assert_int_equal(change(r, (struct raft_members){2, {{.id = 1}, {.id = 2}}}), 0);
    persist_all(r);
    answer(r, 2, 3);
    assert_int_equal(r->commit, 3);
    assert_int_equal(change(r, (struct raft_members){3, {{.id = 1}, {.id = 2}, {.id = 3, .learner = true}}}),
                     0);
    persist_all(r);
    answer(r, 2, 4);
    answer(r, 3, 4);
    assert_int_equal(change(r, (struct raft_members){3, {{.id = 1}, {.id = 2}, {.id = 3}}}), 0);
    persist_all(r);
    answer(r, 2, 5);
    answer(r, 3, 5);
    assert_int_equal(r->commit, 5);
}

static void members_are_read_as_written(void **state)
{
    (void)state;
    char bytes[RAFT_MEMBERS_SIZE_MAX];
    struct raft_members got, m = {2, {{.id = 9, .address = "10.0.0.1:2380"}, {.id = 7, .learner = true}}};
    size_t n = raft_members_encode(&m, bytes);
    assert_int_equal(raft_members_decode(bytes, n, &got), 0);
    assert_memory_equal(&got, &m, sizeof(m));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(raft_members_decode(bytes, i, &got), -E_CORRUPT);
    m.at[1].id = 9; /* twice */
    n = raft_members_encode(&m, bytes);
    assert_int_equal(raft_members_decode(bytes, n, &got), -E_CORRUPT);
    struct raft_members many = {.count = 8};
    for (uint32_t i = 0; i < many.count; i++)
        many.at[i].id = i + 1;
    n = raft_members_encode(&many, bytes);
    assert_int_equal(raft_members_decode(bytes, n, &got), -E_CORRUPT); /* eight voters */
    many.at[7].learner = true;
    n = raft_members_encode(&many, bytes);
    assert_int_equal(raft_members_decode(bytes, n, &got), 0);
}

static void a_learner_counts_for_nothing(void **state)
{
    (void)state;
    struct raft r;
    lead_alone(&r);
    assert_int_equal(change(&r, (struct raft_members){2, {{.id = 1}, {.id = 2, .learner = true}}}), 0);
    assert_int_equal(r.commit, 1);
    answer(&r, 2, 2); /* it has it, but that decides nothing */
    assert_int_equal(r.commit, 1);
    persist_all(&r);
    assert_int_equal(r.commit, 2);
    raft_done(&r);
}

static void one_change_at_a_time(void **state)
{
    (void)state;
    struct raft r;
    lead_alone(&r);
    struct raft_members two = {2, {{.id = 1}, {.id = 2, .learner = true}}};
    assert_int_equal(change(&r, (struct raft_members){1, {{.id = 1}}}), -E_BAD_REQUEST);
    assert_int_equal(change(&r, (struct raft_members){3, {{.id = 1}, {.id = 2, .learner = true},
                                                          {.id = 3, .learner = true}}}),
                     -E_BAD_REQUEST);
    assert_int_equal(change(&r, (struct raft_members){1, {{.id = 2}}}), -E_BAD_REQUEST);
    assert_int_equal(change(&r, (struct raft_members){2, {{.id = 1}, {.id = 2}}}), -E_CONFLICT);
    assert_int_equal(change(&r, two), 0);
    two.at[1].learner = false;
    assert_int_equal(change(&r, two), -E_BUSY); /* the first is not committed */
    persist_all(&r);
    assert_int_equal(change(&r, two), 0); /* caught up: within the window */
    raft_done(&r);
}

static void a_truncated_change_is_undone(void **state)
{
    (void)state;
    struct raft r;
    lead_three(&r);
    assert_int_equal(change(&r, (struct raft_members){2, {{.id = 1}, {.id = 2}}}), 0);
    assert_int_equal(r.members.count, 2);
    struct raft_entry *e;
    assert_int_equal(raft_entry_new(RAFT_ENTRY_NOOP, 0, &e), 0);
    e->index = 6;
    e->term = 2;
    receive(&r, (struct raft_message){.kind = RAFT_APPEND, .from = 3, .term = 2, .log_index = 5,
                                      .log_term = 1, .entry_count = 1, .entries = {e}});
    raft_entry_unref(e);
    assert_int_equal(r.role, RAFT_FOLLOWER);
    assert_int_equal(r.members.count, 3);
    assert_int_equal(r.peer_count, 2);
    raft_done(&r);
}

static void a_leader_that_removes_itself_leads_until_that_is_committed(void **state)
{
    (void)state;
    struct raft r;
    lead_three(&r);
    assert_int_equal(change(&r, (struct raft_members){2, {{.id = 2}, {.id = 3}}}), 0);
    persist_all(&r);
    answer(&r, 2, 6); /* its own copy counts no more */
    assert_int_equal(r.commit, 5);
    assert_int_equal(r.role, RAFT_LEADER);
    answer(&r, 3, 6);
    assert_int_equal(r.commit, 6);
    assert_int_equal(r.role, RAFT_FOLLOWER);
    for (int i = 0; i < 100; i++) /* and is content with that */
        assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TICK}), 0);
    assert_int_equal(r.role, RAFT_FOLLOWER);
    raft_done(&r);
}

static void who_removed_itself_campaigns_while_that_is_not_committed(void **state)
{
    (void)state;
    struct raft r;
    lead_three(&r);
    assert_int_equal(change(&r, (struct raft_members){2, {{.id = 2}, {.id = 3}}}), 0);
    persist_all(&r);
    for (int i = 0; i < 100 && r.role != RAFT_PRE_CANDIDATE; i++) /* nobody answers */
        assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TICK}), 0);
    assert_int_equal(r.role, RAFT_PRE_CANDIDATE);
    raft_done(&r);
}

static void leadership_is_handed_over_to_who_has_everything(void **state)
{
    (void)state;
    struct raft r;
    lead_three(&r);
    struct raft_entry *e;
    assert_int_equal(raft_entry_new(RAFT_ENTRY_COMMAND, 0, &e), 0);
    struct raft_event propose = {.kind = RAFT_PROPOSE, .entries = &e, .entry_count = 1};
    assert_int_equal(do_step(&r, propose), 0);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 9}), -E_BAD_REQUEST);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TRANSFER, .peer = 3}), 0);
    for (uint32_t i = 0; i < acts.message_count; i++)
        assert_int_not_equal(acts.messages[i].kind, RAFT_TIMEOUT_NOW);
    assert_int_equal(do_step(&r, propose), -E_BUSY);
    answer(&r, 3, 6);
    bool told = false;
    for (uint32_t i = 0; i < acts.message_count; i++)
        told = told || (acts.messages[i].kind == RAFT_TIMEOUT_NOW && acts.messages[i].to == 3);
    assert_true(told);
    for (uint32_t i = 0; i < r.election_ticks; i++) /* nothing comes of it */
        assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TICK}), 0);
    raft_entry_unref(e);
    assert_int_equal(r.transfer_to, 0);
    raft_done(&r);
}

static void timeout_now_campaigns_at_once(void **state)
{
    (void)state;
    struct raft r;
    start(&r, (struct raft_members){3, {{.id = 1}, {.id = 2}, {.id = 3}}});
    receive(&r, (struct raft_message){.kind = RAFT_APPEND, .from = 2, .term = 4});
    receive(&r, (struct raft_message){.kind = RAFT_TIMEOUT_NOW, .from = 2, .term = 4});
    assert_int_equal(r.role, RAFT_CANDIDATE);
    assert_int_equal(r.hard.term, 5);
    assert_int_equal(acts.message_count, 2);
    assert_true(acts.messages[0].kind == RAFT_VOTE && acts.messages[0].forced);
    assert_false(acts.messages[0].early);
    raft_done(&r);
}

static void who_waits_to_be_added_only_follows(void **state)
{
    (void)state;
    struct raft r;
    start(&r, (struct raft_members){0});
    for (int i = 0; i < 100; i++)
        assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TICK}), 0);
    assert_int_equal(r.role, RAFT_FOLLOWER);
    receive(&r, (struct raft_message){.kind = RAFT_VOTE, .from = 2, .term = 3});
    assert_int_equal(acts.message_count, 1);
    assert_true(acts.messages[0].kind == RAFT_VOTE_REPLY && acts.messages[0].ok);
    /* A vote is a promise: it leaves behind its own durability. */
    assert_true(acts.persist_hard && !acts.messages[0].early);
    assert_int_equal(acts.hard.term, 3);
    assert_int_equal(acts.hard.vote, 2);
    raft_done(&r);
}

/* A peer that is behind what is in memory is streamed to, and hears heartbeats meanwhile. */
static void one_stream_at_a_time(void **state)
{
    (void)state;
    struct raft r;
    lead_alone(&r);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_COMPACT, .compact_index = 1}), 0);
    assert_int_equal(change(&r, (struct raft_members){2, {{.id = 1}, {.id = 2, .learner = true}}}), 0);
    receive(&r, (struct raft_message){.kind = RAFT_APPEND_REPLY, .from = 2, .term = 1});
    assert_int_equal(acts.message_count, 1);
    assert_int_equal(acts.messages[0].kind, RAFT_SNAPSHOT);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TICK}), 0);
    assert_int_equal(acts.message_count, 1);
    assert_int_equal(acts.messages[0].kind, RAFT_APPEND);
    assert_int_equal(acts.messages[0].entry_count, 0);
    struct raft_event sent = {.kind = RAFT_SNAPSHOT_SENT, .peer = 2, .index = 1, .sent_ok = true};
    assert_int_equal(do_step(&r, sent), 0);
    assert_int_equal(acts.messages[0].kind, RAFT_APPEND);
    assert_int_equal(acts.messages[0].log_index, 1);
    assert_int_equal(acts.messages[0].entry_count, 1);
    raft_done(&r);
}

static void nonsense_from_a_peer_changes_nothing(void **state)
{
    (void)state;
    struct raft r;
    lead_three(&r);
    struct raft before = r;
    struct raft_entry *e;
    assert_int_equal(raft_entry_new(RAFT_ENTRY_MEMBERS, 3, &e), 0);
    memset(e->bytes, 0xff, 3);
    e->index = 6;
    e->term = 2;
    struct raft_message append = {.kind = RAFT_APPEND, .from = 2, .term = 2, .log_index = 5,
                                  .log_term = 1, .entry_count = 1, .entries = {e}};
    receive(&r, append); /* members that do not decode */
    e->kind = RAFT_ENTRY_NOOP;
    e->index = 7;
    receive(&r, append); /* a gap */
    e->index = 5;
    append.log_index = 4;
    receive(&r, append); /* replaces what is committed */
    e->index = 6;
    e->term = 3;
    append.log_index = 5;
    receive(&r, append); /* an entry of a later term than its leader's */
    append.entry_count = 0;
    append.term = 1;
    receive(&r, append); /* another leader in our own term */
    append.log_index = UINT64_MAX;
    append.term = 2;
    receive(&r, append);
    receive(&r, (struct raft_message){.kind = RAFT_SNAPSHOT, .from = 2, .term = 2, .log_index = 9});
    raft_entry_unref(e);
    assert_int_equal(r.role, RAFT_LEADER);
    assert_int_equal(raft_last_index(&r), raft_last_index(&before));
    assert_int_equal(r.hard.term, before.hard.term);
    assert_int_equal(r.commit, before.commit);
    raft_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_as_written),
        cmocka_unit_test(a_learner_counts_for_nothing),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(a_truncated_change_is_undone),
        cmocka_unit_test(a_leader_that_removes_itself_leads_until_that_is_committed),
        cmocka_unit_test(who_removed_itself_campaigns_while_that_is_not_committed),
        cmocka_unit_test(leadership_is_handed_over_to_who_has_everything),
        cmocka_unit_test(timeout_now_campaigns_at_once),
        cmocka_unit_test(who_waits_to_be_added_only_follows),
        cmocka_unit_test(one_stream_at_a_time),
        cmocka_unit_test(nonsense_from_a_peer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
