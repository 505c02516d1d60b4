/* See protobuf.h. The wire format: https://protobuf.dev/programming-guides/encoding */
#include "schema/protobuf.h"

#include <math.h>
#include <stdio.h>

#include "base/limits.h"
#include "codec/time.h"
#include "codec/utf8.h"
#include "schema/protobuf_int.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct item { /* one field of a message */
    uint32_t number;
    enum wire wire;
    uint64_t value;   /* of VARINT, FIXED32 and FIXED64 */
    struct str bytes; /* of BYTES */
};

struct decode {
    struct arena *arena;
    struct err *err;
    unsigned depth;
    char path[200]; /* of what is being read; stays where a failure happened */
    size_t path_bytes;
};

static int malformed(struct decode *d, const char *what)
{
    return err_set(d->err, E_SYNTAX, "malformed protobuf: %s", what);
}

/* A path that is too long loses its tail: it is only for people. */
static void enter(struct decode *d, const char *before, struct str name, const char *after)
{
    struct str parts[] = {str_of(before), name, str_of(after)};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t room = sizeof(d->path) - d->path_bytes;
        size_t n = parts[i].n < room ? parts[i].n : room;
        if (n)
            memcpy(d->path + d->path_bytes, parts[i].p, n);
        d->path_bytes += n;
    }
}

static void enter_index(struct decode *d, uint32_t index)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", index);
    enter(d, "[", str_of(text), "]");
}

static int no_memory(struct decode *d)
{
    return err_set(d->err, E_NOMEM, "out of memory");
}

/* ---- the wire ---- */

static bool take_varint(struct str *rest, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && rest->n; shift += 7) {
        uint8_t byte = (uint8_t)rest->p[0];
        *rest = str_make(rest->p + 1, rest->n - 1);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct str *rest, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    if (rest->n < n)
        return false;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | (uint8_t)rest->p[i];
    *rest = str_make(rest->p + n, rest->n - n);
    *ret = v;
    return true;
}

