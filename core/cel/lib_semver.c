/* Semantic versions (semver.org 2.0.0; apiserver/pkg/cel/library/semverlib.go). */
#include "cel/cel_int.h"

struct version {
    struct cel_opaque head;
    uint64_t parts[3]; /* major, minor, patch */
    struct str pre, build;
};

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

/* ---- order ---- */

static int compare_identifiers(struct str a, struct str b)
{
    bool x = is_number(a), y = is_number(b);
    if (x && y && a.n != b.n)
        return a.n < b.n ? -1 : 1;
    if (x != y)
        return x ? -1 : 1;
    int order = str_cmp(a, b);
    return (order > 0) - (order < 0);
}

/* A version before release comes before the release. */
static int compare_pre(struct str a, struct str b)
{
    struct str x, y;
    if (a.n == 0 || b.n == 0)
        return (a.n == 0) - (b.n == 0);
    for (;;) {
        bool more_a = str_split(&a, '.', &x), more_b = str_split(&b, '.', &y);
        if (!more_a || !more_b)
            return more_a - more_b;
        int order = compare_identifiers(x, y);
        if (order)
            return order;
    }
}

static int compare_versions(const struct version *a, const struct version *b)
{
    for (int i = 0; i < 3; i++)
        if (a->parts[i] != b->parts[i])
            return a->parts[i] < b->parts[i] ? -1 : 1;
    return compare_pre(a->pre, b->pre);
}

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return compare_versions((const void *)a, (const void *)b) == 0;
}

/* ---- text ---- */

static int wrong(struct cel_call *call, const char *what, struct str s)
{
    return err_set(call->err, E_INVALID, "%s \"" STR_FMT "\"", what, STR_ARG(s));
}

/* Identifiers between dots; those of a pre-release have no leading zeros when they are numbers. */
static bool check_identifiers(struct str s, bool pre)
{
    struct str part;
    while (str_split(&s, '.', &part)) {
        for (size_t i = 0; i < part.n; i++) {
            char c = part.p[i];
            if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-'))
                return false;
        }
        if (part.n == 0 || (pre && is_number(part) && part.n > 1 && part.p[0] == '0'))
            return false;
    }
    return true;
}

/* "1.2.3-pre+build" with the three numbers apart. */
static int read_parts(struct cel_call *call, struct str numbers[3], struct version *ret)
{
    static const char *const names[] = {"Invalid character(s) found in major number",
                                        "Invalid character(s) found in minor number",
                                        "Invalid character(s) found in patch number"};
    struct str last = numbers[2];
    ptrdiff_t plus = str_find_byte(last, '+'), dash;
    if (plus >= 0) {
        ret->build = str_make(last.p + plus + 1, last.n - (size_t)plus - 1);
        last.n = (size_t)plus;
        if (!check_identifiers(ret->build, false))
            return wrong(call, "Invalid build meta data", ret->build);
    }
    if ((dash = str_find_byte(last, '-')) >= 0) {
        ret->pre = str_make(last.p + dash + 1, last.n - (size_t)dash - 1);
        last.n = (size_t)dash;
        if (!check_identifiers(ret->pre, true))
            return wrong(call, "Invalid prerelease", ret->pre);
    }
    numbers[2] = last;
    for (int i = 0; i < 3; i++) {
        if (!is_number(numbers[i]) || str_to_u64(numbers[i], &ret->parts[i]) < 0)
            return wrong(call, names[i], numbers[i]);
        if (numbers[i].n > 1 && numbers[i].p[0] == '0')
            return wrong(call, "Version number must not contain leading zeroes", numbers[i]);
    }
    return 0;
}

static int read_version(struct cel_call *call, struct str s, bool normalize, struct version *ret)
{
    struct str numbers[3] = {STR("0"), STR("0"), STR("0")}, rest = s;
    int n = 0;
    *ret = (struct version){.head = {&cel_type_semver, same}, .pre = STR(""), .build = STR("")};
    if (normalize && str_starts(rest, STR("v")))
        rest = str_make(rest.p + 1, rest.n - 1);
    while (n < 2) {
        ptrdiff_t dot = str_find_byte(rest, '.');
        if (dot < 0)
            break;
        numbers[n++] = str_make(rest.p, (size_t)dot);
        rest = str_make(rest.p + dot + 1, rest.n - (size_t)dot - 1);
    }
    numbers[n++] = rest;
    if (s.n == 0)
        return err_set(call->err, E_INVALID, "Version string empty");
    if (n < 3 && !normalize)
        return err_set(call->err, E_INVALID, "No Major.Minor.Patch elements found");
    if (n < 3 && (str_find_byte(rest, '+') >= 0 || str_find_byte(rest, '-') >= 0))
        return err_set(call->err, E_INVALID,
                       "short version cannot contain PreRelease/Build meta data");
    for (int i = 0; i < 3 && normalize; i++)
        while (numbers[i].n > 1 && numbers[i].p[0] == '0' && numbers[i].p[1] >= '0' &&
               numbers[i].p[1] <= '9')
            numbers[i] = str_make(numbers[i].p + 1, numbers[i].n - 1);
    return read_parts(call, numbers, ret);
}

/* ---- functions ---- */

static int parse(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    struct version *v = arena_alloc(call->run->arena, sizeof *v);
    if (!v)
        return -E_NOMEM;
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &v->head};
    return read_version(call, args[0].string, count > 1 && args[1].boolean, v);
}

static int is_semver(struct cel_call *call, const struct cel_value *args, unsigned count,
                     struct cel_value *ret)
{
    struct cel_call quiet = {.run = call->run};
    struct version v;
    *ret = cel_of_bool(read_version(&quiet, args[0].string, count > 1 && args[1].boolean, &v) == 0);
    return 0;
}

static int compare(struct cel_call *call, const struct cel_value *args, unsigned count,
                   struct cel_value *ret)
{
    int order = compare_versions((const void *)args[0].opaque, (const void *)args[1].opaque);
    (void)count;
    if (str_is(call->expr->name, "compareTo"))
        *ret = (struct cel_value){.kind = CEL_INT, .i64 = order};
    else
        *ret = cel_of_bool(str_is(call->expr->name, "isLessThan") ? order < 0 : order > 0);
    return 0;
}

static int part(struct cel_call *call, const struct cel_value *args, unsigned count,
                struct cel_value *ret)
{
    const struct version *v = (const void *)args[0].opaque;
    char first = call->expr->name.p[0], second = call->expr->name.p[1];
    (void)count;
    *ret = (struct cel_value){.kind = CEL_INT,
                              .u64 = v->parts[first == 'p'    ? 2
                                              : second == 'i' ? 1
                                                              : 0]};
    return 0;
}

const struct cel_function cel_functions_semver[] = {
    {"semver", false, "s>v", parse, COST_TEXT},
    {"semver", false, "sb>v", parse, COST_TEXT},
    {"isSemver", false, "s>b", is_semver, COST_TEXT},
    {"isSemver", false, "sb>b", is_semver, COST_TEXT},
    {"isGreaterThan", true, "vv>b", compare, COST_ONE},
    {"isLessThan", true, "vv>b", compare, COST_ONE},
    {"compareTo", true, "vv>i", compare, COST_ONE},
    {"major", true, "v>i", part, COST_ONE},
    {"minor", true, "v>i", part, COST_ONE},
    {"patch", true, "v>i", part, COST_ONE},
    {0},
};
