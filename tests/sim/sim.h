/* One simulated cluster, shared by the files of the simulator; see cluster_sim.c. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "base/prng.h"
#include "history.h"
#include "store/store_int.h" /* for the report of a failure */
#include "tests/unit/store/sim_disk.h"

enum { NODES_MAX = 7, CLIENTS = 10, NONE = -1 };
#define MS 1000000ll
#define SECOND (1000 * MS)

struct sim;

struct message {
    struct message *next;
    int64_t due_ns;
    uint64_t from;
    int to;
    size_t size;
    char bytes[];
};

/* From one node to another: in order, or lost. */
struct pipe {
    struct message *first, *last;
    int64_t last_due_ns;
    bool cut;
};

struct node {
    struct sim *sim;
    int number;
    struct sim_disk *disk;
    struct loop *loop;
    struct store *store; /* NULL: down */
    struct store_watch *watch, *late; /* from its opening; from some revision in the past */
    int64_t late_told;
    uint64_t id; /* 0: not known yet */
    bool joins, fatal, fresh;
    bool full, flipped; /* its disk is almost full; a bit of it changed since it was last open */
    struct raft_hard promised; /* what was durable when it was last open */
    uint64_t persisted;
    int64_t told_revision; /* by its watch */
    int64_t wake_ns, up_at_ns, paused_to_ns, slow_ns;
    int64_t read_floor; /* of reads from here since it was opened */
    uint64_t opened;
    char fatal_text[256];
};

struct client {
    struct sim *sim;
    struct node *node;
    int64_t due_ns;
    bool busy;
    struct history_op op;
    int64_t seen[HISTORY_KEYS]; /* modification revision last read */
};

struct sim {
    uint64_t seed;
    struct prng prng;
    int64_t now_ns;
    int node_count;
    bool faults, trace, lossy;
    int storm; /* faults follow one another the more quickly */
    struct node nodes[NODES_MAX];
    struct pipe pipes[NODES_MAX][NODES_MAX];
    struct client clients[CLIENTS];
    struct log *history;
    uint64_t value;
    int64_t fault_due_ns, admin_due_ns;
    bool changing;
    uint64_t messages, crashes, wiped, flipped;
    char failure[512];
};

/* ---- the seed, the story (nodes.c) ---- */
uint64_t below(struct sim *s, uint64_t bound);
bool chance(struct sim *s, uint64_t one_in);
void trace(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct poll_ops sim_clock_ops; /* of a struct node */

/* ---- replicas, their clocks, disks and network (nodes.c) ---- */
struct node *node_of(struct sim *s, uint64_t id);
void pipe_clear(struct pipe *p);
void node_open(struct node *n);
void node_down(struct node *n, bool power);
void node_wipe(struct node *n);
void node_turn(struct node *n);
void key_text(int key, char text[8]);
uint64_t number_of(struct store_value *v);

/* ---- clients and the administrator, who wants every node a voter (clients.c) ---- */
void client_act(struct client *c);
struct node *leader_of(struct sim *s);
bool all_well(struct sim *s);
void admin_act(struct sim *s);

/* ---- what goes wrong (faults.c) ---- */
void cut_all(struct sim *s, bool cut);
void fault(struct sim *s);
void heal(struct sim *s);

#endif
