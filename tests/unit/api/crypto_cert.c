/* The real driver: what crypto_csr.c shares with it. */
#include "drivers/crypto/cert.c"
