#ifndef CLI_SEGMENT_H
#define CLI_SEGMENT_H

/* How commands ask for one segment, and print it. */

#include "cli/command.h"
#include "daemon/segments.h"

/* Rows for a table of options. */
#define SEGMENT_NARROW_OPTIONS                                                 \
	{"--source", "NAME", "Of this source."},                               \
	{                                                                      \
		"--destination", "NAME", "At this destination."                \
	}

/* Ask for the segment that the command's only word names, with --source and
 * --destination. ERR_INPUT without a word. */
MUST_USE bool segment_ask(const struct options *options, const char *method,
    const char *path, struct ask *ret_ask, struct err *reterr);

/* "Funnel (7)"; or the id alone. */
void segment_title_show(struct buf *out, const char *name, const char *id);

/* Of a segment as the daemon answers: what is wrong with it and what to do;
 * nothing if it needs no attention. */
void segment_trouble_show(
    const json_t *segment, const struct screen *screen, struct buf *out);

/* The names of segments by their ids, which are the types of their changes. */
struct segment_names {
	struct segments segments;
	const struct segment **sorted; /* by id; owned; or NULL */
};

/* None if they cannot be read. */
void segment_names_read(
    const struct command_context *context, struct segment_names *ret_names);
void segment_names_fini(struct segment_names *names);

/* NULL if it is the type of no segment, or that has no name. Does not lock the
 * queue. */
const char *
segment_names_find(const struct segment_names *names, const char *type);

/* A line for each one that needs attention: what is wrong and what to do; at
 * most so many, each after `indent`. Returns how many there are. */
size_t segments_trouble_show(const struct segments *segments,
    const struct options *options, int64_t now_ms, size_t most,
    const char *indent, struct buf *out);

#endif
