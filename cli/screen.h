#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

/*
 * Where the output of a command goes, and what is possible there: the width and
 * the colours of a terminal, a line of progress on stderr. Whatever a command
 * prints goes through screen_write(), which lets no control sequence but our
 * own colours reach a terminal.
 */

#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>

/* Colours by meaning. */
enum tone {
	TONE_NONE,
	TONE_GOOD,    /* green */
	TONE_WAITING, /* yellow */
	TONE_WRONG,   /* red */
	TONE_QUIET,   /* dim */
	TONE_STRONG,  /* bold */
};

struct screen {
	size_t columns; /* width of the terminal; 0: no limit */
	size_t rows;	/* its height; 0: no limit */
	bool terminal;	/* stdout is one: fit, and leave out what is empty */
	bool colour;	/* it has colours, and NO_COLOR is not set */
	bool utc;	/* times in UTC instead of the local zone */

	/* for screen_progress() */
	bool progress;	     /* stderr is a terminal that can do it */
	bool progress_shown; /* there is some on the line at present */
};

/* Look at stdout, stderr, COLUMNS, NO_COLOR and TERM. Makes UTF-8 the encoding
 * of the process (LC_CTYPE), so that widths are measured right. */
void screen_init(struct screen *screen, bool utc);

/* Append a text in a tone; plain where there is no colour. The text must be our
 * own, or have come through show_foreign(). */
void screen_text(const struct screen *screen, struct buf *out, enum tone tone,
    const char *format, ...) PRINTF_LIKE(4, 5);

/* Break the lines of `out` from there on that are wider than the terminal, at
 * spaces; what goes below stands behind the indent. JSON stays as it is. */
void screen_fit(
    const struct screen *screen, struct buf *out, size_t from, size_t indent);

/* The control sequence that begins a tone; "" without colour, or for
 * TONE_NONE. SCREEN_PLAIN ends it. */
const char *screen_tone(const struct screen *screen, enum tone tone);
#define SCREEN_PLAIN "\033[0m"

/* Erase the progress, then write to stdout or stderr. On a terminal, and always
 * on stderr, control characters but newlines, tabs and our own colours are
 * shown as \xNN; where there are no colours, ours are left out. */
MUST_USE bool screen_write(struct screen *screen, FILE *to, const char *data,
    size_t len, struct err *reterr);

/* A line on stderr. */
MUST_USE bool
screen_line(struct screen *screen, const char *text, struct err *reterr);

/* Ask on stderr, and read a line of the standard input, without its end; false
 * at the end of the input. */
MUST_USE bool screen_ask(struct screen *screen, const char *question,
    char *ret_answer, size_t size, struct err *reterr);

/* Redraw the line of progress. Does nothing if stderr is no terminal. */
void screen_progress(struct screen *screen, const char *text);

/* Erase it. */
void screen_progress_end(struct screen *screen);

/*
 * Take the whole terminal, and draw pages on it: each is cut to its rows, and
 * replaces the last one. What was there before comes back at the end.
 */
void screen_page_begin(struct screen *screen);
MUST_USE bool screen_page_draw(
    struct screen *screen, const char *data, size_t len, struct err *reterr);
void screen_page_end(struct screen *screen);

#endif
