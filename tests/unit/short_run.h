#ifndef TESTS_UNIT_SHORT_RUN_H
#define TESTS_UNIT_SHORT_RUN_H

/*
 * With CURRENTSD_SHORT=1, as tests/analyze/run.sh sets it for valgrind, a test
 * of many rounds makes a few: what reads wrong memory does so in the first.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool
short_run(void)
{
	const char *value = getenv("CURRENTSD_SHORT");

	return value != NULL && strcmp(value, "1") == 0;
}

#endif
