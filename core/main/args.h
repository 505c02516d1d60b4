/* Words and options of the command line. Anything unknown: one clear line, exit status 2. */
#ifndef MAIN_ARGS_H
#define MAIN_ARGS_H

#include <stdbool.h>

#include "base/err.h"

struct args_option {
    const char *name; /* "--data"; takes a value, as "--data X" or "--data=X"; at most once */
    const char **ret_value;
};

/* options: ended by a NULL name. ret_word: the one word allowed besides, or NULL when none is.
 * False after a message. argv[0] is the first word or option. */
bool args_parse(int argc, char **argv, const struct args_option *options, const char **ret_word);
/* Prints "keelson: <message>" and returns 2. */
int args_error(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
