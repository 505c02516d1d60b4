/*
 * Turns the tables of facts (kubernetes-1.35-api.tsv, then go-fields.tsv) into const C tables:
 *   schema_gen API.tsv GO-FIELDS.tsv OUT.c
 * Runs on the build host only. Any line it does not understand ends it with the line's number.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/schema_int.h"

enum { TYPES = 1024, FIELDS = 8192, RESOURCES = 512, KINDS = 1024, POOL = 65536, STRINGS = 16384 };

struct gen_field {
    char name[80], type_name[160], keys[80], patch_key[40], preset[80];
    int shape, wrap, list_type, map_type, patch, flags, protobuf_number, type;
};

struct gen_type {
    char name[160];
    int shape, map_type, first, count;
};

struct gen {
    const char *path;
    int line;
    struct gen_type types[TYPES];
    struct gen_field fields[FIELDS];
    struct schema_resource resources[RESOURCES];
    char resource_kind_key[RESOURCES][160];
    struct schema_kind kinds[KINDS];
    char kind_type[KINDS][160];
    struct schema_version versions[64];
    int type_count, field_count, resource_count, kind_count, version_count;
    char pool[POOL];
    uint16_t strings[STRINGS];
    int pool_used, string_count;
};

static struct gen g; /* a one-shot host program: the one place with file-scope state */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "schema_gen: %s:%d: ", g.path ? g.path : "-", g.line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    exit(1);
}

static uint16_t intern(const char *s)
{
    size_t n = strlen(s) + 1;
    for (int i = 0; i < g.string_count; i++)
        if (strcmp(g.pool + g.strings[i], s) == 0)
            return g.strings[i];
    if (g.pool_used + n > POOL || g.string_count == STRINGS)
        die("the string pool is full: offsets of 16 bits no longer do");
    memcpy(g.pool + g.pool_used, s, n);
    g.strings[g.string_count] = (uint16_t)g.pool_used;
    g.pool_used += (int)n;
    return g.strings[g.string_count++];
}

static void copy(char *dst, size_t size, const char *src)
{
    if (strlen(src) >= size)
        die("too long: %s", src);
    strcpy(dst, src);
}

/* ---- reading ---- */

static int plain_shape(const char *type)
{
    static const struct {
        const char *name;
        int shape;
    } shapes[] = {{"string", SCHEMA_STRING},
                  {"string:byte", SCHEMA_BYTES},
                  {"integer:int32", SCHEMA_INT32},
                  {"integer:int64", SCHEMA_INT64},
                  {"integer", SCHEMA_INT64},
                  {"boolean", SCHEMA_BOOL},
                  {"number:double", SCHEMA_DOUBLE},
                  {"number", SCHEMA_DOUBLE},
                  {"any", SCHEMA_ANY},
                  {"object", SCHEMA_OBJECT},
                  {"int-or-string", SCHEMA_INT_OR_STRING}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (strcmp(type, shapes[i].name) == 0)
            return shapes[i].shape;
    return -1;
}

static int special_shape(const char *type_name, const char *is)
{
    if (strcmp(is, "string|number") == 0)
        return SCHEMA_QUANTITY;
    if (strcmp(is, "string:date-time") == 0)
        return strstr(type_name, ".MicroTime") ? SCHEMA_MICRO_TIME : SCHEMA_TIME;
    int shape = plain_shape(is);
    if (shape < 0)
        die("unknown type: is=%s", is);
    return shape;
}

/* Value of "name=" among words separated by spaces, or NULL. Values contain no spaces. */
static const char *flag(const char *words, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (len > n && p[n] == '=' && strncmp(p, name, n) == 0) {
            snprintf(out, size, "%.*s", (int)(len - n - 1), p + n + 1);
            return out;
        }
        p += len;
    }
    return NULL;
}

static bool word(const char *words, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (len == n && strncmp(p, name, n) == 0)
            return true;
        p += len;
    }
    return false;
}

