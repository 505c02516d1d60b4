/* Which addresses a stranger may not lead us to. See io.h. */
#include "pull/io.h"

bool pull_addr_is_local(const struct net_addr *a)
{
    static const uint8_t zero[16], v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *ip = a->ip;
    if (a->family == 6 && memcmp(ip, v4_mapped, sizeof v4_mapped) == 0)
        ip += 12;
    else if (a->family == 6)
        return memcmp(ip, zero, 15) == 0 /* :: and ::1 */ || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
    return ip[0] == 127 || ip[0] == 0 || (ip[0] == 169 && ip[1] == 254);
}
