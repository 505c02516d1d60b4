/* Certificate requests, which anybody who may create one sends: read whole, or refused with why. */
#include <stdlib.h>

#include "port/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct csr_info info;
    struct err err = {0};
    if (csr_parse(str_make(data, size), &info, &err) < 0)
        return 0;
    if (info.org_count > CERT_MAX_ORGS || info.dns_count > CERT_MAX_NAMES ||
        info.ip_count > CERT_MAX_NAMES)
        abort();
    return 0;
}
