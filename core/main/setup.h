/*
 * The role `setup`: one-shot children of init, one for each step that may block, fail or hang:
 *
 *   config-file              parses the keelson.yaml handed over, without any rights
 *   config-esp               finds the ESP, reads keelson.yaml from it, and goes on as above
 *   deliver PATH             writes the file handed over to PATH, mode 0600, atomically
 *   deliver-esp              the same as admin.kubeconfig on the ESP
 *   modules LIST             loads a set of kernel modules: "virtio" (with the answer's STEP 1 a disk
 *                            and a card were found, else all devices' are loaded), "devices",
 *                            "containers", "later" (what containers use, but not the first ones)
 *   state DIRECTORY          finds, grows and mounts the state partition
 *   address CARD ADDRESS/PREFIX,... [GATEWAY]
 *   seed DIRECTORY           feeds the saved random seed to the kernel and saves the next one
 *
 * Each answers one MSG_DONE and ends.
 */
#ifndef MAIN_SETUP_H
#define MAIN_SETUP_H

#include "main/start_msg.h"

int setup_main(int argc, char **argv);

struct setup {
    int argc;
    char **argv;             /* argv[0]: the step */
    int fd;                  /* what was handed over, or -1 */
    struct imsg_out *result; /* fields and descriptors of the answer, added by the step */
};

#endif
