/* Finding functions by name and by what they are given; what a call costs. */
#include "cel/cel_int.h"

const struct cel_function *const cel_function_tables[] = {
    cel_functions_core,     cel_functions_convert,    cel_functions_time,
    cel_functions_strings,  cel_functions_lists,      cel_functions_sets,
    cel_functions_regex,    cel_functions_net,        cel_functions_url,
    cel_functions_quantity, cel_functions_semver,     cel_functions_format,
    cel_functions_optional, cel_functions_authorizer, NULL};

bool cel_function_exists(struct str name)
{
    for (const struct cel_function *const *table = cel_function_tables; *table; table++)
        for (const struct cel_function *f = *table; f->name; f++)
            if (str_is(name, f->name))
                return true;
    return false;
}

static const struct cel_type *opaque_of(char letter)
{
    static const struct {
        char letter;
        const struct cel_type *type;
    } types[] = {
        {'w', &cel_type_url},       {'p', &cel_type_ip},         {'c', &cel_type_cidr},
        {'q', &cel_type_quantity},  {'v', &cel_type_semver},     {'f', &cel_type_format},
        {'a', &cel_authorizer},     {'P', &cel_type_path_check}, {'G', &cel_type_group_check},
        {'R', &cel_resource_check}, {'D', &cel_type_decision}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].letter == letter)
            return types[i].type;
    return NULL;
}

static bool takes_letter(char letter, const struct cel_value *v)
{
    static const char letters[] = {
        [CEL_NULL] = 'n',     [CEL_BOOL] = 'b',   [CEL_INT] = 'i',   [CEL_UINT] = 'u',
        [CEL_DOUBLE] = 'd',   [CEL_STRING] = 's', [CEL_BYTES] = 'y', [CEL_TIMESTAMP] = 't',
        [CEL_DURATION] = 'r', [CEL_LIST] = 'L',   [CEL_MAP] = 'M',   [CEL_TYPE] = 'T',
        [CEL_OPTIONAL] = 'O', [CEL_HOST] = 'M',   [CEL_OPAQUE] = 0,  [CEL_UNSET] = 0};
    if (letter == '*' || letter == 'A' || letter == 'B')
        return true;
    if (v->kind == CEL_OPAQUE)
        return v->opaque->type == opaque_of(letter);
    return letters[v->kind] == letter;
}

/* Behind one type of a signature. */
static const char *skip_letter(const char *at)
{
    char letter = *at++;
    if (letter == 'M')
        return skip_letter(skip_letter(at));
    return letter == 'L' || letter == 'O' ? skip_letter(at) : at;
}

bool cel_function_takes(const struct cel_function *f, const struct cel_value *args, unsigned count)
{
    const char *at = f->signature;
    for (unsigned i = 0; i < count; i++) {
        if (*at == '>' || !takes_letter(*at, &args[i]))
            return false;
        at = skip_letter(at);
    }
    return *at == '>';
}

/* ---- costs (interpreter/runtimecost.go, apiserver/pkg/cel/library/cost.go) ---- */

static uint64_t share(uint64_t n, uint64_t of)
{
    return (n + of - 1) / of;
}

static uint64_t product(uint64_t a, uint64_t b)
{
    uint64_t v;
    return __builtin_mul_overflow(a, b, &v) ? UINT64_MAX / 2 : v;
}

/* Texts a tenth of their bytes, aggregates the sum of their parts, all else 1. */
static uint64_t traversal(struct cel_run *run, const struct cel_value *v, unsigned depth)
{
    struct cel_iter it;
    struct cel_value key, part;
    uint64_t cost = 0;
    bool more;
    if (v->kind == CEL_STRING || v->kind == CEL_BYTES)
        return v->string.n / 10;
    if ((v->kind != CEL_LIST && v->kind != CEL_MAP) || depth > LIMIT_DEPTH)
        return 1;
    cel_iter_init(&it, v);
    while (cel_work(run, 1, NULL) == 0 && cel_iter_next(run, &it, &key, &part, &more, NULL) == 0 &&
           more)
        cost += traversal(run, &part, depth + 1) +
                (v->kind == CEL_MAP ? traversal(run, &key, depth + 1) : 0);
    return cost;
}

/* A text, an address and a prefix are measured by their length as the library sees it. */
static uint64_t net_size(const struct cel_value *v)
{
    return v->kind == CEL_OPAQUE ? cel_net_size(v->opaque) : cel_size(v);
}

static uint64_t selector_cost(uint64_t n)
{
    /* A list, the text, and for each requirement (two characters) a list and a struct. */
    return 10 + share(n, 10) + product(share(n, 2), 50);
}

static uint64_t cost_of_two(const struct cel_function *f, const struct cel_value *args,
                            const struct cel_value *ret)
{
    uint64_t a = cel_size(&args[0]), b = cel_size(&args[1]);
    switch ((enum cel_cost_rule)f->cost) {
    case COST_IN_LIST:
        return b;
    case COST_LESSER:
        return share(a < b ? a : b, 10);
    case COST_SUM:
        return share(a + b, 10);
    case COST_REGEX:
        return product(share(a + 1, 10), share(b, 4));
    case COST_CONTAINS:
        return product(share(a, 10), share(b, 10));
    case COST_SETS:
        return 1 + product(a, b);
    case COST_SETS_TWICE:
        return 1 + product(product(a, b), 2);
    case COST_SELECTOR:
        return selector_cost(b);
    case COST_CIDR_IP:
    case COST_CIDR_IP_TEXT:
        return share(2 * net_size(&args[0]), 10) +
               (f->cost == COST_CIDR_IP_TEXT ? share(b, 10) : 0);
    case COST_CIDR_CIDR:
    case COST_CIDR_CIDR_TEXT:
        return share(2 * net_size(&args[0]), 10) + share(net_size(&args[0]), 10) + 1 +
               (f->cost == COST_CIDR_CIDR_TEXT ? share(b, 10) : 0);
    case COST_FORMAT:
        return product(share(b + 1, 10), share(cel_format_weight(args[0].opaque), 4));
    default:
        return ret->kind == CEL_LIST ? 11 + cel_count(ret) : 11;
    }
}

uint64_t cel_call_cost(struct cel_run *run, const struct cel_function *f,
                       const struct cel_value *args, unsigned count, const struct cel_value *ret)
{
    uint64_t n;
    switch ((enum cel_cost_rule)f->cost) {
    case COST_ONE:
        return 1;
    case COST_TEXT:
        return share(cel_size(&args[0]), 10);
    case COST_TEXT_TWICE:
        return share(2 * cel_size(&args[0]), 10);
    case COST_RESULT_TWICE:
        return share(2 * cel_size(ret), 10);
    case COST_LIST:
        return traversal(run, &args[0], 0);
    case COST_CHECK:
        return 350000;
    case COST_DISTINCT:
        n = cel_size(&args[0]);
        return 11 + product(product(n, n), 2);
    case COST_FLATTEN:
        n = count == 2 && args[1].i64 > 0 ? args[1].u64 : 1;
        return 11 + product(cel_size(&args[0]), n);
    case COST_MADE:
        return ret->kind == CEL_LIST ? 11 + cel_count(ret) : 11;
    default:
        return count >= 2 ? cost_of_two(f, args, ret) : 1;
    }
}
