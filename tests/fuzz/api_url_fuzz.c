/* No spelling of a path names an object that another part of the server would read differently. */
#include "api/api_int.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct str s)
{
    ASSERT(!str_is(s, ".") && !str_is(s, ".."));
    ASSERT(str_find_byte(s, '/') < 0 && str_find_byte(s, 0) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct url u;
    struct err err;
    arena_init(&a, 16 << 20);
    if (url_parse(&a, size % 2 ? "GET" : "POST", str_make(data, size), &u, &err) == 0 &&
        u.is_resource) {
        check_name(u.ns);
        check_name(u.name);
        check_name(u.resource);
        check_name(u.subresource);
        ASSERT(u.param_count <= URL_PARAMS);
    }
    arena_done(&a);
    return 0;
}
