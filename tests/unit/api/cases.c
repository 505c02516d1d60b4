/* See cases.h. */
#include "cases.h"

#include <stdio.h>

static void write_causes(struct buf *out, const struct json *causes)
{
    for (const struct json *c = json_first(causes); c; c = c->next) {
        const char *reason = json_path_cstr(c, "reason");
        assert_int_equal(strncmp(reason, "FieldValue", 10), 0);
        buf_printf(out, "%s%s %s: %s", c == json_first(causes) ? "" : "\n", reason + 10,
                   json_path_cstr(c, "field"), json_path_cstr(c, "message"));
    }
}

static void check_case(const struct answer *a, const struct invalid_case *c)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    write_causes(&text, json_path(a->json, "details.causes"));
    if (a->status != (c->causes[0] ? 422 : a->status == 201 ? 201 : 200) ||
        strcmp(buf_cstr(&text), c->causes) != 0)
        fail_msg("%s\nis answered with %d %s\n%s\ninstead of\n%s", c->object, a->status,
                 json_path_cstr(a->json, "message"), buf_cstr(&text), c->causes);
    buf_done(&text);
}

void check_created(struct fixture *f, const char *collection, const struct invalid_case *cases)
{
    char target[400];
    snprintf(target, sizeof target, "%s?dryRun=All", collection);
    for (; cases->object; cases++)
        check_case(ask(f, "POST", target, cases->object), cases);
}

void check_patched(struct fixture *f, const char *path, const struct invalid_case *cases)
{
    char target[400];
    snprintf(target, sizeof target, "%s?dryRun=All", path);
    for (; cases->object; cases++)
        check_case(ask_with(f, NULL, "PATCH", target, "application/merge-patch+json", NULL,
                            cases->object),
                   cases);
}
