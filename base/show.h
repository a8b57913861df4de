#ifndef BASE_SHOW_H
#define BASE_SHOW_H

/* How numbers and durations are written for people. */

#include <stddef.h>
#include <stdint.h>

enum {
	SHOW_TEXT = 48, /* enough for each of these */
	SHOW_DURATION = 32,
	SHOW_AGO = 48,
	SHOW_BYTES = 32,
};

/* "12,480" */
void show_number(int64_t number, char *ret, size_t size);

/* The two units that matter: "3 d 4 h", "2 h 5 min", "38 min", "7 min 30 s",
 * "12 s" */
void show_duration(int64_t seconds, char *ret, size_t size);

#endif
