/* From text to program. */
#include "cel/cel_int.h"

const struct cel_type *cel_program_type(const struct cel_program *p)
{
    return p->type;
}

bool cel_program_uses(const struct cel_program *p, size_t variable)
{
    return variable < p->variable_count && p->uses[variable / 64] >> variable % 64 & 1;
}

/* What the result must be; the text has no place, as upstream's. */
static bool fits(struct cel_report *r, const struct cel_type *got, const struct cel_type *want)
{
    if (!want || cel_type_same(got, want))
        return true;
    buf_puts(&r->text, "must evaluate to ");
    cel_type_write(&r->text, want);
    buf_puts(&r->text, " but got ");
    cel_type_write(&r->text, got);
    err_set(r->err, E_INVALID, "%s", buf_cstr(&r->text));
    return false;
}

static int compile(struct cel_report *r, const struct cel_env *env, const struct cel_type *want,
                   struct cel_program *p)
{
    struct cel_checker c = {.arena = r->arena, .report = r, .env = env, .program = p};
    uint32_t nodes;
    int rc = cel_parse(r->arena, r, r->source, &p->root, &nodes);
    if (rc < 0)
        return rc;
    cel_check(&c, p->root);
    p->type = cel_substitute(&c, p->root->type, true);
    p->root->type = p->type;
    p->slots = c.slots;
    if (c.oom || r->oom || r->text.failed)
        return -E_NOMEM;
    if (r->count > 0 || !fits(r, p->type, want))
        return -E_INVALID;
    if (env->estimate && cel_estimate(p, env, nodes) < 0)
        return -E_NOMEM;
    return cel_fold_constants(r, p) < 0 ? -E_NOMEM : r->count > 0 ? -E_INVALID : 0;
}

static int give_problem(const struct cel_report *r, struct cel_problem *ret)
{
    struct str text = arena_str(r->arena, buf_str(&r->text));
    if (!text.p)
        return -E_NOMEM;
    *ret = (struct cel_problem){text, r->line, r->column};
    return 0;
}

int cel_compile(struct arena *a, const struct cel_env *env, struct str source,
                const struct cel_type *want, struct cel_program **ret_program,
                struct cel_problem *ret_problem, struct err *err)
{
    struct cel_report r = {.arena = a, .name = "<input>", .err = err};
    struct cel_program *p = arena_zalloc(a, sizeof *p);
    int rc = -E_NOMEM;
    if (source.n > CEL_SOURCE_BYTES)
        return err_set(err, E_LIMIT,
                       "expression code point size exceeds limit: size: %zu, limit %d", source.n,
                       CEL_SOURCE_BYTES);
    buf_init(&r.text, 1 << 20);
    if (p && (r.source = arena_str(a, source)).p) {
        p->variable_count = env->variable_count;
        p->uses = arena_zalloc(a, (env->variable_count / 64 + 1) * sizeof *p->uses);
        if (p->uses)
            rc = compile(&r, env, want, p);
    }
    if (rc == -E_INVALID && ret_problem && give_problem(&r, ret_problem) < 0)
        rc = -E_NOMEM;
    if (rc == -E_NOMEM)
        err_set(err, E_NOMEM, "out of memory");
    buf_done(&r.text);
    if (rc == 0)
        *ret_program = p;
    return rc;
}
