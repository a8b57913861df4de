#ifndef DAEMON_LINE_H
#define DAEMON_LINE_H

/*
 * One line of a file of events, as `currentsd import` and `explain` take it:
 * an event, a request body, or one of them as an export or `queue rescue`
 * wrote it.
 */

#include "base/buf.h"
#include "base/str.h"

enum line_kind {
	LINE_BLANK,
	LINE_EVENT,  /* or what should be one: it was not looked at */
	LINE_BODY,   /* of events */
	LINE_CHANGE, /* of a set: an export's */
	LINE_UNREADABLE,
};

struct line {
	enum line_kind kind;
	/* Lent, until the next line is read. */
	struct str data;    /* the event, the body, or the change: "+ann" */
	struct str group;   /* of a change */
	struct str source;  /* that an export names, or empty */
	bool wrapped;	    /* an export's: `data` is what is in it */
	bool accepted_once; /* by the queue that it was exported from */
};

struct line_reader {
	struct buf decoded; /* of base64, or of a string */
	struct buf group;   /* likewise */
	struct buf plain;   /* of an encoded body */
};

/* `most` bounds what a line decodes to. */
void line_reader_init(struct line_reader *reader, size_t most);
void line_reader_fini(struct line_reader *reader);

/* Take the next line off the text, without its newline. */
struct str line_take(struct str *text);

/* The text is lent as long as *ret_line. */
void
line_read(struct line_reader *reader, struct str text, struct line *ret_line);

#endif
