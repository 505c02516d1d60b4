/* Removing directory trees that strangers made: any depth, any names, with three descriptors. */
#ifndef DRIVERS_IMAGE_TREE_H
#define DRIVERS_IMAGE_TREE_H

#include "base/err.h"

/* Removes name below dir_fd, whatever it is; 0 also when there is none. Nothing else may change
 * the tree meanwhile. Mount points inside make it fail (-E_BUSY). */
int tree_remove(int dir_fd, const char *name) MUST_CHECK;
/* Removes all that is in the directory, not the directory itself. */
int tree_clear(int dir_fd) MUST_CHECK;

#endif
