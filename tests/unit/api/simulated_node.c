/* See simulated.c. */
#include "../store/sim_node.c"
