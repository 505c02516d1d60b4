/* The real driver: certificate requests are read as in production. */
#include "drivers/crypto/csr.c"
