#ifndef CLI_IMPORT_LINE_H
#define CLI_IMPORT_LINE_H

/*
 * The events of one line: the line is an event, a request body with several,
 * or an event as an export or queue rescue wrote it.
 */

#include "cli/event.h"

struct import_line {
	struct event_reader reader;
	struct currents_batch batch; /* of a request body */
	struct buf decoded;	     /* of base64 */
};

struct import_event {
	const char *data;
	size_t len;
	const char *source; /* of an export, not NUL-ended, or "" */
	size_t source_len;
	bool accepted_once; /* by the queue that it was exported from */
};

typedef bool import_event_fn(
    void *arg, const struct import_event *event, struct err *reterr);

void import_line_init(struct import_line *line);
void import_line_fini(struct import_line *line);

/* Blank lines have none. *ret_readable is false if no event is found in one
 * that is not blank. */
MUST_USE bool
import_line_read(struct import_line *line, const char *data, size_t len,
    import_event_fn *fn, void *arg, bool *ret_readable, struct err *reterr);

#endif
