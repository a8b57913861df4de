#ifndef CLI_SEGMENT_H
#define CLI_SEGMENT_H

/* How commands ask for one segment, and print it. */

#include "cli/command.h"
#include "daemon/segments.h"

/* Rows for a table of options. */
#define SEGMENT_NARROW_OPTIONS                                                 \
	{"--source", "NAME", "From this source."},                             \
	{                                                                      \
		"--destination", "NAME", "At this destination."                \
	}

/* The parameters of a call about a segment. */
#define SEGMENT_PARAMS "source destination"

/* "Funnel (7)"; or the id alone. */
void segment_title_show(struct buf *out, const char *name, const char *id);

/* Of a segment as the daemon answers: what is wrong with it and what to do;
 * nothing if it needs no attention. */
void segment_trouble_show(
    const json_t *segment, const struct screen *screen, struct buf *out);

#endif
