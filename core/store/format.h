/* Little-endian fields of what is on disk, at any alignment. */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include <stdint.h>

static inline void put_u16(void *p, uint16_t v)
{
    unsigned char *b = p;
    b[0] = (unsigned char)v;
    b[1] = (unsigned char)(v >> 8);
}

static inline void put_u32(void *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16((char *)p + 2, (uint16_t)(v >> 16));
}

static inline void put_u64(void *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32((char *)p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t get_u16(const void *p)
{
    const unsigned char *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t get_u32(const void *p)
{
    return get_u16(p) | (uint32_t)get_u16((const char *)p + 2) << 16;
}

static inline uint64_t get_u64(const void *p)
{
    return get_u32(p) | (uint64_t)get_u32((const char *)p + 4) << 32;
}

#endif
