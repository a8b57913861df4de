#ifndef DAEMON_ZONE_H
#define DAEMON_ZONE_H

/*
 * A time zone of the system's database. The C library knows only that of the
 * process, and the log and the commands are in UTC; so the file is read here
 * (RFC 8536). Any thread.
 */

#include "base/err.h"

#include <stdint.h>

struct zone;

/* "Europe/Berlin"; "UTC" needs no database. ERR_CONFIG with a sentence that
 * says what to do. */
MUST_USE bool
zone_open(const char *name, struct zone **ret_zone, struct err *reterr);
void zone_free(struct zone *zone); /* accepts NULL */

/* The day, since 1970-01-01, that it is there at that time (UNIX seconds, up
 * to the year 9999). */
int64_t zone_day(const struct zone *zone, int64_t time_s);

#endif
