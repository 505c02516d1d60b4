/*
 * Objects as a client sends them (objects/NAME.yaml) against the form in which they are stored and
 * the row that `kubectl get -o wide` shows (objects/NAME.expected), byte for byte. GOLDEN_UPDATE=1
 * writes the expected files anew; read the difference before committing it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/yaml.h"
#include "schema/printers.h"

#define FOLDER "tests/golden/objects/"

static const char *const names[] = {"deployment", "pod", "service", "node"};

static void read_file(const char *name, const char *suffix, struct buf *out)
{
    char path[200];
    snprintf(path, sizeof(path), FOLDER "%s%s", name, suffix);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: cannot be read (run from the top of the tree)", path);
    for (int c = getc(f); c != EOF; c = getc(f))
        buf_putc(out, (char)c);
    fclose(f);
}

static void write_file(const char *name, const char *suffix, struct buf *text)
{
    char path[200];
    snprintf(path, sizeof(path), FOLDER "%s%s", name, suffix);
    FILE *f = fopen(path, "w");
    if (!f || fputs(buf_cstr(text), f) == EOF || fclose(f) == EOF)
        fail_msg("%s: cannot be written", path);
}

static const struct schema_resource *resource_of(const struct json *object)
{
    struct str group = json_str(json_get(object, "apiVersion")), version;
    if (str_find_byte(group, '/') < 0) {
        version = group;
        group = STR("");
    } else {
        version = group;
        str_split(&version, '/', &group);
    }
    for (size_t i = 0; i < schema_resource_count(); i++) {
        const struct schema_resource *r = schema_resource_at(i);
        if (str_is(group, schema_resource_group(r)) &&
            str_is(version, schema_resource_version(r)) &&
            str_is(json_str(json_get(object, "kind")), schema_resource_kind(r)))
            return r;
    }
    return NULL;
}

static void write_result(struct arena *a, struct json *object, struct buf *out)
{
    const struct schema_resource *r = resource_of(object);
    const struct printers_options o = {.now_ms = 1795434489000, .include = PRINTERS_NONE};
    struct err err;
    assert_non_null(r);
    assert_int_equal(schema_default(a, schema_resource_type(r), object), 0);
    if (schema_check(a, schema_resource_type(r), object, SCHEMA_STRICT, NULL, &err))
        fail_msg("%s", err.text);
    json_write_pretty(out, object);
    const struct json *c = json_first(printers_columns(a, r));
    const struct json *v = json_first(json_get(printers_row(a, r, object, &o), "cells"));
    for (; c && v; c = c->next, v = v->next) {
        buf_printf(out, "\n%s: ", json_cstr(json_get(c, "name")));
        json_write(out, v);
    }
    buf_putc(out, '\n');
    assert_true(!c && !v && !out->failed);
}

static void objects_are_stored_and_shown_as_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct arena a;
        struct json *object;
        struct err err;
        CLEANUP_BUF struct buf in, out, expected;
        arena_init(&a, 16 << 20);
        buf_init(&in, 1 << 20);
        buf_init(&out, 1 << 20);
        buf_init(&expected, 1 << 20);
        read_file(names[i], ".yaml", &in);
        if (yaml_parse(&a, buf_str(&in), NULL, &object, NULL, &err))
            fail_msg("%s: %s", names[i], err.text);
        write_result(&a, object, &out);
        if (getenv("GOLDEN_UPDATE"))
            write_file(names[i], ".expected", &out);
        read_file(names[i], ".expected", &expected);
        assert_string_equal(buf_cstr(&out), buf_cstr(&expected));
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(objects_are_stored_and_shown_as_expected)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
