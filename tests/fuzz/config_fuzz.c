/* keelson.yaml, as a user writes it. Checked: what is taken survives the way to PID 1 unchanged. */
#include "base/assert.h"
#include "main/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct config *c)
{
    static unsigned char buffer[LIMIT_IMSG_BYTES];
    static struct config again; /* both too large for the stack */
    struct imsg_out out;
    struct imsg_in in = {0};
    ASSERT(config_name_ok(str_of(c->name)));
    imsg_begin(&out, buffer, sizeof buffer, 1, 0);
    config_put(&out, c, -1);
    ASSERT(!out.failed && imsg_parse(&in, out.p, out.n) == 0);
    ASSERT(config_get(&in, &again) == 0);
    ASSERT(strcmp(c->name, again.name) == 0 && c->named == again.named);
    ASSERT(strcmp(c->endpoint, again.endpoint) == 0 && strcmp(c->registries, again.registries) == 0);
    ASSERT(c->network.addr_count == again.network.addr_count);
    ASSERT(memcmp(c->network.prefix_lens, again.network.prefix_lens, sizeof again.network.prefix_lens) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config c;
    struct err err = {0};
    if (config_parse("keelson.yaml", str_make((const char *)data, size), &c, &err) == 0)
        check(&c);
    else
        ASSERT(err.code && err.text[0]);
    return 0;
}
