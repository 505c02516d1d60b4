/*
 * Estimated costs: what an expression may cost at most for any object that its schema allows. The
 * API server refuses rules of custom resources that may cost too much. Estimates follow cel-go's
 * checker/cost.go and apiserver/pkg/cel/library/cost.go, since they decide which rules are taken.
 *
 * An estimate is made while compiling (cel_env.estimate), from the sizes in the variables' types
 * (cel_type_of_schema sets them). The first variable of the env is taken for the root of the schema
 * (`self`), as upstream does.
 */
#ifndef CEL_COST_H
#define CEL_COST_H

#include "cel/cel.h"

#define CEL_ESTIMATE_RULE   10000000ULL  /* of one rule times how often its schema node may occur */
#define CEL_ESTIMATE_OBJECT 100000000ULL /* of all rules of one resource */

struct cel_cost {
    uint64_t min, max; /* UINT64_MAX: no bound */
};

/* {0, 0} when none was asked for. */
struct cel_cost cel_program_cost(const struct cel_program *p);

/* The most a node of a schema can occur below one that occurs `times` times: lists and maps
 * multiply by max_size; UINT64_MAX stays. */
uint64_t cel_cost_times(uint64_t times, uint64_t max_size);

/* Nothing when cost is within limit, else as the API says it: "estimated rule cost exceeds budget
 * by factor of 2.5x (try simplifying ...)". what: "estimated rule cost", "estimated
 * messageExpression cost", "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3
 * schema". */
void cel_cost_complain(struct buf *out, const char *what, uint64_t cost, uint64_t limit);

#endif
