/* Types as constants, their names in messages, and the spelling of JSON names in expressions. */
#include "cel/cel_int.h"

enum { MAX_DEPTH = 16 }; /* of types that expressions make */

const struct cel_type cel_dyn = {.kind = CEL_T_DYN}, cel_null = {.kind = CEL_T_NULL},
                      cel_bool = {.kind = CEL_T_BOOL}, cel_int = {.kind = CEL_T_INT},
                      cel_uint = {.kind = CEL_T_UINT}, cel_double = {.kind = CEL_T_DOUBLE},
                      cel_string = {.kind = CEL_T_STRING}, cel_bytes = {.kind = CEL_T_BYTES},
                      cel_timestamp = {.kind = CEL_T_TIMESTAMP},
                      cel_duration = {.kind = CEL_T_DURATION};
const struct cel_type cel_list_of_dyn = {.kind = CEL_T_LIST, .element = &cel_dyn},
                      cel_map_of_dyn = {.kind = CEL_T_MAP, .key = &cel_string, .element = &cel_dyn},
                      cel_optional_of_dyn = {.kind = CEL_T_OPTIONAL, .element = &cel_dyn};
const struct cel_type cel_error_type = {.kind = CEL_T_ERROR},
                      cel_type_type = {.kind = CEL_T_TYPE, .element = &cel_dyn};

#define OPAQUE(text)                       \
    {                                      \
        .kind = CEL_T_OPAQUE, .name = text \
    }
const struct cel_type cel_authorizer = OPAQUE("kubernetes.authorization.Authorizer"),
                      cel_type_path_check = OPAQUE("kubernetes.authorization.PathCheck"),
                      cel_type_group_check = OPAQUE("kubernetes.authorization.GroupCheck"),
                      cel_resource_check = OPAQUE("kubernetes.authorization.ResourceCheck"),
                      cel_type_decision = OPAQUE("kubernetes.authorization.Decision"),
                      cel_type_url = OPAQUE("kubernetes.URL"), cel_type_ip = OPAQUE("net.IP"),
                      cel_type_cidr = OPAQUE("net.CIDR"),
                      cel_type_quantity = OPAQUE("kubernetes.Quantity"),
                      cel_type_semver = OPAQUE("kubernetes.Semver"),
                      cel_type_format = OPAQUE("kubernetes.NamedFormat");

/* Names that expressions may use for types, which type() results compare with. */
static const struct {
    const char *name;
    const struct cel_type *type;
} named[] = {
    {"bool", &cel_bool},
    {"int", &cel_int},
    {"uint", &cel_uint},
    {"double", &cel_double},
    {"string", &cel_string},
    {"bytes", &cel_bytes},
    {"list", &cel_list_of_dyn},
    {"map", &cel_map_of_dyn},
    {"null_type", &cel_null},
    {"type", &cel_type_type},
    {"dyn", &cel_dyn},
    {"optional_type", &cel_optional_of_dyn},
    {"google.protobuf.Timestamp", &cel_timestamp},
    {"google.protobuf.Duration", &cel_duration},
    {"kubernetes.URL", &cel_type_url},
    {"kubernetes.Quantity", &cel_type_quantity},
    {"kubernetes.Semver", &cel_type_semver},
    {"kubernetes.NamedFormat", &cel_type_format},
    {"net.IP", &cel_type_ip},
    {"net.CIDR", &cel_type_cidr},
};

const struct cel_type *cel_type_of_name(struct str name)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (str_is(name, named[i].name))
            return named[i].type;
    return NULL;
}

const char *cel_type_name(const struct cel_type *t)
{
    if (t->kind == CEL_T_OBJECT || t->kind == CEL_T_OPAQUE)
        return t->name ? t->name : "object";
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].type->kind == t->kind)
            return named[i].name;
    return "!error!";
}

void cel_type_write(struct buf *out, const struct cel_type *t)
{
    if (out->failed)
        return;
    switch (t->kind) {
    case CEL_T_LIST:
    case CEL_T_OPTIONAL:
        buf_puts(out, t->kind == CEL_T_LIST ? "list(" : "optional_type(");
        cel_type_write(out, t->element);
        buf_putc(out, ')');
        break;
    case CEL_T_MAP:
        buf_puts(out, "map(");
        cel_type_write(out, t->key);
        buf_puts(out, ", ");
        cel_type_write(out, t->element);
        buf_putc(out, ')');
        break;
    case CEL_T_TYPE:
        buf_puts(out, "type");
        if (t->element && t->element->kind != CEL_T_DYN) {
            buf_putc(out, '(');
            cel_type_write(out, t->element);
            buf_putc(out, ')');
        }
        break;
    case CEL_T_NULL:
        buf_puts(out, "null");
        break;
    case CEL_T_TIMESTAMP:
        buf_puts(out, "timestamp");
        break;
    case CEL_T_DURATION:
        buf_puts(out, "duration");
        break;
    case CEL_T_PARAM:
        buf_puts(out, "dyn");
        break;
    default:
        buf_puts(out, cel_type_name(t));
    }
}

