#ifndef TESTS_FAULT_FAULT_HELP_H
#define TESTS_FAULT_FAULT_HELP_H

/* What the tests of faults share: directories, and how long to go on. */

#include "disk.h"

#include "base/err.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A directory for the queue at work and one for what a cut leaves; in memory
 * if that is possible, since every sync is looked at, not waited for. */
struct places {
	char base[64], dir[80], cut[80];
	bool kept;
};

static inline void
places_make(struct places *places)
{
	*places = (struct places){.kept = false};
	(void)snprintf(places->base, sizeof(places->base),
	    "%s/currentsd-fault-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp");
	CHECK(mkdtemp(places->base) != NULL);
	(void)snprintf(
	    places->dir, sizeof(places->dir), "%s/dir", places->base);
	(void)snprintf(
	    places->cut, sizeof(places->cut), "%s/cut", places->base);
	disk_clear(places->dir);
	disk_clear(places->cut);
}

/* For a look at what went wrong. */
static inline void
places_keep(struct places *places)
{
	places->kept = true;
	print_error("what was found wrong is in %s\n", places->cut);
}

static inline void
places_remove(struct places *places)
{
	if (places->kept)
		return;
	disk_clear(places->dir);
	disk_clear(places->cut);
	CHECK(rmdir(places->dir) == 0 && rmdir(places->cut) == 0 &&
	      rmdir(places->base) == 0);
}

static inline bool
fault_is_long(void)
{
	const char *value = getenv("CURRENTSD_LONG");

	return value != NULL && strcmp(value, "1") == 0;
}

static inline size_t
fault_number(const char *name, size_t usual)
{
	const char *value = getenv(name);

	return value == NULL ? usual : strtoul(value, NULL, 10);
}

/* Thousands of failures are provoked: their log says nothing. */
static inline void
fault_quiet(void)
{
	if (getenv("CURRENTSD_FAULT_LOG") == NULL)
		log_set_level((enum log_level)(LOG_ERROR + 1));
}

#endif
