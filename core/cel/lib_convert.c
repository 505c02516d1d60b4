/* Conversions between types (cel-spec, langdef.md, "Type Conversions"): exact or an error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cel/cel_int.h"
#include "codec/time.h"
#include "codec/utf8.h"

static int bad(struct cel_call *call, const char *what)
{
    return err_set(call->err, E_INVALID, "%s", what);
}

static int bad_text(struct cel_call *call, const char *type)
{
    return err_set(call->err, E_INVALID, "type conversion error from 'string' to '%s'", type);
}

static int give_int(struct cel_value *ret, int64_t v)
{
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = v};
    return 0;
}

static int give_uint(struct cel_value *ret, uint64_t v)
{
    *ret = (struct cel_value){.kind = CEL_UINT, .u64 = v};
    return 0;
}

static struct str unsigned_plus(struct str s)
{
    return s.n > 1 && s.p[0] == '+' && s.p[1] != '-' ? str_make(s.p + 1, s.n - 1) : s;
}

static int to_int(struct cel_call *call, const struct cel_value *args, unsigned count,
                  struct cel_value *ret)
{
    const struct cel_value *v = &args[0];
    int64_t parsed;
    (void)count;
    switch ((enum cel_kind)v->kind) {
    case CEL_UINT:
        return v->u64 > INT64_MAX ? bad(call, "integer overflow") : give_int(ret, v->i64);
    case CEL_DOUBLE:
        /* The bound itself is no int64, and its neighbours are rounded to it. */
        if (!(v->number > -0x1p63 && v->number < 0x1p63))
            return bad(call, "integer overflow");
        return give_int(ret, (int64_t)v->number);
    case CEL_STRING:
        if (str_to_i64(unsigned_plus(v->string), &parsed) < 0)
            return bad_text(call, "int");
        return give_int(ret, parsed);
    case CEL_TIMESTAMP:
        return give_int(ret, v->time.seconds);
    default:
        return give_int(ret, v->i64);
    }
}

static int to_uint(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    const struct cel_value *v = &args[0];
    uint64_t parsed;
    (void)count;
    switch ((enum cel_kind)v->kind) {
    case CEL_INT:
        return v->i64 < 0 ? bad(call, "unsigned integer overflow") : give_uint(ret, v->u64);
    case CEL_DOUBLE:
        if (!(v->number >= 0 && v->number < 0x1p64))
            return bad(call, "unsigned integer overflow");
        return give_uint(ret, (uint64_t)v->number);
    case CEL_STRING:
        if (str_to_u64(v->string, &parsed) < 0)
            return bad_text(call, "uint");
        return give_uint(ret, parsed);
    default:
        return give_uint(ret, v->u64);
    }
}

/* A decimal number, or a name of infinity or NaN, as Go's strconv takes it. */
static bool read_double(struct str s, double *ret)
{
    char text[400], *end;
    if (s.n == 0 || memchr(s.p, 0, s.n) || !str_copy(text, sizeof text, s) ||
        strchr(" \t\n\r\f\v", text[0]) || strpbrk(text, "xX("))
        return false;
    *ret = strtod(text, &end);
    return *end == 0 && (!isinf(*ret) || strpbrk(text, "iI"));
}

static int to_double(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    const struct cel_value *v = &args[0];
    double number = v->number;
    (void)count;
    if (v->kind == CEL_INT)
        number = (double)v->i64;
    else if (v->kind == CEL_UINT)
        number = (double)v->u64;
    else if (v->kind == CEL_STRING && !read_double(v->string, &number))
        return bad_text(call, "double");
    *ret = (struct cel_value){.kind = CEL_DOUBLE, .number = number};
    return 0;
}

static int to_bool(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    (void)count;
    *ret = args[0];
    if (args[0].kind == CEL_BOOL)
        return 0;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (str_is(args[0].string, yes[i]) || str_is(args[0].string, no[i])) {
            *ret = cel_of_bool(str_is(args[0].string, yes[i]));
            return 0;
        }
    return bad_text(call, "bool");
}

void cel_double_write(struct buf *out, double v)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        buf_puts(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v)
            break;
    }
    int exponent = atoi(strchr(text, 'e') + 1);
    int digits = (int)(strchr(text, 'e') - text) - (v < 0) - (strchr(text, '.') != NULL);
    if (v != 0 && (exponent < -4 || exponent >= 6)) {
        buf_puts(out, text);
        return;
    }
    buf_printf(out, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, v);
}

static int give_buf(struct cel_call *call, struct buf *b, struct cel_value *ret)
{
    struct str s = arena_str(call->run->arena, buf_str(b));
    buf_done(b);
    if (!s.p)
        return -E_NOMEM;
    *ret = cel_of_str(s);
    return 0;
}

