/* Between the table writer and the files that know the kinds. */
#ifndef SCHEMA_PRINTERS_INT_H
#define SCHEMA_PRINTERS_INT_H

#include "schema/printers.h"

struct printers_row {
    struct arena *arena;
    struct json *cells;
    int64_t now_ms;
};

/*
 * One kind. Columns are one text, parts separated by '|': "Name", "Ready", "#Data" (integer),
 * "IP+" (priority 1: only `-o wide` shows it). The function writes one cell for each.
 */
struct printers_kind {
    const char *group, *plural, *columns;
    void (*cells)(struct printers_row *row, const struct json *object);
};

extern const struct printers_kind printers_workloads[], printers_basics[],
    printers_others[]; /* end: NULL plural */

/* printers_custom.c: resources that clients defined */
struct json *printers_custom_columns(struct arena *a, const struct schema_resource *r);
void printers_custom_cells(struct printers_row *row, const struct schema_resource *r,
                           const struct json *object);

/* ---- cells ---- */
void printers_put(struct printers_row *row, const char *text);
void printers_put_or(struct printers_row *row, const char *text, const char *when_empty);
/* Out of memory in the text makes the whole row fail. */
void printers_put_buf(struct printers_row *row, struct buf *text, const char *when_empty);
void printers_put_int(struct printers_row *row, int64_t value);
void printers_putf(struct printers_row *row, const char *fmt, ...) PRINTF_LIKE(2, 3);
void printers_put_name(struct printers_row *row, const struct json *object);
void printers_put_created(struct printers_row *row, const struct json *object); /* its age */
void printers_put_since(struct printers_row *row, const struct json *time, const char *when_absent);
void printers_put_labels(struct printers_row *row,
                         const struct json *map); /* "a=b,c=d" or <none> */
/* A LabelSelector as text, or when_empty. */
void printers_put_selector(struct printers_row *row, const struct json *selector,
                           const char *when_empty);
void printers_put_containers(struct printers_row *row,
                             const struct json *pod_spec); /* two: names, images */
/* member of each element ("" for the elements themselves), with ',' between; "when_empty" if none.
 */
void printers_put_joined(struct printers_row *row, const struct json *list, const char *member,
                         const char *when_empty);
void printers_put_access_modes(struct printers_row *row, const struct json *modes);
void printers_put_bool(struct printers_row *row, const struct json *j, const char *when_absent);
/* The age of a timestamp in text form: "<unknown>" when it is none. */
void printers_since(const struct printers_row *row, const struct json *time, char out[16]);
/* The condition of a type within status.conditions, or NULL. */
const struct json *printers_condition(const struct json *object, const char *type);
bool printers_condition_true(const struct json *object, const char *type);

#endif
