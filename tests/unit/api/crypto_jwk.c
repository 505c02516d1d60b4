/* The real driver: keys of other issuers. */
#include "drivers/crypto/jwk.c"
