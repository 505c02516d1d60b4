/* Lists as sets (cel-go, ext/sets). */
#include "cel/cel_int.h"

/* Whether list holds every element of part (all), or any of them. */
static int holds(struct cel_call *call, const struct cel_value *list, const struct cel_value *part,
                 bool all, bool *ret)
{
    struct cel_iter it;
    struct cel_value v, at;
    bool more, found = all;
    int rc = 0;
    cel_iter_init(&it, part);
    while (found == all && (rc = cel_iter_next(call->run, &it, NULL, &v, &more, call->err)) == 0 &&
           more) {
        rc = cel_list_find(call->run, list, NULL, &v, &at, &found, call->err);
        if (rc < 0)
            return rc;
    }
    if (found == all && rc < 0)
        return rc;
    *ret = found;
    return 0;
}

static int contains(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    bool v;
    (void)count;
    int rc = holds(call, &args[0], &args[1], true, &v);
    *ret = cel_of_bool(rc == 0 && v);
    return rc;
}

static int equivalent(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    bool v = false;
    (void)count;
    int rc = holds(call, &args[0], &args[1], true, &v);
    if (rc == 0 && v)
        rc = holds(call, &args[1], &args[0], true, &v);
    *ret = cel_of_bool(rc == 0 && v);
    return rc;
}

static int intersects(struct cel_call *call, const struct cel_value *args, unsigned count,
                      struct cel_value *ret)
{
    bool v;
    (void)count;
    int rc = holds(call, &args[1], &args[0], false, &v);
    *ret = cel_of_bool(rc == 0 && v);
    return rc;
}

const struct cel_function cel_functions_sets[] = {
    {"sets.contains", false, "LALA>b", contains, COST_SETS},
    {"sets.equivalent", false, "LALA>b", equivalent, COST_SETS_TWICE},
    {"sets.intersects", false, "LALA>b", intersects, COST_SETS},
    {0},
};