static bool take_item(struct str *rest, struct item *ret)
{
    uint64_t key, size;
    if (!take_varint(rest, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
        return false;
    *ret = (struct item){.number = (uint32_t)(key >> 3), .wire = (enum wire)(key & 7)};
    switch (ret->wire) {
    case WIRE_VARINT:
        return take_varint(rest, &ret->value);
    case WIRE_FIXED64:
        return take_fixed(rest, 8, &ret->value);
    case WIRE_FIXED32:
        return take_fixed(rest, 4, &ret->value);
    case WIRE_BYTES:
        if (!take_varint(rest, &size) || size > rest->n)
            return false;
        ret->bytes = str_make(rest->p, (size_t)size);
        *rest = str_make(rest->p + size, rest->n - (size_t)size);
        return true;
    default:
        return false;
    }
}

/* The last field of that number; false: malformed. */
static bool find_item(struct str message, uint32_t number, struct item *ret)
{
    struct item one;
    *ret = (struct item){.number = 0};
    while (message.n) {
        if (!take_item(&message, &one))
            return false;
        if (one.number == number)
            *ret = one;
    }
    return true;
}

/* ---- values ---- */

static int decode_struct(struct decode *d, const struct schema_type *type, struct str message,
                         struct json *object);

static int put_text(struct decode *d, struct str s, struct json **ret)
{
    if (!utf8_valid(s))
        return malformed(d, "a string is not UTF-8");
    *ret = json_new_str(d->arena, s);
    return *ret ? 0 : no_memory(d);
}

static int put_bytes(struct decode *d, struct str s, struct json **ret)
{
    char *text = arena_alloc(d->arena, base64_encoded_size(s.n));
    if (!text)
        return no_memory(d);
    *ret = json_new_str(d->arena, str_make(text, base64_encode(text, s.p, s.n)));
    return *ret ? 0 : no_memory(d);
}

/* A zero time is an empty message: no member at all. */
static int put_time(struct decode *d, struct str message, bool micro, struct json **ret)
{
    struct item seconds, nanos;
    char text[TIME_TEXT];
    *ret = NULL;
    if (!find_item(message, 1, &seconds) || !find_item(message, 2, &nanos))
        return malformed(d, "a time");
    int64_t s = (int64_t)seconds.value;
    if (!message.n)
        return 0;
    if (s < -62135596800 || s > 253402300799)
        return malformed(d, "a time out of range");
    int64_t us = s * 1000000 + (int64_t)(nanos.value % 1000000000) / 1000;
    if (micro)
        time_format_micro(us, text);
    else
        time_format(us, text);
    *ret = json_new_cstr(d->arena, text);
    return *ret ? 0 : no_memory(d);
}

static int put_int_or_string(struct decode *d, struct str message, struct json **ret)
{
    struct item kind, number, text;
    if (!find_item(message, 1, &kind) || !find_item(message, 2, &number) ||
        !find_item(message, 3, &text))
        return malformed(d, "an int-or-string");
    if (kind.value == 1)
        return put_text(d, text.bytes.p ? text.bytes : STR(""), ret);
    *ret = json_new_i64(d->arena, (int32_t)number.value);
    return *ret ? 0 : no_memory(d);
}

static int put_struct(struct decode *d, const struct schema_type *type, struct str message,
                      struct json **ret)
{
    *ret = json_new(d->arena, JSON_OBJECT);
    return *ret ? decode_struct(d, type, message, *ret) : no_memory(d);
}

static int put_choice(struct decode *d, enum protobuf_choice choice, struct str message, struct json **ret)
{
    const struct schema_type *type = schema_type_find(STR(PROTOBUF_SCHEMA_PROPS));
    uint32_t schema_number = choice == CHOICE_BOOL ? 2 : 1;
    struct json *list = json_new(d->arena, JSON_ARRAY), *schema = NULL, *element;
    bool allows = false;
    struct item item;
    int rc = 0;
    while (message.n && rc == 0) {
        if (!take_item(&message, &item))
            return malformed(d, "a schema");
        if (item.number != 1 && item.number != 2)
            continue;
        bool number = choice == CHOICE_BOOL && item.number == 1;
        if (number != (item.wire == WIRE_VARINT) || (!number && item.wire != WIRE_BYTES))
            return malformed(d, "a field of the wrong wire type");
        if (number) {
            allows = item.value != 0;
        } else if (item.number == schema_number) {
            rc = put_struct(d, type, item.bytes, &schema);
        } else {
            rc = choice == CHOICE_NAMES ? put_text(d, item.bytes, &element)
                                        : put_struct(d, type, item.bytes, &element);
            if (rc == 0)
                json_append(d->arena, list, element);
        }
    }
    if (rc < 0)
        return rc;
    *ret = json_count(list) ? list : schema;
    if (!*ret && choice == CHOICE_BOOL)
        *ret = json_new_bool(d->arena, allows);
    return d->arena->failed ? no_memory(d) : 0;
}

/* RawExtension, JSON, FieldsV1: JSON text inside. */
static int put_raw(struct decode *d, const struct schema_field *f, struct str message,
                   struct json **ret)
{
    struct item raw;
    *ret = NULL;
    /* CustomResourceSubresourceStatus: a message without fields, whose presence says all. */
    if (!message.n && schema_field_shape(f) == SCHEMA_OBJECT &&
        cstr_eq(schema_field_name(f), "status")) {
        *ret = json_new(d->arena, JSON_OBJECT);
        return *ret ? 0 : no_memory(d);
    }
    if (!find_item(message, 1, &raw) || (raw.number && raw.wire != WIRE_BYTES))
        return malformed(d, "a raw value");
    return raw.bytes.n ? json_parse(d->arena, raw.bytes, NULL, ret, d->err) : 0;
}

/* As the JSON reader has it: whole numbers are integers. */
static int put_double(struct decode *d, uint64_t bits, struct json **ret)
{
    const double exact = 9007199254740992; /* 2^53 */
    double v;
    memcpy(&v, &bits, sizeof(v));
    if (!isfinite(v))
        return malformed(d, "a number that JSON does not have");
    if (v > -exact && v < exact && v == (double)(int64_t)v) {
        *ret = json_new_i64(d->arena, (int64_t)v);
        return *ret ? 0 : no_memory(d);
    }
    *ret = json_new(d->arena, JSON_DOUBLE);
    if (*ret)
        (*ret)->number = v;
    return *ret ? 0 : no_memory(d);
}

static int put_number(struct decode *d, enum schema_shape shape, const struct item *item,
                      struct json **ret)
{
    if (shape == SCHEMA_DOUBLE)
        return put_double(d, item->value, ret);
    if (shape == SCHEMA_BOOL) {
        *ret = json_new_bool(d->arena, item->value != 0);
    } else if (shape == SCHEMA_INT32) {
        *ret = json_new_i64(d->arena, (int32_t)item->value);
    } else {
        *ret = json_new_i64(d->arena, (int64_t)item->value);
    }
    return *ret ? 0 : no_memory(d);
}

static bool is_number(enum schema_shape shape)
{
    return shape == SCHEMA_INT32 || shape == SCHEMA_INT64 || shape == SCHEMA_BOOL ||
           shape == SCHEMA_DOUBLE;
}

static enum wire wire_of(enum schema_shape shape)
{
    return shape == SCHEMA_DOUBLE ? WIRE_FIXED64 : is_number(shape) ? WIRE_VARINT : WIRE_BYTES;
}

/* One value of the innermost shape; *ret is NULL when it counts as absent. */
static int put_value(struct decode *d, const struct schema_field *f, const struct item *item,
                     struct json **ret)
{
    enum schema_shape shape = schema_field_shape(f);
    struct item text;
    if (item->wire != wire_of(shape))
        return malformed(d, "a field of the wrong wire type");
    switch (shape) {
    case SCHEMA_STRING:
        return put_text(d, item->bytes, ret);
    case SCHEMA_BYTES:
        return put_bytes(d, item->bytes, ret);
    case SCHEMA_INT_OR_STRING:
        return put_int_or_string(d, item->bytes, ret);
    case SCHEMA_QUANTITY:
        if (!find_item(item->bytes, 1, &text) || (text.number && text.wire != WIRE_BYTES))
            return malformed(d, "a quantity");
        return put_text(d, text.bytes.n ? text.bytes : STR("0"), ret);
    case SCHEMA_TIME:
    case SCHEMA_MICRO_TIME:
        return put_time(d, item->bytes, shape == SCHEMA_MICRO_TIME, ret);
    case SCHEMA_ANY:
    case SCHEMA_OBJECT:
        return protobuf_choice_of(f) == CHOICE_NONE ? put_raw(d, f, item->bytes, ret)
                                           : put_choice(d, protobuf_choice_of(f), item->bytes, ret);
    case SCHEMA_STRUCT:
        return put_struct(d, schema_field_type(f), item->bytes, ret);
    default:
        return put_number(d, shape, item, ret);
    }
}

/* Numbers may come packed into one field. */
static int put_element(struct decode *d, const struct schema_field *f, const struct item *item,
                       struct json *list)
{
    struct json *value;
    struct str rest = item->bytes;
    struct item one = {.number = item->number, .wire = wire_of(schema_field_shape(f))};
    int rc = 0;
    enter_index(d, json_count(list));
    if (item->wire != WIRE_BYTES || !is_number(schema_field_shape(f))) {
        rc = put_value(d, f, item, &value);
        if (rc == 0 && value)
            json_append(d->arena, list, value);
        return rc;
    }
    while (rest.n && rc == 0) {
        if (one.wire == WIRE_VARINT ? !take_varint(&rest, &one.value)
                                    : !take_fixed(&rest, 8, &one.value))
            return malformed(d, "a packed list");
        rc = put_value(d, f, &one, &value);
        if (rc == 0)
            json_append(d->arena, list, value);
    }
    return rc;
}

/* The values of map:[]string are messages of their own (ExtraValue). */
static int put_strings(struct decode *d, struct str message, struct json *list)
{
    struct item item;
    while (message.n) {
        struct json *text;
        if (!take_item(&message, &item) || item.wire != WIRE_BYTES)
            return malformed(d, "a list of strings");
        int rc = put_text(d, item.bytes, &text);
        if (rc < 0)
            return rc;
        json_append(d->arena, list, text);
    }
    return 0;
}

static int put_entry(struct decode *d, const struct schema_field *f, struct str entry,
                     struct json *map)
{
    struct item key, value;
    struct json *j = NULL;
    int rc;
    if (!find_item(entry, 1, &key) || !find_item(entry, 2, &value) || !utf8_valid(key.bytes))
        return malformed(d, "a map");
    if (!key.bytes.p)
        key.bytes = STR("");
    /* Keeps the linear search for equal keys harmless, as in the JSON reader. */
    if (json_count(map) >= JSON_OBJECT_MEMBERS)
        return err_set(d->err, E_LIMIT, "more than %d members in one object", JSON_OBJECT_MEMBERS);
    enter(d, "[", key.bytes, "]");
    if (!value.number) /* left out when empty */
        value =
            (struct item){.number = 2, .wire = wire_of(schema_field_shape(f)), .bytes = STR("")};
    if (schema_field_wrap(f) == SCHEMA_MAP_OF_ARRAY) {
        j = json_new(d->arena, JSON_ARRAY);
        rc = j ? put_strings(d, value.bytes, j) : no_memory(d);
    } else {
        rc = put_value(d, f, &value, &j);
    }
    if (rc == 0) /* the key stays, with null, when its value counts as absent */
        json_set_key(d->arena, map, key.bytes, j ? j : json_new(d->arena, JSON_NULL));
    return rc;
}

/* ---- messages ---- */

static int put_field(struct decode *d, const struct schema_field *f, const struct item *item,
                     struct json *object)
{
    const char *name = schema_field_name(f);
    size_t path_bytes = d->path_bytes;
    struct json *value;
    int rc;
    enter(d, path_bytes ? "." : "", str_of(name), "");
    switch (schema_field_wrap(f)) {
    case SCHEMA_ARRAY:
        value = json_array_at(d->arena, object, name);
        rc = value ? put_element(d, f, item, value) : no_memory(d);
        break;
    case SCHEMA_MAP:
    case SCHEMA_MAP_OF_ARRAY:
        if (item->wire != WIRE_BYTES)
            return malformed(d, "a map");
        value = json_object_at(d->arena, object, name);
        rc = value ? put_entry(d, f, item->bytes, value) : no_memory(d);
        break;
    default:
        rc = put_value(d, f, item, &value);
        if (rc == 0 && value)
            json_set(d->arena, object, name, value);
    }
    if (rc == 0 && d->arena->failed)
        rc = no_memory(d);
    if (rc == 0)
        d->path_bytes = path_bytes;
    return rc;
}

static const struct schema_field *field_of(const struct schema_type *type, uint32_t number)
{
    for (size_t i = 0; i < schema_type_field_count(type); i++)
        if (schema_fields[type->field_first + i].protobuf_number == number)
            return schema_type_field_at(type, i);
    return NULL;
}

static int decode_embedded(struct decode *d, const struct schema_type *type,
                           const struct protobuf_embedded *e, struct str message, struct json *object)
{
    struct item item;
    int rc = 0;
    while (message.n && rc == 0) {
        if (!take_item(&message, &item))
            return malformed(d, e->type);
        const struct protobuf_embedded *inner = e->message ? protobuf_embedded_of(e->message, item.number) : NULL;
        const struct schema_field *f = protobuf_embedded_field(type, e, item.number);
        if (inner && item.wire == WIRE_BYTES)
            rc = decode_embedded(d, type, inner, item.bytes, object);
        else if (f)
            rc = put_field(d, f, &item, object);
    }
    return rc;
}

static int decode_struct(struct decode *d, const struct schema_type *type, struct str message,
                         struct json *object)
{
    struct item item;
    int rc = 0;
    if (++d->depth > LIMIT_JSON_DEPTH)
        return err_set(d->err, E_LIMIT, "nested more than %d deep", LIMIT_JSON_DEPTH);
    while (message.n && rc == 0) {
        if (!take_item(&message, &item))
            return malformed(d, schema_type_short_name(type));
        const struct protobuf_embedded *e = protobuf_embedded_of(schema_type_short_name(type), item.number);
        const struct schema_field *f = e ? NULL : field_of(type, item.number);
        if (e && item.wire == WIRE_BYTES)
            rc = decode_embedded(d, type, e, item.bytes, object);
        else if (f)
            rc = put_field(d, f, &item, object);
    }
    d->depth--;
    return rc;
}

/* ---- the envelope ---- */

static const struct schema_type *find_type(struct str version, struct str kind)
{
    ptrdiff_t slash = str_find_byte(version, '/');
    struct str group = slash < 0 ? STR("") : str_make(version.p, (size_t)slash);
    struct str v =
        slash < 0 ? version : str_make(version.p + slash + 1, version.n - (size_t)slash - 1);
    /* Options belong to every group version. */
    if (str_is(kind, "DeleteOptions"))
        return schema_type_find(STR("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"));
    return schema_type_of_kind(group, v, kind);
}

int protobuf_decode(struct arena *a, struct str body, struct json **ret_object, struct err *err)
{
    struct decode d = {.arena = a, .err = err};
    struct item meta, raw, version, kind;
    if (!str_starts(body, str_make("k8s", 4)))
        return malformed(&d, "the body does not begin with k8s");
    struct str unknown = str_make(body.p + 4, body.n - 4);
    if (!find_item(unknown, 1, &meta) || !find_item(unknown, 2, &raw) ||
        !find_item(meta.bytes, 1, &version) || !find_item(meta.bytes, 2, &kind) ||
        (raw.number && raw.wire != WIRE_BYTES))
        return malformed(&d, "the envelope");
    const struct schema_type *type = find_type(version.bytes, kind.bytes);
    if (!type)
        return err_set(err, E_BAD_REQUEST,
                       "no kind \"" STR_FMT "\" is registered for version \"" STR_FMT "\"",
                       STR_ARG(kind.bytes), STR_ARG(version.bytes));
    struct json *object = json_new(a, JSON_OBJECT);
    json_set_str(a, object, "kind", kind.bytes);
    json_set_str(a, object, "apiVersion", version.bytes);
    int rc = a->failed ? no_memory(&d) : decode_struct(&d, type, raw.bytes, object);
    if (rc < 0)
        return d.path_bytes ? err_wrap(err, rc, "%.*s", (int)d.path_bytes, d.path) : rc;
    *ret_object = object;
    return 0;
}
