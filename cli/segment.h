#ifndef CLI_SEGMENT_H
#define CLI_SEGMENT_H

/* How commands find one segment, and print it. */

#include "cli/command.h"
#include "daemon/segments.h"

/* Rows for a table of options. */
#define SEGMENT_NARROW_OPTIONS                                                 \
	{"--source", "NAME", "Of this source."},                               \
	{                                                                      \
		"--destination", "NAME", "At this destination."                \
	}

/* Is it of the source and the destination that the options name, if any? */
bool
segment_selected(const struct options *options, const struct segment *segment);

/*
 * Read the segments, and find the one that the command's only word names, by
 * its id or else by its name; lent by *ret_segments, which the caller frees
 * after success. ERR_INPUT without a word, ERR_NOT_FOUND, ERR_CONFLICT if there
 * are several.
 */
MUST_USE bool segment_find(const struct command_context *context,
    struct segments *ret_segments, const struct segment **ret_segment,
    struct err *reterr);

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

/* "Funnel (7)" */
void segment_title_write(const struct segment *segment, struct buf *out);

/* A line for each one that needs attention: what is wrong and what to do; at
 * most so many, each after `indent`. Returns how many there are. */
size_t segments_trouble_show(const struct segments *segments,
    const struct options *options, int64_t now_ms, size_t most,
    const char *indent, struct buf *out);

/* A text from outside as a cell of a table: at most `width` characters, padded
 * to as many, on one line. */
void
segment_cell_write(struct buf *out, const char *text, size_t len, size_t width);

#endif
