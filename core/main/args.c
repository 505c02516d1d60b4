/* See args.h. */
#include "main/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int args_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("keelson: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs(" (see keelson help)\n", stderr);
    va_end(ap);
    return 2;
}

static const struct args_option *find(const struct args_option *options, const char *arg, size_t n)
{
    for (; options->name; options++)
        if (strlen(options->name) == n && memcmp(options->name, arg, n) == 0)
            return options;
    return NULL;
}

/* One option with its value; *at moves over what it took. */
static bool take_option(int argc, char **argv, int *at, const struct args_option *options)
{
    const char *arg = argv[*at], *equals = strchr(arg, '=');
    const struct args_option *o = find(options, arg, equals ? (size_t)(equals - arg) : strlen(arg));
    if (!o)
        args_error("unknown option '%s'", arg);
    else if (*o->ret_value)
        return args_error("option %s is given twice", o->name), false;
    else if (equals)
        *o->ret_value = equals + 1;
    else if (*at + 1 >= argc)
        args_error("option %s wants a value", o->name);
    else
        *o->ret_value = argv[++*at];
    return o && *o->ret_value;
}

bool args_parse(int argc, char **argv, const struct args_option *options, const char **ret_word)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            if (!take_option(argc, argv, &i, options))
                return false;
        } else if (ret_word && !*ret_word) {
            *ret_word = argv[i];
        } else {
            args_error("unexpected word '%s'", argv[i]);
            return false;
        }
    }
    return true;
}
