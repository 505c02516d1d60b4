/* See lease_role.h. */
#include "main/lease_role.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/net/lwip/lwip.h"
#include "kernel-glue/boot/machine.h"
#include "kernel-glue/boot/packet.h"

enum { LOOK_AGAIN_MS = 20 };

struct lease_role {
    struct role_env *env;
    struct loop_timer look;
    struct lwip_stack *stack;
    char card[16];
    struct err failure;
};

/* ---- what init hears ---- */

static void report(struct lease_role *r, const struct config_network *n)
{
    unsigned char buffer[1024];
    struct imsg_out m;
    imsg_begin(&m, buffer, sizeof buffer, MSG_LEASE, 0);
    config_network_put(&m, n);
    role_env_send(r->env, &m);
}

static void leased(void *ctx, const struct lwip_lease *l)
{
    struct lease_role *r = ctx;
    struct config_network n = {.addrs = {l->addr}, .prefix_lens = {l->prefix_len}, .addr_count = 1,
                               .gateway = l->gateway};
    const struct config_network *c = &r->env->start.network;
    char text[NET_ADDR_TEXT];
    snprintf(n.interface, sizeof n.interface, "%s", r->card);
    snprintf(n.search, sizeof n.search, "%s", c->search);
    for (size_t i = 0; i < l->dns_count; i++)
        n.dns[n.dns_count++] = l->dns[i];
    if (c->dns_count) { /* keelson.yaml wins */
        memcpy(n.dns, c->dns, sizeof n.dns);
        n.dns_count = c->dns_count;
    }
    log_info("%s has %s/%u", r->card, net_addr_format(&l->addr, false, text), l->prefix_len);
    role_env_status(r->env, "%s", "");
    report(r, &n);
}

/* A leased address is used no longer; one that keelson.yaml gives stays: who wrote it decides. */
static void lost(void *ctx, const char *why)
{
    struct lease_role *r = ctx;
    struct config_network none = {.addr_count = 0};
    if (!r->env->start.network.addr_count) {
        snprintf(none.interface, sizeof none.interface, "%s", r->card);
        report(r, &none);
    }
    log_err("%s: %s", r->card, why);
    role_env_status(r->env, "%s: %s", r->card, why);
}

static void told_time(void *ctx, int64_t realtime_ns)
{
    struct lease_role *r = ctx;
    unsigned char buffer[64];
    struct imsg_out m;
    imsg_begin(&m, buffer, sizeof buffer, MSG_CLOCK, 0);
    imsg_put_u64(&m, TAG_VALUE, (uint64_t)realtime_ns);
    role_env_send(r->env, &m);
}

/* ---- the card ---- */

static int start(struct lease_role *r, struct err *err)
{
    static const struct lwip_events events = {leased, lost, told_time};
    const struct config_network *c = &r->env->start.network;
    struct packet_card card;
    struct lwip_options o = {.loop = r->env->loop, .host_name = r->env->start.node_name, .events = &events, .ctx = r};
    int rc = packet_open(r->card, &o.packet_fd, &card, err);
    if (rc < 0)
        return rc;
    memcpy(o.mac, card.mac, sizeof o.mac);
    o.mtu = card.mtu;
    if ((rc = lwip_stack_new(&o, &r->stack)) < 0) {
        close(o.packet_fd);
        return err_set(err, -rc, "network stack on %s: %s", r->card, err_text(rc));
    }
    if (c->addr_count == 0) {
        lwip_time_start(r->stack, c->ntp, c->ntp_count);
        rc = lwip_dhcp_start(r->stack);
        return rc < 0 ? err_set(err, -rc, "DHCP on %s: %s", r->card, err_text(rc)) : 0;
    }
    struct config_network fixed = *c;
    snprintf(fixed.interface, sizeof fixed.interface, "%s", r->card);
    lwip_static_address(r->stack, &c->addrs[0], c->prefix_lens[0], &c->gateway);
    if (c->ntp_count)
        lwip_time_start(r->stack, c->ntp, c->ntp_count);
    report(r, &fixed);
    return 0;
}

/* The card's driver may load later than this role starts. */
static void look(void *ctx)
{
    struct lease_role *r = ctx;
    const char *wanted = r->env->start.network.interface;
    bool there = wanted[0] ? machine_card_ready(wanted) : machine_wired_card(r->card) && machine_card_ready(r->card);
    if (!there) {
        loop_timer_set(r->env->loop, &r->look, LOOK_AGAIN_MS);
        return;
    }
    if (wanted[0])
        snprintf(r->card, sizeof r->card, "%s", wanted);
    if (start(r, &r->failure) < 0)
        loop_stop(r->env->loop);
}

int lease_role_run(struct role_env *env, struct err *err)
{
    struct lease_role r = {.env = env};
    loop_timer_init(&r.look, look, &r);
    role_env_ready(env);
    role_env_status(env, "waiting for a network card with a link");
    look(&r);
    int rc = role_env_loop(env, err);
    if (rc == 0 && r.failure.code)
        rc = err_set(err, r.failure.code, "%s", r.failure.text);
    loop_timer_cancel(env->loop, &r.look);
    lwip_stack_free(r.stack);
    return rc;
}
