/* The role `pull`: fetches one image from registries for `runtime` (see image_msg.h), then ends. */
#ifndef MAIN_PULL_ROLE_H
#define MAIN_PULL_ROLE_H

int pull_role_main(int argc, char **argv); /* exit status */

#endif
