/*
 * Regular expressions in RE2's syntax (github.com/google/re2/wiki/Syntax), matched in time linear
 * in the text: a machine whose threads advance together, no backtracking. Bounded in size of
 * expression and program and in steps.
 *
 * Not there: classes of Unicode properties (\pL), which are refused, and letter case beyond ASCII
 * under (?i).
 */
#ifndef CEL_REGEX_H
#define CEL_REGEX_H

#include "base/arena.h"

enum {
    REGEX_REPEAT = 1000,   /* of {n,m}, as RE2 */
    REGEX_PROGRAM = 20000, /* instructions */
    REGEX_NESTING = 250,
};

struct regex;

/* Lives in the arena. -E_SYNTAX, worded as Go's regexp; -E_LIMIT (too large); -E_NOMEM. */
int regex_compile(struct arena *a, struct str pattern, struct regex **ret,
                  struct err *err) MUST_CHECK;

struct regex_match {
    bool found;
    size_t start, end; /* bytes */
    uint64_t steps;    /* that it took */
};

/*
 * The leftmost match at or behind `from` (what is before it counts for ^ and \b), the first
 * alternative preferred. With `any`, only whether there is one. Past max_steps -E_LIMIT; -E_NOMEM.
 */
int regex_find(const struct regex *r, struct str text, size_t from, bool any, uint64_t max_steps,
               struct regex_match *ret) MUST_CHECK;

#endif
