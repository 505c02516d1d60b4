/* The machine: a program from the tree, and threads over it that advance character by character. */
#include "cel/regex_int.h"
#include "codec/utf8.h"

/* ---- program ---- */

struct emitter {
    struct arena *arena;
    struct regex_inst *program;
    uint32_t count, room;
    int rc;
};

static uint32_t emit(struct emitter *e, enum regex_op op)
{
    if (e->rc < 0)
        return 0;
    if (e->count == e->room) {
        uint32_t room = e->room ? e->room * 2 : 32;
        struct regex_inst *program = arena_alloc(e->arena, room * sizeof *program);
        if (!program || e->count >= REGEX_PROGRAM) {
            e->rc = program ? -E_LIMIT : -E_NOMEM;
            return 0;
        }
        if (e->count > 0)
            memcpy(program, e->program, e->count * sizeof *program);
        e->program = program;
        e->room = room;
    }
    e->program[e->count] = (struct regex_inst){.op = (uint8_t)op, .next = e->count + 1};
    return e->count++;
}

static void emit_node(struct emitter *e, const struct regex_node *n);

/* Where a split goes: into the part or behind it, the preferred first. */
static void aim(struct emitter *e, uint32_t split, uint32_t part, uint32_t behind, bool lazy)
{
    if (e->rc < 0)
        return;
    e->program[split].next = lazy ? behind : part;
    e->program[split].other = lazy ? part : behind;
}

static void emit_repeat(struct emitter *e, const struct regex_node *n)
{
    uint32_t splits = 0, split;
    for (int i = 0; i < n->min && e->rc == 0; i++)
        emit_node(e, n->first);
    if (n->max < 0) {
        split = emit(e, RE_SPLIT);
        emit_node(e, n->first);
        uint32_t jump = emit(e, RE_JUMP);
        aim(e, split, split + 1, e->count, n->lazy);
        if (e->rc == 0)
            e->program[jump].next = split;
        return;
    }
    /* (x(x(x)?)?)?: each split leads behind the whole. They are chained through `other`. */
    uint32_t chain = 0;
    for (int i = n->min; i < n->max && e->rc == 0; i++, splits++) {
        split = emit(e, RE_SPLIT);
        if (e->rc == 0)
            e->program[split].other = chain;
        chain = split;
        emit_node(e, n->first);
    }
    for (; splits > 0 && e->rc == 0; splits--) {
        split = chain;
        chain = e->program[split].other;
        aim(e, split, split + 1, e->count, n->lazy);
    }
}

static void emit_choice(struct emitter *e, const struct regex_node *n)
{
    uint32_t jumps = UINT32_MAX, jump;
    for (const struct regex_node *part = n->first; part; part = part->next) {
        uint32_t split = part->next ? emit(e, RE_SPLIT) : 0;
        emit_node(e, part);
        if (!part->next || e->rc < 0)
            break;
        jump = emit(e, RE_JUMP);
        if (e->rc < 0)
            return;
        e->program[jump].next = jumps;
        jumps = jump;
        e->program[split].other = e->count;
    }
    while (e->rc == 0 && jumps != UINT32_MAX) {
        jump = jumps;
        jumps = e->program[jump].next;
        e->program[jump].next = e->count;
    }
}

static void emit_node(struct emitter *e, const struct regex_node *n)
{
    uint32_t at;
    if (e->rc < 0)
        return;
    switch ((enum regex_node_kind)n->kind) {
    case NODE_EMPTY:
        break;
    case NODE_CLASS:
        at = emit(e, n->count == 1 && n->ranges->low == n->ranges->high ? RE_CHAR : RE_CLASS);
        if (e->rc < 0)
            return;
        e->program[at].low = n->count ? n->ranges->low : 0;
        e->program[at].ranges = n->ranges;
        e->program[at].count = n->count;
        break;
    case NODE_ASSERT:
        at = emit(e, RE_ASSERT);
        if (e->rc == 0)
            e->program[at].assertion = n->assertion;
        break;
    case NODE_CHAIN:
        for (const struct regex_node *part = n->first; part; part = part->next)
            emit_node(e, part);
        break;
    case NODE_CHOICE:
        emit_choice(e, n);
        break;
    case NODE_REPEAT:
        emit_repeat(e, n);
        break;
    }
}

int regex_compile(struct arena *a, struct str pattern, struct regex **ret, struct err *err)
{
    struct emitter e = {.arena = a};
    struct regex_node *root;
    struct regex *r = arena_alloc(a, sizeof *r);
    int rc = regex_parse(a, pattern, &root, err);
    if (rc < 0)
        return rc;
    emit_node(&e, root);
    emit(&e, RE_MATCH);
    if (!r || e.rc == -E_NOMEM)
        return err_set(err, E_NOMEM, "out of memory");
    if (e.rc < 0)
        return err_set(err, E_LIMIT, "error parsing regexp: expression too large");
    *r = (struct regex){e.program, e.count};
    *ret = r;
    return 0;
}

/* ---- threads ---- */

struct threads { /* a set that keeps the order of insertion, which is the order of preference */
    uint32_t *dense, *sparse;
    size_t *starts; /* by place in dense */
    uint32_t count;
};

