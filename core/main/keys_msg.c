/* See keys_msg.h. */
#include "main/keys_msg.h"

static const enum role_id profile_of[KEYS_PROFILE__COUNT] = {
    [KEYS_FRONT_SERVING] = ROLE_FRONT,    [KEYS_KUBELET_CLIENT] = ROLE_FRONT, [KEYS_NODE_CLIENT] = ROLE_NODE,
    [KEYS_KUBELET_SERVING] = ROLE_NODE,   [KEYS_DNS_CLIENT] = ROLE_DNS,
    [KEYS_PROXY_CLIENT] = ROLE_CONTROL,
};

bool keys_allowed_profile(enum role_id peer, enum keys_profile profile)
{
    if (role_is_front(peer))
        peer = ROLE_FRONT;
    return profile > KEYS_PROFILE_NONE && profile < KEYS_PROFILE__COUNT && profile_of[profile] == peer;
}

bool keys_allowed_sign(enum role_id peer)
{
    return peer == ROLE_CONTROL;
}
