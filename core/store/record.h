/*
 * A value with its key as bytes, as in snapshots on disk and on their way to another replica,
 * little-endian: u16 key size, u32 value size, i64 create, modification revision, version, key,
 * value.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/buf.h"
#include "base/limits.h"
#include "store/store.h"

enum { RECORD_HEAD = 30, RECORD_MAX = RECORD_HEAD + STORE_KEY_MAX + LIMIT_OBJECT_BYTES };

/* Sets b->failed without memory. */
void store_record_append(struct buf *b, const struct store_value *v);
/* The record at *at, which moves behind it. -E_CORRUPT: it breaks a bound or passes end; -E_NOMEM. */
int store_record_read(const char **at, const char *end, void (*attach_free)(void *attached),
                struct store_value **ret_value) MUST_CHECK;

#endif