static int map_type_of(const char *flags)
{
    char v[200];
    if (!flag(flags, "map", v, sizeof(v)))
        return SCHEMA_MAP_NONE;
    return strcmp(v, "atomic") == 0 ? SCHEMA_MAP_ATOMIC : SCHEMA_MAP_GRANULAR;
}

static void add_kind(const char *group, const char *version, const char *kind, const char *type)
{
    struct schema_kind *k = &g.kinds[g.kind_count];
    k->group = intern(strcmp(group, "-") == 0 ? "" : group);
    k->version = intern(version);
    k->kind = intern(kind);
    copy(g.kind_type[g.kind_count++], sizeof(g.kind_type[0]), type);
}

static void read_type(const char *name, const char *flags)
{
    char v[1000];
    struct gen_type *t = &g.types[g.type_count++];
    copy(t->name, sizeof(t->name), name);
    t->shape = flag(flags, "is", v, sizeof(v)) ? special_shape(name, v) : SCHEMA_STRUCT;
    t->map_type = map_type_of(flags);
    t->first = g.field_count;
    if (flag(flags, "gvk", v, sizeof(v)))
        for (char *save, *one = strtok_r(v, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
            char *version = strchr(one, '/'), *kind = version ? strchr(version + 1, '/') : NULL;
            if (!kind)
                die("gvk=%s", one);
            *version++ = *kind++ = '\0';
            add_kind(one, version, kind, name);
        }
}

static int patch_bits(const char *flags)
{
    char v[80];
    if (!flag(flags, "patch", v, sizeof(v)))
        return 0;
    return (strstr(v, "merge") ? SCHEMA_PATCH_MERGE : 0) |
           (strstr(v, "replace") ? SCHEMA_PATCH_REPLACE : 0) |
           (strstr(v, "retainKeys") ? SCHEMA_PATCH_RETAIN_KEYS : 0);
}

static int list_type_of(const char *flags)
{
    char v[80];
    if (!flag(flags, "list", v, sizeof(v)))
        return SCHEMA_LIST_NONE;
    return strcmp(v, "atomic") == 0 ? SCHEMA_LIST_ATOMIC
           : strcmp(v, "set") == 0  ? SCHEMA_LIST_SET
                                    : SCHEMA_LIST_MAP;
}

static void read_field(const char *name, const char *type, const char *flags)
{
    char v[200];
    if (g.type_count == 0)
        die("a field without a type");
    struct gen_field *f = &g.fields[g.field_count++];
    g.types[g.type_count - 1].count++;
    copy(f->name, sizeof(f->name), name);
    f->wrap = SCHEMA_ONE;
    if (strncmp(type, "[]", 2) == 0) {
        f->wrap = SCHEMA_ARRAY;
        type += 2;
    } else if (strncmp(type, "map:", 4) == 0) {
        type += 4;
        f->wrap = strncmp(type, "[]", 2) == 0 ? SCHEMA_MAP_OF_ARRAY : SCHEMA_MAP;
        type += f->wrap == SCHEMA_MAP_OF_ARRAY ? 2 : 0;
    }
    copy(f->type_name, sizeof(f->type_name), type);
    f->list_type = list_type_of(flags);
    f->map_type = map_type_of(flags);
    f->patch = patch_bits(flags);
    copy(f->keys, sizeof(f->keys), flag(flags, "keys", v, sizeof(v)) ? v : "");
    copy(f->patch_key, sizeof(f->patch_key), flag(flags, "patchkey", v, sizeof(v)) ? v : "");
    copy(f->preset, sizeof(f->preset), flag(flags, "default", v, sizeof(v)) ? v : "");
    f->protobuf_number = flag(flags, "pb", v, sizeof(v)) ? atoi(v) : 0;
    /* go-fields.tsv states the exceptions from this rule. */
    if (word(flags, "req"))
        f->flags = SCHEMA_FIELD_REQUIRED;
    else
        f->flags =
            SCHEMA_FIELD_OMITEMPTY |
            (f->wrap == SCHEMA_ONE && strncmp(type, "io.", 3) == 0 ? SCHEMA_FIELD_POINTER : 0);
}

static int verb_bits(char *verbs)
{
    static const char *const names[] = {"create", "get",   "list",   "watch",
                                        "update", "patch", "delete", "deletecollection",
                                        "connect"};
    int bits = 0;
    for (char *save, *one = strtok_r(verbs, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
        int i = 0;
        while (i < 9 && strcmp(names[i], one) != 0)
            i++;
        if (i == 9)
            die("unknown verb %s", one);
        bits |= 1 << i;
    }
    return bits;
}

static void read_resource(char *group, const char *version, char *name, char *kind,
                          const char *scope, char *verbs)
{
    char text[200];
    const char *kind_group = strcmp(group, "-") == 0 ? "" : group, *kind_version = version;
    struct schema_resource *r = &g.resources[g.resource_count];
    r->group = intern(kind_group);
    r->version = intern(version);
    r->name = intern(name);
    char *slash = strchr(kind, '/');
    if (slash) { /* a kind of another group: all of these are v1 */
        *slash = '\0';
        kind_group = kind;
        kind_version = "v1";
        kind = slash + 1;
    }
    r->kind = intern(kind);
    r->kind_group = intern(kind_group);
    r->kind_version = intern(kind_version);
    snprintf(text, sizeof(text), "%sList", kind);
    r->list_kind = intern(text);
    slash = strchr(name, '/');
    r->subresource = intern(slash ? slash + 1 : "");
    snprintf(text, sizeof(text), "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
    r->plural = intern(text);
    copy(text, sizeof(text), slash ? "" : kind);
    for (char *p = text; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    r->singular = intern(text);
    r->namespaced = strcmp(scope, "ns") == 0;
    r->verbs = (uint16_t)verb_bits(verbs);
    g.resource_count++;
}

static struct gen_field *find_field(const char *type, const char *field)
{
    for (int t = 0; t < g.type_count; t++)
        for (int i = 0; strcmp(g.types[t].name, type) == 0 && i < g.types[t].count; i++)
            if (strcmp(g.fields[g.types[t].first + i].name, field) == 0)
                return &g.fields[g.types[t].first + i];
    die("%s has no field %s", type, field);
}

static void read_go(const char *type, char *words)
{
    for (char *save, *one = strtok_r(words, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
        char *how = strchr(one, '=');
        if (!how || strlen(how) != 3)
            die("%s", one);
        *how++ = '\0';
        struct gen_field *f = find_field(type, one);
        f->flags = (f->flags & SCHEMA_FIELD_REQUIRED) | (how[0] == 'p' ? SCHEMA_FIELD_POINTER : 0) |
                   (how[1] == 'o' ? SCHEMA_FIELD_OMITEMPTY : 0);
    }
}

static void read_line(char *line)
{
    char *c[8] = {0};
    int n = 0;
    for (char *rest = line; rest && n < 8;)
        c[n++] = strsep(&rest, "\t");
    /* P and p lines describe protobuf messages, which no table here holds. */
    if (strchr("#Pp", line[0])) /* also true of an empty line */
        return;
    if (strcmp(c[0], "R") == 0 && n == 7)
        read_resource(c[1], c[2], c[3], c[4], c[5], c[6]);
    else if (strcmp(c[0], "T") == 0 && (n == 2 || n == 3))
        read_type(c[1], c[2] ? c[2] : "");
    else if (strcmp(c[0], "F") == 0 && (n == 3 || n == 4))
        read_field(c[1], c[2], c[3] ? c[3] : "");
    else if (strcmp(c[0], "G") == 0 && n == 3)
        read_go(c[1], c[2]);
    else
        die("a line of %d parts that starts with %s", n, c[0]);
    if (g.type_count == TYPES || g.field_count == FIELDS || g.resource_count == RESOURCES ||
        g.kind_count >= KINDS - 16)
        die("more than this program has room for");
}

static void read_file(const char *path)
{
    char line[4000];
    FILE *in = fopen(path, "r");
    g.path = path;
    g.line = 0;
    if (!in)
        die("cannot be opened");
    while (fgets(line, sizeof(line), in)) {
        g.line++;
        if (!strchr(line, '\n'))
            die("line too long");
        line[strcspn(line, "\r\n")] = '\0';
        read_line(line);
    }
    fclose(in);
}

/* ---- sorting and resolving ---- */

static int by_field_name(const void *a, const void *b)
{
    return strcmp(((const struct gen_field *)a)->name, ((const struct gen_field *)b)->name);
}

static int by_type_name(const void *a, const void *b)
{
    return strcmp(((const struct gen_type *)a)->name, ((const struct gen_type *)b)->name);
}

static int by_kind(const void *a, const void *b)
{
    const struct schema_kind *x = a, *y = b;
    int c = strcmp(g.pool + x->kind, g.pool + y->kind);
    c = c ? c : strcmp(g.pool + x->group, g.pool + y->group);
    return c ? c : strcmp(g.pool + x->version, g.pool + y->version);
}

/* The order in which upstream's discovery lists groups. */
static int rank(const struct schema_resource *r)
{
    static const char *const order[] = {"",
                                        "apiregistration.k8s.io",
                                        "apps",
                                        "events.k8s.io",
                                        "authentication.k8s.io",
                                        "authorization.k8s.io",
                                        "autoscaling",
                                        "batch",
                                        "certificates.k8s.io",
                                        "networking.k8s.io",
                                        "policy",
                                        "rbac.authorization.k8s.io",
                                        "storage.k8s.io",
                                        "admissionregistration.k8s.io",
                                        "apiextensions.k8s.io",
                                        "scheduling.k8s.io",
                                        "coordination.k8s.io",
                                        "node.k8s.io",
                                        "discovery.k8s.io",
                                        "resource.k8s.io",
                                        "flowcontrol.apiserver.k8s.io"};
    int n = sizeof(order) / sizeof(order[0]), i = 0;
    while (i < n && strcmp(order[i], g.pool + r->group) != 0)
        i++;
    /* v2 of a group is preferred to its v1 */
    return i * 100 + 50 - atoi(g.pool + r->version + 1);
}

static int by_rank(const void *a, const void *b)
{
    const struct schema_resource *x = a, *y = b;
    int c = rank(x) - rank(y);
    return c ? c : strcmp(g.pool + x->name, g.pool + y->name);
}

static int type_index(const char *name)
{
    struct gen_type key, *t;
    copy(key.name, sizeof(key.name), name);
    t = bsearch(&key, g.types, (size_t)g.type_count, sizeof(key), by_type_name);
    return t ? (int)(t - g.types) : SCHEMA_NO_TYPE;
}

static void resolve_field(struct gen_field *f)
{
    f->type = SCHEMA_NO_TYPE;
    f->shape = plain_shape(f->type_name);
    if (f->shape >= 0)
        return;
    f->type = type_index(f->type_name);
    if (f->type == SCHEMA_NO_TYPE)
        die("unknown type %s", f->type_name);
    f->shape = g.types[f->type].shape;
}

static void resolve(void)
{
    for (int i = 0; i < g.type_count; i++)
        qsort(g.fields + g.types[i].first, (size_t)g.types[i].count, sizeof(g.fields[0]),
              by_field_name);
    qsort(g.types, (size_t)g.type_count, sizeof(g.types[0]), by_type_name);
    for (int i = 0; i < g.field_count; i++)
        resolve_field(&g.fields[i]);
    for (int i = 0; i < g.kind_count; i++)
        g.kinds[i].type = (uint16_t)type_index(g.kind_type[i]);
    qsort(g.kinds, (size_t)g.kind_count, sizeof(g.kinds[0]), by_kind);
    qsort(g.resources, (size_t)g.resource_count, sizeof(g.resources[0]), by_rank);
    for (int i = 0; i < g.resource_count; i++) {
        struct schema_resource *r = &g.resources[i];
        r->type = SCHEMA_NO_TYPE;
        for (int k = 0; k < g.kind_count; k++)
            if (g.kinds[k].kind == r->kind && g.kinds[k].group == r->kind_group &&
                g.kinds[k].version == r->kind_version)
                r->type = g.kinds[k].type;
        struct schema_version v = {r->group, r->version};
        if (i == 0 || memcmp(&v, &g.versions[g.version_count - 1], sizeof(v)) != 0)
            g.versions[g.version_count++] = v;
    }
}

/* ---- writing ---- */

static void write_types(FILE *out)
{
    fprintf(out, "const struct schema_type schema_types[] = {\n");
    for (int i = 0; i < g.type_count; i++) {
        const struct gen_type *t = &g.types[i];
        unsigned at = intern(t->name);
        const char *dot = strrchr(t->name, '.'), *go = dot;
        while (go > t->name && go[-1] != '.')
            go--;
        fprintf(out, "{%u,%u,%u,%d,%d,%d,%d},\n", at, at + (unsigned)(dot + 1 - t->name),
                at + (unsigned)(go - t->name), t->first, t->count, t->shape, t->map_type);
    }
    fprintf(out, "};\nconst struct schema_field schema_fields[] = {\n");
    for (int i = 0; i < g.field_count; i++) {
        const struct gen_field *f = &g.fields[i];
        fprintf(out, "{%d,%d,%d,%d,%d,%zu,%d,%d,%d,%d,%d,%d,%d},\n", intern(f->name), f->type,
                intern(f->keys), intern(f->patch_key), intern(f->preset), strlen(f->name), f->shape,
                f->wrap, f->list_type, f->map_type, f->patch, f->flags, f->protobuf_number);
    }
    fprintf(out, "};\n");
}

static void write_resources(FILE *out)
{
    fprintf(out, "const struct schema_resource schema_resources[] = {\n");
    for (int i = 0; i < g.resource_count; i++) {
        const struct schema_resource *r = &g.resources[i];
        fprintf(out, "{%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,0},\n", r->group, r->version, r->plural,
                r->subresource, r->name, r->singular, r->kind, r->kind_group, r->kind_version,
                r->list_kind, r->type, r->verbs, r->namespaced);
    }
    fprintf(out, "};\nconst struct schema_kind schema_kinds[] = {\n");
    for (int i = 0; i < g.kind_count; i++)
        fprintf(out, "{%d,%d,%d,%d},\n", g.kinds[i].group, g.kinds[i].version, g.kinds[i].kind,
                g.kinds[i].type);
    fprintf(out, "};\nconst struct schema_version schema_versions[] = {\n");
    for (int i = 0; i < g.version_count; i++)
        fprintf(out, "{%d,%d},\n", g.versions[i].group, g.versions[i].version);
    fprintf(out, "};\n");
}

static void write_pool(FILE *out)
{
    fprintf(out, "const char schema_pool[] =\n");
    for (int i = 0; i < g.string_count; i++) {
        fputc('"', out);
        for (const char *p = g.pool + g.strings[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                fputc('\\', out);
            fputc(*p, out);
        }
        fprintf(out, "\\0\"\n");
    }
    fprintf(out,
            ";\nconst uint16_t schema_type_total = %d, schema_resource_total = %d,\n"
            "    schema_kind_total = %d, schema_version_total = %d;\n",
            g.type_count, g.resource_count, g.kind_count, g.version_count);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: schema_gen API.tsv GO-FIELDS.tsv OUT.c\n");
        return 2;
    }
    intern("");
    read_file(argv[1]);
    read_file(argv[2]);
    resolve();
    FILE *out = fopen(argv[3], "w");
    if (!out)
        die("cannot write %s", argv[3]);
    fprintf(out, "/* Made by core/schema/gen/schema_gen.c; do not edit. */\n"
                 "#include \"schema/schema_int.h\"\n");
    write_types(out);
    write_resources(out);
    write_pool(out);
    if (fclose(out) != 0)
        die("cannot write %s", argv[3]);
    return 0;
}
