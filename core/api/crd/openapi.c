/* What is published of the schemas of definitions. */
#include "api/crd/crd.h"

int crd_openapi_v3(struct api *api, struct str group, struct str version, struct buf *out)
{
    struct crd *const *all;
    size_t count;
    bool found = false;
    int rc = crd_all(api, &all, &count);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        const struct crd_version *v =
            str_is(group, all[i]->group) ? crd_version_find(all[i], version) : NULL;
        found = found || (v && v->served);
    }
    if (!found)
        return -E_NOT_FOUND;
    buf_puts(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes CRD Swagger\",\"version\":"
                  "\"v0.1.0\"},\"paths\":{},\"components\":{\"schemas\":{}}}\n");
    return out->failed ? -E_NOMEM : 0;
}
