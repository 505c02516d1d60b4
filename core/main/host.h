/*
 * `keelson run`: the same roles on an ordinary Linux host, as children of one supervisor.
 *
 *   keelson run --data DIR [--role all|control|node] [--listen ADDR:PORT] [--config FILE]
 */
#ifndef MAIN_HOST_H
#define MAIN_HOST_H

int host_main(int argc, char **argv); /* exit status */

#endif
