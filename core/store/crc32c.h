/* CRC32C (Castagnoli; RFC 3720 appendix B.4). Start with 0; feed the result to go on. */
#ifndef STORE_CRC32C_H
#define STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n); /* the same, without instructions */

#endif
