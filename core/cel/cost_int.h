/* Between the walk over a program and the costs of its calls. */
#ifndef CEL_COST_INT_H
#define CEL_COST_INT_H

#include "cel/cel_int.h"
#include "cel/cost.h"

/* How a part is reached: sizes come from the schema only along a path from a variable. */
enum cost_path { PATH_NONE, PATH_SCHEMA, PATH_LITERAL /* an element of a list written out */ };

struct cost_note { /* about an expression, or a local variable */
    uint8_t path;
    bool has_size, has_entry, of_list;
    struct cel_cost size;
    struct cel_cost key, value; /* sizes of what a list or map holds */
};

struct coster {
    struct cost_note *notes;  /* by cel_expr.id */
    struct cost_note *locals; /* by slot */
    uint64_t root_size;
};

struct cost_call { /* a call with what is known of its arguments; a target is args[0] */
    const struct cel_expr *expr;
    const struct cel_function *function;
    struct cel_cost sizes[CEL_ARGS]; /* unknown: {0, UINT64_MAX} */
    struct cel_cost element;         /* of args[0], a list */
};

struct cel_cost cost_add(struct cel_cost a, struct cel_cost b);
struct cel_cost cost_times(struct cel_cost a, struct cel_cost b);
struct cel_cost cost_union(struct cel_cost a, struct cel_cost b);
struct cel_cost cost_factor(struct cel_cost a, double factor); /* rounded up */

/* The cost of a call without its arguments; *ret_size is set when *ret_sized. */
struct cel_cost cost_of_call(const struct cost_call *call, struct cel_cost *ret_size,
                             bool *ret_sized);

#endif
