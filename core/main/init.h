/*
 * Process 1 of the appliance. Boot, each step as soon as its needs are met:
 *
 *   mounts, limits, sockets
 *     +- setup modules virtio .... a virtual machine's disk and card; all devices if there are none
 *     +- setup modules containers
 *     +- setup state ............. the state partition (or memory, loudly)
 *     +- setup config-esp ........ keelson.yaml (or defaults, loudly)
 *   configuration            -> lease -> setup address
 *   configuration and state  -> keys, journal
 *     and an address         -> control, front, node (which waits for runtime), dns
 *   state, container modules -> runtime
 *   the first pod, or 5 s .... setup modules devices and later: what else this machine has
 *
 * Then it supervises, feeds the watchdog, draws the console, and ends the machine in order.
 */
#ifndef MAIN_INIT_H
#define MAIN_INIT_H

_Noreturn void init_main(void);

#endif
