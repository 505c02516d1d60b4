/*
 * The keys of service accounts' tokens, kept by the role keys: the one that signs, and the public
 * halves of those that signed before, which verify until every token of theirs has long ended.
 *
 *   sa.key   "created: SECONDS" and the private key, PEM
 *   sa.old   for each former key "retired: SECONDS" and its public half, PEM; newest first
 *   sa.rotate  an empty file of this name asks for a new key at the next start of keys
 *
 * A new key is made after 90 days; a former one is forgotten a year after it was retired.
 */
#ifndef MAIN_ACCOUNT_KEYS_H
#define MAIN_ACCOUNT_KEYS_H

#include "base/buf.h"
#include "port/crypto.h"

struct account_keys {
    struct crypto_key *signing, *before; /* before: for what was asked under it; or NULL */
    int64_t created_s, before_created_s;
    struct buf old;        /* sa.old */
    struct buf public_pem; /* of all: the signing one first */
};

/* Reads the directory's files, or makes the first key. On failure *ret is done. */
int account_keys_open(struct account_keys *ret, int dir_fd, int64_t now_s, struct err *err) MUST_CHECK;
void account_keys_done(struct account_keys *k);
/* A new key if the time has come. 1: public_pem is another one now. */
int account_keys_turn(struct account_keys *k, int dir_fd, int64_t now_s, struct err *err) MUST_CHECK;
/* The key that was the signing one when it was created at that second; NULL: no more. 0: today's. */
const struct crypto_key *account_keys_find(const struct account_keys *k, int64_t created_s);

#endif
