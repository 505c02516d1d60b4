/* Certificates, as clients and configured authorities present them: read whole, or refused. */
#include "base/assert.h"
#include "port/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cert_info info;
    struct err err = {0};
    if (cert_parse(str_make(data, size), &info, &err) < 0)
        return 0;
    ASSERT(info.org_count <= CERT_MAX_ORGS);
    ASSERT(memchr(info.common_name, 0, sizeof info.common_name));
    for (size_t i = 0; i < info.org_count; i++)
        ASSERT(memchr(info.orgs[i], 0, sizeof info.orgs[i]));
    return 0;
}
