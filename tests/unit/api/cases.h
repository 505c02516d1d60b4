/* Tables of what a kind refuses. */
#ifndef TESTS_UNIT_API_CASES_H
#define TESTS_UNIT_API_CASES_H

#include "api_fixture.h"

/* JSON without quoting it for C. Macros would turn its true into 1. */
#undef true
#undef false
enum { false, true };
#define J(...)  J_(__VA_ARGS__)
#define J_(...) #__VA_ARGS__

struct invalid_case {
    const char *object; /* what is sent */
    /* One line a cause: "REASON FIELD: MESSAGE", without the FieldValue before the reason. "": the
     * object is accepted. */
    const char *causes;
};

/* Each is created (dry run) at the collection; ends with a NULL object. */
void check_created(struct fixture *f, const char *collection, const struct invalid_case *cases);
/* Each is a merge patch (dry run) of what is there at path, or of its subresource. */
void check_patched(struct fixture *f, const char *path, const struct invalid_case *cases);

#endif
