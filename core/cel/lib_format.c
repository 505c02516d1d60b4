/* Named formats that validate texts (apiserver/pkg/cel/library/format.go). */
#include "cel/cel_int.h"
#include "cel/url.h"
#include "codec/names.h"

struct format {
    struct cel_opaque head;
    const char *name;
    /* NULL, or what is wrong: a constant. */
    const char *(*check)(struct arena *a, struct str s);
    unsigned weight; /* upstream's size of its regular expression */
};

static const char *check_label(struct arena *a, struct str s)
{
    (void)a;
    return names_dns1123_label(s);
}

static const char *check_subdomain(struct arena *a, struct str s)
{
    (void)a;
    return names_dns1123_subdomain(s);
}

static const char *check_1035(struct arena *a, struct str s)
{
    (void)a;
    return names_dns1035_label(s);
}

static const char *check_qualified(struct arena *a, struct str s)
{
    (void)a;
    return names_qualified(s);
}

static const char *check_label_value(struct arena *a, struct str s)
{
    (void)a;
    return names_label_value(s);
}

/* The start of a name may end with a dash, since something follows. */
static const char *check_start(struct arena *a, struct str s, const char *(*check)(struct str))
{
    if (s.n <= 1 || s.p[s.n - 1] != '-')
        return check(s);
    char *copy = arena_strndup(a, s.p, s.n);
    if (!copy)
        return "out of memory";
    copy[s.n - 1] = 'a';
    return check(str_make(copy, s.n));
}

static const char *check_label_start(struct arena *a, struct str s)
{
    return check_start(a, s, names_dns1123_label);
}

static const char *check_subdomain_start(struct arena *a, struct str s)
{
    return check_start(a, s, names_dns1123_subdomain);
}

static const char *check_1035_start(struct arena *a, struct str s)
{
    return check_start(a, s, names_dns1035_label);
}

static const char *check_uri(struct arena *a, struct str s)
{
    struct url u;
    const char *wrong = NULL;
    return cel_url_parse(a, s, &u, &wrong) < 0 ? (wrong ? wrong : "out of memory") : NULL;
}

static const char *check_uuid(struct arena *a, struct str s)
{
    bool dashes = s.n == 36, ok = s.n == 36 || s.n == 32;
    (void)a;
    for (size_t i = 0; ok && i < s.n; i++) {
        char c = s.p[i] | 0x20;
        if (dashes && (i == 8 || i == 13 || i == 18 || i == 23))
            ok = s.p[i] == '-';
        else
            ok = (s.p[i] >= '0' && s.p[i] <= '9') || (c >= 'a' && c <= 'f');
    }
    return ok ? NULL : "does not match the UUID format";
}

static const char *check_byte(struct arena *a, struct str s)
{
    char *bytes = arena_alloc(a, s.n / 4 * 3 + 3);
    size_t n;
    return bytes && base64_decode(bytes, &n, s) == 0 ? NULL : "invalid base64";
}

static const char *check_date(struct arena *a, struct str s)
{
    struct cel_time t;
    (void)a;
    return cel_date_parse(s, &t, NULL) < 0 ? "invalid date" : NULL;
}

static const char *check_datetime(struct arena *a, struct str s)
{
    struct cel_time t;
    (void)a;
    return cel_time_parse(s, &t, NULL) < 0 ? "invalid datetime" : NULL;
}

#define FORMAT(name, check, weight)                   \
    {                                                 \
        {&cel_type_format, NULL}, name, check, weight \
    }
static const struct format formats[] = {
    FORMAT("dns1123Label", check_label, 30),
    FORMAT("dns1123Subdomain", check_subdomain, 60),
    FORMAT("dns1035Label", check_1035, 30),
    FORMAT("qualifiedName", check_qualified, 60),
    FORMAT("dns1123LabelPrefix", check_label_start, 30),
    FORMAT("dns1123SubdomainPrefix", check_subdomain_start, 60),
    FORMAT("dns1035LabelPrefix", check_1035_start, 30),
    FORMAT("labelValue", check_label_value, 40),
    FORMAT("uri", check_uri, 1103),
    FORMAT("uuid", check_uuid, 89),
    FORMAT("byte", check_byte, 84),
    FORMAT("date", check_date, 71),
    FORMAT("datetime", check_datetime, 71),
};

uint64_t cel_format_weight(const struct cel_opaque *o)
{
    return ((const struct format *)(const void *)o)->weight;
}

static const struct format *find(struct str name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (str_is(name, formats[i].name))
            return &formats[i];
    return NULL;
}

static int named(struct cel_call *call, const struct cel_value *args, unsigned count,
                 struct cel_value *ret)
{
    const struct format *f = find(args[0].string);
    struct cel_value v = {.kind = CEL_OPAQUE, .opaque = f ? &f->head : NULL};
    (void)count;
    return cel_optional_new(call->run->arena, f ? &v : NULL, ret);
}

/* format.uuid(): the name of the function says which. */
static int constant(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    const struct format *f = find(str_of(call->expr->name.p + strlen("format.")));
    (void)args;
    (void)count;
    *ret = (struct cel_value){.kind = CEL_OPAQUE, .opaque = &f->head};
    return 0;
}

static int validate(struct cel_call *call, const struct cel_value *args, unsigned count,
                    struct cel_value *ret)
{
    const struct format *f = (const void *)args[0].opaque;
    struct arena *a = call->run->arena;
    const char *wrong = f->check(a, args[1].string);
    (void)count;
    if (a->failed)
        return -E_NOMEM;
    if (!wrong)
        return cel_optional_new(a, NULL, ret);
    struct cel_list *l = cel_list_new(a, 1);
    struct cel_value text = cel_of_str(str_of(wrong)), list;
    if (!l || cel_list_push(a, l, &text) < 0)
        return -E_NOMEM;
    list = cel_list_value(l);
    return cel_optional_new(a, &list, ret);
}

const struct cel_function cel_functions_format[] = {
    {"validate", true, "fs>OLs", validate, COST_FORMAT},
    {"format.named", false, "s>Of", named, COST_ONE},
    {"format.dns1123Label", false, ">f", constant, COST_ONE},
    {"format.dns1123Subdomain", false, ">f", constant, COST_ONE},
    {"format.dns1035Label", false, ">f", constant, COST_ONE},
    {"format.qualifiedName", false, ">f", constant, COST_ONE},
    {"format.dns1123LabelPrefix", false, ">f", constant, COST_ONE},
    {"format.dns1123SubdomainPrefix", false, ">f", constant, COST_ONE},
    {"format.dns1035LabelPrefix", false, ">f", constant, COST_ONE},
    {"format.labelValue", false, ">f", constant, COST_ONE},
    {"format.uri", false, ">f", constant, COST_ONE},
    {"format.uuid", false, ">f", constant, COST_ONE},
    {"format.byte", false, ">f", constant, COST_ONE},
    {"format.date", false, ">f", constant, COST_ONE},
    {"format.datetime", false, ">f", constant, COST_ONE},
    {0},
};
