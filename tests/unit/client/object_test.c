/* Objects as caches keep them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/object.h"

static void objects_are_kept_without_their_managers(void **state)
{
    struct arena a CLEANUP_ARENA;
    struct json *j;
    struct object *o;
    (void)state;
    arena_init(&a, 1 << 20);
    const char *text =
        "{\"kind\":\"A\",\"metadata\":{\"name\":\"x\",\"managedFields\":[{\"manager\":\"m\"}],"
        "\"uid\":\"u\"},\"managedFields\":1,\"spec\":{\"metadata\":{\"managedFields\":2}}}";
    assert_int_equal(json_parse(&a, str_of(text), NULL, &j, NULL), 0);
    assert_int_equal(object_new(j, &o), 0);
    assert_string_equal(o->json.p,
                        "{\"kind\":\"A\",\"metadata\":{\"name\":\"x\",\"uid\":\"u\"},"
                        "\"managedFields\":1,\"spec\":{\"metadata\":{\"managedFields\":2}}}");
    object_unref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(objects_are_kept_without_their_managers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
