/*
 * A disk in memory that forgets like a real one: what was not synced may be lost, kept or torn at
 * a crash; names not made durable by sync_dir may be lost (a prefix of their changes survives).
 * Counts its operations, and can die, fail or run full at a chosen one. Survives the store that
 * uses it, so that the store can be opened again.
 */
#ifndef TESTS_UNIT_STORE_SIM_DISK_H
#define TESTS_UNIT_STORE_SIM_DISK_H

#include "base/prng.h"
#include "port/disk.h"

struct sim_disk;

struct sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct sim_disk *d);
struct disk sim_disk_port(struct sim_disk *d);

/* The nth write, sync, truncate, rename, unlink, sync_dir or creation from now kills the machine:
 * it and all later calls fail and change nothing for sure. 0: never. */
void sim_disk_die_at(struct sim_disk *d, uint64_t nth);
bool sim_disk_dead(const struct sim_disk *d);
/* Power again: what was not synced is decided by the seed. Also for a disk that is not dead. */
void sim_disk_crash(struct sim_disk *d);
/* The nth from now fails once with -E_IO; a failed sync forgets what it should have kept. */
void sim_disk_fail_write(struct sim_disk *d, uint64_t nth);
void sim_disk_fail_sync(struct sim_disk *d, uint64_t nth);
/* The nth write from now goes to another place and says nothing. */
void sim_disk_misplace_write(struct sim_disk *d, uint64_t nth);
/* The nth write from now is lost and says nothing. */
void sim_disk_lose_write(struct sim_disk *d, uint64_t nth);
void sim_disk_capacity(struct sim_disk *d, uint64_t bytes); /* all files together; 0: unbounded */
uint64_t sim_disk_used(const struct sim_disk *d); /* bytes of all files together */
void sim_disk_allocate_off(struct sim_disk *d);             /* allocate is unsupported */

uint64_t sim_disk_sync_count(const struct sim_disk *d);
/* Files by number, for flipping bits. */
size_t sim_disk_file_count(const struct sim_disk *d);
const char *sim_disk_file_name(const struct sim_disk *d, size_t i);
char *sim_disk_file_bytes(struct sim_disk *d, size_t i, size_t *ret_size);

#endif
