/*
 * Tables as the API server sends them when a client asks for `as=Table` (meta.k8s.io/v1): columns
 * of a resource, and one row an object, with the cells that upstream's printers compute.
 */
#ifndef SCHEMA_PRINTERS_H
#define SCHEMA_PRINTERS_H

#include "schema/schema.h"

enum printers_include { PRINTERS_METADATA, PRINTERS_NONE, PRINTERS_OBJECT }; /* includeObject= */

struct printers_options {
    int64_t now_ms; /* Unix time, for ages */
    enum printers_include include;
};

/* columnDefinitions; for a resource without columns of its own: Name and Age. NULL: out of memory.
 */
struct json *printers_columns(struct arena *a, const struct schema_resource *r);
/* One element of rows: {cells, object}. The object is not changed; parts of it are copied. */
struct json *printers_row(struct arena *a, const struct schema_resource *r,
                          const struct json *object, const struct printers_options *options);
/* A whole Table of one object or of a list (its items; metadata is taken over). NULL: out of
 * memory. */
struct json *printers_table(struct arena *a, const struct schema_resource *r,
                            const struct json *object_or_list,
                            const struct printers_options *options);
/* "5s", "3m20s", "47h", "12d", "2y45d": the age of something `since_ms` ago, as `kubectl` shows it.
 */
void printers_age(char out[16], int64_t since_ms);

#endif