const struct cel_type *cel_type_new(struct arena *a, enum cel_type_kind kind,
                                    const struct cel_type *key, const struct cel_type *element)
{
    struct cel_type *t = arena_zalloc(a, sizeof *t);
    if (!t)
        return NULL;
    t->kind = kind;
    unsigned depth = key ? key->depth : 0;
    if (element && element->depth > depth)
        depth = element->depth;
    /* Types share parts: compared as trees they double with each level. */
    if (depth >= MAX_DEPTH) {
        key = key ? &cel_dyn : NULL;
        element = &cel_dyn;
        depth = 0;
    }
    t->depth = (uint8_t)(depth + 1);
    t->key = key;
    t->element = element;
    t->open = kind == CEL_T_PARAM || (key && key->open) || (element && element->open);
    return t;
}

/* ---- escaping (Kubernetes, "Common Expression Language in Kubernetes", Escaping) ---- */

static const struct {
    const char *text, *escape;
} escapes[] = {
    {"__", "__underscores__"},
    {".", "__dot__"},
    {"-", "__dash__"},
    {"/", "__slash__"},
};

static bool is_word(struct str s)
{
    static const char *const words[] = {
        "true",     "false",   "null",      "in",       "as",  "break",  "const",
        "continue", "else",    "for",       "function", "if",  "import", "let",
        "loop",     "package", "namespace", "return",   "var", "void",   "while"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(s, words[i]))
            return true;
    return false;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool cel_escape(struct buf *out, struct str name)
{
    if (name.n == 0 || (name.p[0] >= '0' && name.p[0] <= '9'))
        return false;
    if (is_word(name)) {
        buf_printf(out, "__" STR_FMT "__", STR_ARG(name));
        return true;
    }
    for (size_t i = 0; i < name.n;) {
        struct str rest = str_make(name.p + i, name.n - i);
        size_t k = 0;
        while (k < sizeof escapes / sizeof *escapes && !str_starts(rest, str_of(escapes[k].text)))
            k++;
        if (k < sizeof escapes / sizeof *escapes) {
            buf_puts(out, escapes[k].escape);
            i += strlen(escapes[k].text);
        } else if (is_plain(name.p[i])) {
            buf_putc(out, name.p[i++]);
        } else {
            return false;
        }
    }
    return true;
}

/* The length of an escape `__word__` at the start of s, or 0. */
static size_t escape_length(struct str s)
{
    size_t n = 2;
    if (!str_starts(s, STR("__")))
        return 0;
    while (n < s.n && s.p[n] != '_')
        n++;
    return n > 2 && n + 1 < s.n && s.p[n] == '_' && s.p[n + 1] == '_' ? n + 2 : 0;
}

struct str cel_unescape(struct arena *a, struct str escaped)
{
    char *out = arena_alloc(a, escaped.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < escaped.n;) {
        size_t length = escape_length(str_make(escaped.p + i, escaped.n - i)), k = 0;
        if (length == 0) {
            out[n++] = escaped.p[i++];
            continue;
        }
        struct str whole = str_make(escaped.p + i, length);
        struct str word = str_make(escaped.p + i + 2, length - 4);
        while (k < sizeof escapes / sizeof *escapes && !str_is(whole, escapes[k].escape))
            k++;
        if (k < sizeof escapes / sizeof *escapes)
            word = str_of(escapes[k].text);
        else if (!is_word(word) || length != escaped.n)
            return str_make(NULL, 0);
        memcpy(out + n, word.p, word.n);
        n += word.n;
        i += length;
    }
    if (!out)
        return str_make(NULL, 0);
    out[n] = 0;
    return str_make(out, n);
}

const struct cel_field *cel_type_field(const struct cel_type *t, struct str escaped)
{
    struct buf name;
    const struct cel_field *found = NULL;
    buf_init(&name, 4096);
    for (size_t i = 0; i < t->field_count && !found; i++) {
        struct str plain = t->fields[i].name;
        if (str_eq(plain, escaped) && str_find(plain, STR("__")) < 0) {
            found = &t->fields[i];
        } else if (str_starts(escaped, STR("__")) || str_find(escaped, STR("__")) > 0) {
            buf_clear(&name);
            if (cel_escape(&name, plain) && !name.failed && str_eq(buf_str(&name), escaped))
                found = &t->fields[i];
        }
    }
    buf_done(&name);
    return found;
}