struct machine {
    const struct regex *regex;
    struct str text;
    struct threads now, next;
    uint32_t *stack;
    uint64_t steps;
    size_t at;             /* of the current character */
    uint32_t before, here; /* characters around `at`; NONE at the ends */
};

enum { NONE = UINT32_MAX };

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool holds(const struct machine *m, enum regex_assertion assertion)
{
    switch (assertion) {
    case RE_BEGIN_TEXT:
        return m->at == 0;
    case RE_END_TEXT:
        return m->here == NONE;
    case RE_BEGIN_LINE:
        return m->at == 0 || m->before == '\n';
    case RE_END_LINE:
        return m->here == NONE || m->here == '\n';
    default:
        return (is_word(m->before) != is_word(m->here)) == (assertion == RE_WORD);
    }
}

static bool in_set(const struct threads *t, uint32_t pc)
{
    return t->sparse[pc] < t->count && t->dense[t->sparse[pc]] == pc;
}

/* Adds a thread and all it reaches without a character, the preferred first. */
static void add(struct machine *m, struct threads *t, uint32_t pc, size_t start)
{
    uint32_t depth = 0;
    m->stack[depth++] = pc;
    while (depth > 0) {
        pc = m->stack[--depth];
        const struct regex_inst *inst = &m->regex->program[pc];
        if (in_set(t, pc))
            continue;
        m->steps++;
        t->sparse[pc] = t->count;
        t->dense[t->count] = pc;
        t->starts[t->count++] = start;
        if (inst->op == RE_SPLIT) {
            m->stack[depth++] = inst->other;
            m->stack[depth++] = inst->next;
        } else if (inst->op == RE_JUMP ||
                   (inst->op == RE_ASSERT && holds(m, (enum regex_assertion)inst->assertion))) {
            m->stack[depth++] = inst->next;
        }
    }
}

static bool accepts(const struct regex_inst *inst, uint32_t c)
{
    uint32_t low = 0, high = inst->count;
    if (inst->op == RE_CHAR)
        return c == inst->low;
    if (inst->op != RE_CLASS)
        return false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c < inst->ranges[middle].low)
            high = middle;
        else if (c > inst->ranges[middle].high)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static uint32_t character(struct str s, size_t at, size_t *ret_length)
{
    size_t n = at < s.n ? utf8_length(s.p + at, s.n - at) : 0;
    *ret_length = n ? n : 1;
    if (at >= s.n)
        return NONE;
    unsigned char lead = (unsigned char)s.p[at];
    if (n == 0)
        return 0xfffd;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s.p[at + i] & 0x3f);
    return c;
}

/* Advances all threads by the character here. Those behind a match are less preferred: dropped. */
static void turn(struct machine *m, size_t length, struct regex_match *match)
{
    uint32_t c = m->here, before = m->before;
    size_t at = m->at, after;
    m->next.count = 0;
    for (uint32_t i = 0; i < m->now.count; i++) {
        const struct regex_inst *inst = &m->regex->program[m->now.dense[i]];
        m->steps++;
        if (inst->op == RE_MATCH) {
            match->found = true;
            match->start = m->now.starts[i];
            match->end = at;
            break;
        }
        if (c == NONE || !accepts(inst, c))
            continue;
        /* What follows is seen from behind the character. */
        m->at = at + length;
        m->before = c;
        m->here = character(m->text, m->at, &after);
        add(m, &m->next, inst->next, m->now.starts[i]);
        m->at = at;
        m->before = before;
        m->here = c;
    }
}

static int search(struct machine *m, bool any, uint64_t max_steps, struct regex_match *match)
{
    size_t length;
    m->here = character(m->text, m->at, &length);
    for (;;) {
        if (!match->found)
            add(m, &m->now, 0, m->at);
        turn(m, length, match);
        if ((match->found && (any || m->next.count == 0)) || m->here == NONE)
            break;
        if (m->steps > max_steps)
            return -E_LIMIT;
        struct threads swap = m->now;
        m->now = m->next;
        m->next = swap;
        m->at += length;
        m->before = m->here;
        m->here = character(m->text, m->at, &length);
    }
    match->steps = m->steps;
    return 0;
}

static void set_up(struct threads *t, char *memory, uint32_t n)
{
    t->starts = (void *)memory;
    t->dense = (void *)(memory + n * sizeof *t->starts);
    t->sparse = t->dense + n;
}

int regex_find(const struct regex *r, struct str text, size_t from, bool any, uint64_t max_steps,
               struct regex_match *ret)
{
    size_t one = r->count * (sizeof(size_t) + 2 * sizeof(uint32_t)), previous = from, length;
    CLEANUP_FREE char *memory = mem_zalloc(2 * one + (2 * r->count + 2) * sizeof(uint32_t));
    /* Setting up takes time too. */
    struct machine m = {
        .regex = r, .text = text, .at = from, .before = NONE, .steps = r->count / 8};
    struct regex_match match = {0};
    if (!memory)
        return -E_NOMEM;
    set_up(&m.now, memory, r->count);
    set_up(&m.next, memory + one, r->count);
    m.stack = (void *)(memory + 2 * one);
    while (previous > 0 && ((unsigned char)text.p[--previous] & 0xc0) == 0x80)
        ;
    if (from > 0)
        m.before = character(text, previous, &length);
    int rc = search(&m, any, max_steps, &match);
    if (rc == 0)
        *ret = match;
    return rc;
}
