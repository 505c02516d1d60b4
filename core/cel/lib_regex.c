/* matches, find, findAll. An expression that is a literal was compiled with the program. */
#include "cel/cel_int.h"
#include "cel/regex.h"

enum { MAX_STEPS = 40 * 1000 * 1000, SCRATCH = 8 << 20 };

struct pattern {
    const struct regex *regex;
    struct arena scratch;
};

static int pattern_open(struct cel_call *call, struct str text, struct pattern *p)
{
    struct regex *r;
    arena_init(&p->scratch, SCRATCH);
    p->regex = call->expr->prepared;
    if (p->regex)
        return 0;
    int rc = regex_compile(&p->scratch, text, &r, call->err);
    if (rc == -E_SYNTAX || rc == -E_LIMIT)
        rc = call->err ? (call->err->code = E_INVALID, -E_INVALID) : -E_INVALID;
    p->regex = r;
    return rc;
}

static int next_match(struct cel_call *call, const struct pattern *p, struct str text, size_t from,
                      bool any, struct regex_match *ret)
{
    int rc = regex_find(p->regex, text, from, any, MAX_STEPS, ret);
    if (rc == -E_LIMIT)
        return cel_over_limit(call->err);
    return rc < 0 ? rc : cel_work(call->run, ret->steps / 4, call->err);
}

static int matches(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    struct pattern p;
    struct regex_match match = {0};
    (void)count;
    int rc = pattern_open(call, args[1].string, &p);
    if (rc == 0)
        rc = next_match(call, &p, args[0].string, 0, true, &match);
    arena_done(&p.scratch);
    *ret = cel_of_bool(match.found);
    return rc;
}

static int find(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    struct pattern p;
    struct regex_match match = {0};
    (void)count;
    int rc = pattern_open(call, args[1].string, &p);
    if (rc == 0)
        rc = next_match(call, &p, args[0].string, 0, false, &match);
    arena_done(&p.scratch);
    *ret = cel_of_str(str_make(args[0].string.p + match.start, match.end - match.start));
    return rc;
}

/* Matches one behind the other; an empty one right behind another does not count, as in Go. */
static int collect(struct cel_call *call, const struct pattern *p, struct str text, int64_t limit,
                   struct cel_list *out)
{
    struct regex_match match;
    size_t from = 0, previous = SIZE_MAX;
    int rc = 0;
    while (rc == 0 && from <= text.n && (limit < 0 || out->count < limit)) {
        rc = next_match(call, p, text, from, false, &match);
        if (rc < 0 || !match.found)
            break;
        struct cel_value v = cel_of_str(str_make(text.p + match.start, match.end - match.start));
        if (v.string.n > 0 || match.start != previous)
            rc = cel_list_push(call->run->arena, out, &v);
        previous = match.end;
        from = match.end;
        if (v.string.n == 0)
            for (from++; from < text.n && ((unsigned char)text.p[from] & 0xc0) == 0x80;)
                from++;
    }
    return rc;
}

static int find_all(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    struct pattern p;
    struct cel_list *out = cel_list_new(call->run->arena, 4);
    if (!out)
        return -E_NOMEM;
    int rc = pattern_open(call, args[1].string, &p);
    if (rc == 0)
        rc = collect(call, &p, args[0].string, count > 2 ? args[2].i64 : -1, out);
    arena_done(&p.scratch);
    *ret = cel_list_value(out);
    return rc;
}

const struct cel_function cel_functions_regex[] = {
    {"matches", false, "ss>b", matches, COST_ONE}, /* upstream charges the member alone */
    {"matches", true, "ss>b", matches, COST_REGEX},
    {"find", true, "ss>s", find, COST_REGEX},
    {"findAll", true, "ss>Ls", find_all, COST_REGEX},
    {"findAll", true, "ssi>Ls", find_all, COST_REGEX},
    {0},
};
