#ifndef CLI_GRID_H
#define CLI_GRID_H

/*
 * A table that a command prints, drawn by libsmartcols. Its columns are a
 * constant array; a column names the member of the JSON rows that fills it:
 *
 *	static const struct grid_column columns[] = {
 *	    {"DESTINATION", "name", GRID_TEXT, GRID_CUT, 0, NULL},
 *	    {"STATE", "state", GRID_TEXT, 0, 0, state_tone},
 *	    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},
 *	    {"OLDEST", "oldest", GRID_AGE, 0, 2, NULL},
 *	    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 1, NULL},
 *	};
 *
 *	grid = grid_new(GRID(columns), now_ms);
 *	json_array_foreach(destinations, i, row)
 *		grid_row(grid, row);
 *	return grid_end(grid, screen, out, reterr);
 *
 * Cells hold values, not texts, so that they sort, are added up and go into CSV
 * as what they are. On a terminal the grid is made to fit: columns without
 * content are left out if they may be, then those of the highest rank are
 * dropped (and named below the grid), then texts are cut or wrapped. Elsewhere
 * all columns are there at full width.
 *
 * Failures are sticky and reported when the grid is written. Not thread safe.
 */

#include "cli/screen.h"

struct json_t;

enum grid_kind {
	GRID_TEXT,
	GRID_NUMBER,   /* 12,480 */
	GRID_BYTES,    /* 1.5 GiB */
	GRID_PERCENT,  /* of a ratio: 12 % */
	GRID_RATE,     /* of a number per second: 237/s */
	GRID_DURATION, /* of seconds: 2 h 5 min */
	GRID_TIME,     /* of a time: 14:31:07+01:00 */
	GRID_AGE,      /* of a time: 38 min */
	GRID_AGO,      /* of a time: 38 min ago */
};

enum grid_flag {
	GRID_CUT = 1,  /* where it is narrow, cut texts, with an ellipsis */
	GRID_WRAP = 2, /* likewise, but on several lines */
	GRID_HIDE_ZERO = 4, /* leave out if all cells are empty or zero */
	GRID_KEEP_END = 8,  /* cut the beginning: "...email.Send" */
};

struct grid_column {
	const char *head;
	const char *member; /* "name", or "counts.dead"; NULL: see below */
	enum grid_kind kind;
	unsigned flags; /* enum grid_flag */
	unsigned rank;	/* dropped first is the highest; 0: never */
	enum tone (*tone)(const char *text); /* of a text, or NULL */
};

/* Such an array as the two arguments of a function. */
#define GRID(columns) columns, sizeof(columns) / sizeof((columns)[0])

/* The columns are lent. Times are relative to now (wall clock). NULL without
 * memory, which the other functions take and grid_write() reports. */
struct grid *
grid_new(const struct grid_column *columns, size_t count, int64_t now_ms);
void grid_free(struct grid *grid);

/* Begin a row, and fill the cells whose columns have a member. Absent and null
 * are empty cells. Text in a column of times is RFC 3339. NULL: all empty. */
void grid_row(struct grid *grid, const struct json_t *row);

/* Fill a cell of the last row. A text may come from outside, and may stand in
 * a column of any kind; it is limited to GRID_CELL bytes. A number is of the
 * column's kind; times in ms since 1970. */
enum { GRID_CELL = 4096 };
void grid_text(struct grid *grid, size_t column, const char *text);
void grid_textf(struct grid *grid, size_t column, const char *format, ...)
    PRINTF_LIKE(3, 4);
void grid_number(struct grid *grid, size_t column, int64_t number);
void grid_real(struct grid *grid, size_t column, double number);
void grid_tone(struct grid *grid, size_t column, enum tone tone);

size_t grid_rows(const struct grid *grid);

/* Sort the rows; equal ones keep their order, empty cells come last. */
void grid_sort(struct grid *grid, size_t column, bool descending);

/* Sort by the column with this head (in any case); with a leading "-"
 * descending. ERR_INPUT names the columns there are. */
MUST_USE bool
grid_sort_named(struct grid *grid, const char *head, struct err *reterr);

/* Append the grid with its heads; nothing if it has no rows. */
MUST_USE bool grid_write(const struct grid *grid, const struct screen *screen,
    struct buf *out, struct err *reterr);

/* Write it, and free it. */
MUST_USE bool grid_end(struct grid *grid, const struct screen *screen,
    struct buf *out, struct err *reterr);

/* Append it as CSV (RFC 4180), all columns: numbers as digits, durations in
 * seconds, times as RFC 3339 in UTC. A spreadsheet would take texts that begin
 * with = + - @ for formulas: they get an apostrophe in front, which says
 * "text" there. Programs that need the exact text read JSON. */
MUST_USE bool
grid_csv_write(const struct grid *grid, struct buf *out, struct err *reterr);

#endif
