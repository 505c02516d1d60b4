/* The store's simulated disk and node, used here too. */
#include "../store/sim_disk.c"
