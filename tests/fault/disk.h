#ifndef TESTS_FAULT_DISK_H
#define TESTS_FAULT_DISK_H

/*
 * What a disk may hold after a power cut, worked out from a tape.
 *
 * Of each file we know what is durable (written before its last successful
 * sync), what pends (written since), and what the page cache shows. A power
 * cut leaves the durable part and any choice of what pends, sector by sector
 * of 512 bytes; a size that grew may be there without its bytes. Names pend
 * likewise, until the directory is synced. A failed sync clears what pends:
 * the kernel calls the pages clean whether or not they reached the disk, so
 * the disk decides by chance, then and there, and the page cache still shows
 * them. A killed process leaves what the page cache shows.
 */

#include "rng.h"
#include "tape.h"

enum disk_cut {
	DISK_CACHE,  /* no cut: the process was killed, or ended */
	DISK_LOST,   /* nothing that pends is there */
	DISK_ALL,    /* all of it */
	DISK_ORDER,  /* the first of it, the last of those torn */
	DISK_CHANCE, /* any of it, torn */
	DISK_CUTS    /* how many */
};

struct disk;

/* The tape must outlive it. */
struct disk *disk_new(const struct tape *tape, uint64_t seed);
void disk_free(struct disk *disk);

/* Go on to the point before operation `position`. */
void disk_advance(struct disk *disk, size_t position);

/* Write the files into `dir`, which is emptied or made. */
void disk_leave(struct disk *disk, enum disk_cut cut, const char *dir);

/* Empty or make a directory. Only files are expected in it. */
void disk_clear(const char *dir);

#endif
