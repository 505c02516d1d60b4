/* The log's files by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "sim_disk.h"
#include "store/journal.h"

enum { SEGMENT = 12 * 1024, LOG_ID = 7 };

static int count_entry(void *ctx, const struct raft_entry *head, struct str bytes)
{
    uint64_t *sum = ctx;
    *sum += head->index * 1000000 + bytes.n;
    return 0;
}

static void append(struct journal *j, uint64_t index, size_t size)
{
    struct raft_entry *e;
    struct err err = {0};
    assert_int_equal(raft_entry_new(RAFT_ENTRY_COMMAND, size, &e), 0);
    memset(e->bytes, 'x', size);
    e->index = index;
    e->term = 1;
    assert_int_equal(journal_append(j, &e, 1, &err), 0);
    raft_entry_unref(e);
}

static void reopen(struct journal *j, struct disk *d, bool fresh, uint64_t *ret_sum)
{
    struct err err = {0};
    *ret_sum = 0;
    int rc = journal_open(j, d, LOG_ID, SEGMENT, 0, fresh, count_entry, ret_sum, &err);
    if (rc)
        fail_msg("%s", err.text);
}

/* A replica that was sent much at once writes it as one record, perhaps larger than a file. */
static void an_empty_log_file_takes_a_record_of_any_size(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct disk d = sim_disk_port(disk);
    struct journal j;
    struct err err = {0};
    uint64_t sum;
    reopen(&j, &d, true, &sum);
    journal_close(&j);
    reopen(&j, &d, false, &sum);
    append(&j, 1, 40 * 1024);
    assert_int_equal(journal_trim(&j, 0, &err), 0); /* nothing of it is covered yet */
    append(&j, 2, 100);
    journal_close(&j);
    reopen(&j, &d, false, &sum);
    assert_int_equal(sum, 3 * 1000000 + 40 * 1024 + 100);
    journal_close(&j);
    sim_disk_free(disk);
}

/* A later record replaces entries from its first on; whoever reads them back is told all, in order. */
static void replaced_entries_are_told_in_the_order_written(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct disk d = sim_disk_port(disk);
    struct journal j;
    uint64_t sum;
    reopen(&j, &d, true, &sum);
    for (uint64_t i = 1; i <= 4; i++)
        append(&j, i, 10);
    append(&j, 3, 20);
    journal_close(&j);
    reopen(&j, &d, false, &sum);
    assert_int_equal(sum, (1 + 2 + 3 + 4 + 3) * 1000000 + 4 * 10 + 20);
    assert_int_equal(j.last_index, 3);
    journal_close(&j);
    sim_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_file_takes_a_record_of_any_size),
        cmocka_unit_test(replaced_entries_are_told_in_the_order_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
