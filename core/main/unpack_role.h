/*
 * The role `unpack`: unpacks one layer, or reads one archive of images, or empties one directory,
 * for `runtime` (see image_msg.h), then ends.
 */
#ifndef MAIN_UNPACK_ROLE_H
#define MAIN_UNPACK_ROLE_H

int unpack_role_main(int argc, char **argv); /* exit status */

#endif
