/* Container logs in the CRI format: "<RFC 3339 time> stdout|stderr F|P <text>", one line each. */
#ifndef NODE_LOGS_H
#define NODE_LOGS_H

#include "base/str.h"

struct logs_line {
    struct str time, text;
    bool error;   /* stderr */
    bool partial; /* goes on in the next line */
};
/* line: without its line feed. -E_SYNTAX. */
int logs_parse(struct str line, struct logs_line *ret_line) MUST_CHECK;
/* The text of the last lines, without times, that fits into dst (terminated). */
void logs_tail_text(struct str raw, unsigned lines, char *dst, size_t size);

#endif