static int to_string(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    const struct cel_value *v = &args[0];
    struct buf b;
    (void)count;
    buf_init(&b, 1000);
    switch ((enum cel_kind)v->kind) {
    case CEL_STRING:
        *ret = *v;
        return 0;
    case CEL_BYTES:
        if (!utf8_valid(v->string))
            return bad(call, "invalid UTF-8 in bytes, cannot convert to string");
        *ret = cel_of_str(v->string);
        return 0;
    case CEL_BOOL:
        *ret = cel_of_str(v->boolean ? STR("true") : STR("false"));
        return 0;
    case CEL_INT:
        buf_put_i64(&b, v->i64);
        break;
    case CEL_UINT:
        buf_put_u64(&b, v->u64);
        break;
    case CEL_DOUBLE:
        cel_double_write(&b, v->number);
        break;
    case CEL_TIMESTAMP:
        cel_time_write(&b, &v->time);
        break;
    default:
        cel_duration_write(&b, v->i64);
    }
    if (b.failed) {
        buf_done(&b);
        return -E_NOMEM;
    }
    return give_buf(call, &b, ret);
}

static int to_bytes(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    (void)call;
    (void)count;
    *ret = args[0];
    ret->kind = CEL_BYTES;
    return 0;
}

static int read_time(struct cel_call *call, struct str text, struct cel_time *ret)
{
    struct err err = {0};
    int rc = cel_time_parse(text, ret, &err);
    if (rc < 0 && strstr(err.text, "overflow"))
        return bad(call, err.text);
    return rc < 0 ? bad_text(call, "google.protobuf.Timestamp") : 0;
}

static int to_timestamp(struct cel_call *call, const struct cel_value *args, unsigned count,
                        struct cel_value *ret)
{
    struct cel_value v = {.kind = CEL_TIMESTAMP};
    int rc = 0;
    (void)count;
    if (args[0].kind == CEL_TIMESTAMP)
        v = args[0];
    else if (args[0].kind == CEL_STRING)
        rc = read_time(call, args[0].string, &v.time);
    else if (args[0].i64 < CEL_TIME_MIN || args[0].i64 > CEL_TIME_MAX)
        return bad(call, "timestamp overflow");
    else
        v.time.seconds = args[0].i64;
    if (rc == 0)
        *ret = v;
    return rc;
}

static int to_duration(struct cel_call *call, const struct cel_value *args, unsigned count,
                       struct cel_value *ret)
{
    struct cel_value v = {.kind = CEL_DURATION, .i64 = args[0].i64};
    (void)count;
    if (args[0].kind == CEL_STRING && duration_parse(args[0].string, &v.i64, NULL) < 0)
        return bad_text(call, "google.protobuf.Duration");
    *ret = v;
    return 0;
}

const struct cel_function cel_functions_convert[] = {
    {"int", false, "i>i", to_int, COST_ONE},
    {"int", false, "u>i", to_int, COST_ONE},
    {"int", false, "d>i", to_int, COST_ONE},
    {"int", false, "s>i", to_int, COST_ONE},
    {"int", false, "t>i", to_int, COST_ONE},
    {"int", false, "r>i", to_int, COST_ONE},
    {"uint", false, "u>u", to_uint, COST_ONE},
    {"uint", false, "i>u", to_uint, COST_ONE},
    {"uint", false, "d>u", to_uint, COST_ONE},
    {"uint", false, "s>u", to_uint, COST_ONE},
    {"double", false, "d>d", to_double, COST_ONE},
    {"double", false, "i>d", to_double, COST_ONE},
    {"double", false, "u>d", to_double, COST_ONE},
    {"double", false, "s>d", to_double, COST_ONE},
    {"bool", false, "b>b", to_bool, COST_ONE},
    {"bool", false, "s>b", to_bool, COST_ONE},
    {"string", false, "s>s", to_string, COST_ONE},
    {"string", false, "b>s", to_string, COST_ONE},
    {"string", false, "i>s", to_string, COST_ONE},
    {"string", false, "u>s", to_string, COST_ONE},
    {"string", false, "d>s", to_string, COST_ONE},
    {"string", false, "y>s", to_string, COST_TEXT},
    {"string", false, "t>s", to_string, COST_ONE},
    {"string", false, "r>s", to_string, COST_ONE},
    {"bytes", false, "y>y", to_bytes, COST_ONE},
    {"bytes", false, "s>y", to_bytes, COST_TEXT},
    {"timestamp", false, "t>t", to_timestamp, COST_ONE},
    {"timestamp", false, "s>t", to_timestamp, COST_ONE},
    {"timestamp", false, "i>t", to_timestamp, COST_ONE},
    {"duration", false, "r>r", to_duration, COST_ONE},
    {"duration", false, "s>r", to_duration, COST_ONE},
    {"duration", false, "i>r", to_duration, COST_ONE},
    {0},
};
