/*
 * libsmartcols aligns, colours and draws; which columns are there and how wide
 * they may be is decided here, since the library neither drops columns nor
 * wraps at words.
 */

#include "cli/grid.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/show.h"
#include "cli/value.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

enum {
	ROWS_MOST = 250000,
	COLUMNS_MOST = 32,
	TEXTS_MOST = 128 * 1024 * 1024, /* bytes of all texts of a grid */
	WIDTH_LEAST = 8, /* of a column whose texts are cut or wrapped */
	WIDTH_END = 20,	 /* likewise, if they keep their end */
	WIDTH_WORD = 36, /* of a word that is not broken without need: a UUID */
};

#define ELLIPSIS  "\xe2\x80\xa6"
#define SEPARATOR "  "

enum content { CONTENT_NONE, CONTENT_TEXT, CONTENT_WHOLE, CONTENT_REAL };

struct cell {
	enum content content;
	enum tone tone; /* TONE_NONE: as the column says */
	union {
		size_t text; /* its place among the texts */
		int64_t whole;
		double real;
	} of;
};

struct row {
	size_t cells; /* the first one's position */
	size_t place; /* before it was sorted */
};

struct grid {
	const struct grid_column *columns;
	size_t count;
	int64_t now_ms;
	struct row *rows;
	struct cell *cells; /* row_count x count */
	size_t row_count, row_cap;
	struct buf texts; /* each ends with a NUL */
	enum err_code failed;
};

/* ---- filling ---- */

struct grid *
grid_new(const struct grid_column *columns, size_t count, int64_t now_ms)
{
	struct grid *grid = calloc(1, sizeof(*grid));

	CHECK(count > 0 && count <= COLUMNS_MOST);
	if (grid == NULL)
		return NULL;
	grid->columns = columns;
	grid->count = count;
	grid->now_ms = now_ms;
	buf_init(&grid->texts, TEXTS_MOST);
	return grid;
}

void
grid_free(struct grid *grid)
{
	if (grid == NULL)
		return;
	buf_fini(&grid->texts);
	free(grid->rows);
	free(grid->cells);
	free(grid);
}

size_t
grid_rows(const struct grid *grid)
{
	return grid != NULL ? grid->row_count : 0;
}

static bool
rows_grow(struct grid *grid)
{
	size_t cap = grid->row_cap == 0 ? 16 : grid->row_cap * 2;
	struct row *rows;
	struct cell *cells;

	rows = realloc(grid->rows, cap * sizeof(*rows));
	if (rows == NULL)
		return false;
	grid->rows = rows;
	cells = realloc(grid->cells, cap * grid->count * sizeof(*cells));
	if (cells == NULL)
		return false;
	grid->cells = cells;
	grid->row_cap = cap;
	return true;
}

static bool
row_add(struct grid *grid)
{
	if (grid == NULL || grid->failed != ERR_NONE)
		return false;
	if (grid->row_count == ROWS_MOST) {
		grid->failed = ERR_LIMIT;
		return false;
	}
	if (grid->row_count == grid->row_cap && !rows_grow(grid)) {
		grid->failed = ERR_NOMEM;
		return false;
	}
	grid->rows[grid->row_count].cells = grid->row_count * grid->count;
	memset(grid->cells + grid->row_count * grid->count, 0,
	    grid->count * sizeof(*grid->cells));
	grid->row_count++;
	return true;
}

/* Of the last row; NULL if the grid has failed. */
static struct cell *
cell_at(struct grid *grid, size_t column)
{
	if (grid == NULL || grid->failed != ERR_NONE)
		return NULL;
	CHECK(column < grid->count && grid->row_count > 0);
	return &grid->cells[grid->rows[grid->row_count - 1].cells + column];
}

void
grid_text(struct grid *grid, size_t column, const char *text)
{
	struct cell *cell = cell_at(grid, column);
	size_t len = strlen(text);

	if (cell == NULL)
		return;
	if (len > GRID_CELL) {
		for (len = GRID_CELL; len > 0 && (text[len] & 0xc0) == 0x80;)
			len--;
	}
	cell->content = len > 0 ? CONTENT_TEXT : CONTENT_NONE;
	cell->of.text = grid->texts.len;
	(void)buf_append(&grid->texts, text, len);
	if (!buf_char(&grid->texts, '\0'))
		grid->failed = grid->texts.starved ? ERR_NOMEM : ERR_LIMIT;
}

void
grid_textf(struct grid *grid, size_t column, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text != NULL)
		grid_text(grid, column, text);
	else if (grid != NULL)
		grid->failed = ERR_NOMEM;
	free(text);
}

void
grid_number(struct grid *grid, size_t column, int64_t number)
{
	struct cell *cell = cell_at(grid, column);

	if (cell == NULL)
		return;
	cell->content = CONTENT_WHOLE;
	cell->of.whole = number;
}

void
grid_real(struct grid *grid, size_t column, double number)
{
	struct cell *cell = cell_at(grid, column);

	if (cell == NULL)
		return;
	cell->content = CONTENT_REAL;
	cell->of.real = number;
}

void
grid_tone(struct grid *grid, size_t column, enum tone tone)
{
	struct cell *cell = cell_at(grid, column);

	if (cell != NULL)
		cell->tone = tone;
}

static bool
kind_is_time(enum grid_kind kind)
{
	return kind == GRID_TIME || kind == GRID_AGE || kind == GRID_AGO;
}

static void
cell_fill(struct grid *grid, size_t column, const json_t *value)
{
	const char *text = json_string_value(value);
	int64_t ms;
	char *dump;

	if (text != NULL) {
		if (kind_is_time(grid->columns[column].kind) &&
		    value_time_read(text, &ms))
			grid_number(grid, column, ms);
		else
			grid_text(grid, column, text);
	} else if (json_is_integer(value)) {
		grid_number(grid, column, json_integer_value(value));
	} else if (json_is_real(value)) {
		grid_real(grid, column, json_real_value(value));
	} else if (json_is_boolean(value)) {
		grid_text(grid, column, json_is_true(value) ? "yes" : "no");
	} else if (value != NULL && !json_is_null(value)) {
		dump = json_dumps(value, JSON_COMPACT);
		if (dump != NULL)
			grid_text(grid, column, dump);
		else
			grid->failed = ERR_NOMEM;
		free(dump);
	}
}

void
grid_row(struct grid *grid, const json_t *row)
{
	if (!row_add(grid) || row == NULL)
		return;
	for (size_t i = 0; i < grid->count; i++) {
		if (grid->columns[i].member != NULL)
			cell_fill(
			    grid, i, value_at(row, grid->columns[i].member));
	}
}

/* ---- sorting ---- */

struct order {
	const struct grid *grid;
	size_t column;
	bool descending;
};

static double
cell_number(const struct cell *cell)
{
	return cell->content == CONTENT_WHOLE ? (double)cell->of.whole
					      : cell->of.real;
}

/* Numbers before texts. */
static int
cells_compare(
    const struct grid *grid, const struct cell *a, const struct cell *b)
{
	bool texts = a->content == CONTENT_TEXT;

	if (texts != (b->content == CONTENT_TEXT))
		return texts ? 1 : -1;
	if (texts)
		return strcmp(grid->texts.data + a->of.text,
		    grid->texts.data + b->of.text);
	if (a->content == CONTENT_WHOLE && b->content == CONTENT_WHOLE)
		return (a->of.whole > b->of.whole) -
		       (a->of.whole < b->of.whole);
	return (cell_number(a) > cell_number(b)) -
	       (cell_number(a) < cell_number(b));
}

static int
rows_compare(const void *left, const void *right, void *arg)
{
	const struct row *x = left, *y = right;
	const struct order *order = arg;
	const struct cell *a = &order->grid->cells[x->cells + order->column];
	const struct cell *b = &order->grid->cells[y->cells + order->column];
	int sign = 0;

	if (a->content == CONTENT_NONE || b->content == CONTENT_NONE)
		sign =
		    (a->content == CONTENT_NONE) - (b->content == CONTENT_NONE);
	else if (order->descending)
		sign = cells_compare(order->grid, b, a);
	else
		sign = cells_compare(order->grid, a, b);
	return sign != 0 ? sign : (x->place > y->place) - (x->place < y->place);
}

void
grid_sort(struct grid *grid, size_t column, bool descending)
{
	struct order order = {grid, column, descending};

	if (grid == NULL || grid->row_count == 0)
		return;
	CHECK(column < grid->count);
	for (size_t i = 0; i < grid->row_count; i++)
		grid->rows[i].place = i;
	qsort_r(grid->rows, grid->row_count, sizeof(*grid->rows), rows_compare,
	    &order);
}

bool
grid_sort_named(struct grid *grid, const char *head, struct err *reterr)
{
	bool descending = *head == '-';
	struct buf names;

	if (grid == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < grid->count; i++) {
		if (strcasecmp(grid->columns[i].head, head + descending) == 0) {
			grid_sort(grid, i, descending);
			return true;
		}
	}
	buf_init(&names, 300);
	for (size_t i = 0; i < grid->count; i++)
		(void)buf_printf(
		    &names, "%s%s", i > 0 ? ", " : "", grid->columns[i].head);
	(void)err_set(reterr, ERR_INPUT,
	    "there is no column \"%.40s\" to sort by: use one of %.*s; with "
	    "a - in front the largest comes first",
	    head + descending, (int)names.len, names.data);
	buf_fini(&names);
	return false;
}

/* ---- cells as texts ---- */

static void
number_show(const struct grid *grid, enum grid_kind kind,
    const struct cell *cell, bool utc, char *ret, size_t size)
{
	double real = cell_number(cell);
	int64_t whole =
	    cell->content == CONTENT_WHOLE ? cell->of.whole : llround(real);

	switch (kind) {
	case GRID_TEXT:
	case GRID_NUMBER:
		show_number(whole, ret, size);
		break;
	case GRID_BYTES:
		show_bytes(whole, ret, size);
		break;
	case GRID_PERCENT:
		show_percent(real, ret, size);
		break;
	case GRID_RATE:
		show_rate(real, ret, size);
		break;
	case GRID_DURATION:
		show_duration(whole, ret, size);
		break;
	case GRID_TIME:
		show_timestamp(grid->now_ms, whole, utc, ret, size);
		break;
	case GRID_AGE:
		show_duration(
		    whole < grid->now_ms ? (grid->now_ms - whole) / 1000 : 0,
		    ret, size);
		break;
	case GRID_AGO:
		show_ago(grid->now_ms, whole, ret, size);
		break;
	}
}

static void
cell_show(const struct grid *grid, size_t column, const struct cell *cell,
    bool utc, struct buf *out)
{
	enum grid_kind kind = grid->columns[column].kind;
	char number[SHOW_TEXT];
	const char *text;

	switch (cell->content) {
	case CONTENT_NONE:
		(void)buf_text(out, kind == GRID_AGO ? "never" : "-");
		break;
	case CONTENT_TEXT:
		text = grid->texts.data + cell->of.text;
		show_foreign(out, text, strlen(text), GRID_CELL);
		break;
	case CONTENT_WHOLE:
	case CONTENT_REAL:
		number_show(grid, kind, cell, utc, number, sizeof(number));
		(void)buf_text(out, number);
		break;
	}
	(void)buf_char(out, '\0');
}

static bool
cell_is_empty(const struct cell *cell)
{
	return cell->content == CONTENT_NONE ||
	       (cell->content == CONTENT_WHOLE && cell->of.whole == 0) ||
	       (cell->content == CONTENT_REAL && cell->of.real == 0);
}

static enum tone
cell_tone(const struct grid *grid, size_t column, const struct cell *cell)
{
	if (cell->tone != TONE_NONE || cell->content != CONTENT_TEXT ||
	    grid->columns[column].tone == NULL)
		return cell->tone;
	return grid->columns[column].tone(grid->texts.data + cell->of.text);
}

/* ---- widths ---- */

/* The next character: how many columns it takes, and its bytes. */
static size_t
character_width(const char *text, size_t *ret_bytes)
{
	size_t bytes = utf8_length(text, strlen(text));
	wchar_t wide;
	int width;

	*ret_bytes = bytes > 0 ? bytes : 1;
	if (mbtowc(&wide, text, *ret_bytes) < 1)
		return 1;
	width = wcwidth(wide);
	return width > 0 ? (size_t)width : 0;
}

static size_t
text_width(const char *text)
{
	size_t width = 0, bytes;

	for (; *text != '\0'; text += bytes)
		width += character_width(text, &bytes);
	return width;
}

/* Of the longest word, as far as it counts. */
static size_t
word_width(const char *text)
{
	size_t most = 0, width = 0, bytes;

	for (; *text != '\0'; text += bytes) {
		width += character_width(text, &bytes);
		if (*text == ' ')
			width = 0;
		if (width > most)
			most = width;
	}
	return most < WIDTH_WORD ? most : WIDTH_WORD;
}

/* The longest beginning that is no wider; at least one character. */
static size_t
text_fit(const char *text, size_t width)
{
	size_t at = 0, bytes;

	while (text[at] != '\0') {
		size_t more = character_width(text + at, &bytes);

		if (more > width && at > 0)
			break;
		width -= more < width ? more : width;
		at += bytes;
	}
	return at;
}

static void
text_cut(const char *text, size_t width, struct buf *out)
{
	(void)buf_append(out, text, text_fit(text, width - 1));
	(void)buf_text(out, ELLIPSIS);
	(void)buf_char(out, '\0');
}

/* The end of a text, behind an ellipsis. */
static void
text_cut_begin(const char *text, size_t width, struct buf *out)
{
	size_t wide = text_width(text), bytes;

	for (; wide > width - 1 && *text != '\0'; text += bytes)
		wide -= character_width(text, &bytes);
	(void)buf_text(out, ELLIPSIS);
	(void)buf_text(out, text);
	(void)buf_char(out, '\0');
}

/* How much of a word that is longer than a line: up to its last dot, as types
 * of events have them, or as much as fits. */
static size_t
word_fit(const char *text, size_t most)
{
	size_t len = most;

	while (len > 0 && text[len - 1] != '.')
		len--;
	return len > 0 ? len : most;
}

/* At spaces, or within a word that is longer than a line. */
static void
text_wrap(const char *text, size_t width, struct buf *out)
{
	while (*text != '\0') {
		size_t most = text_fit(text, width), len = most;

		if (text[most] != '\0' && text[most] != ' ') {
			while (len > 0 && text[len - 1] != ' ')
				len--;
		}
		if (len == 0)
			len = word_fit(text, most);
		(void)buf_append(out, text, len);
		text += len;
		text += strspn(text, " ");
		if (*text != '\0')
			(void)buf_char(out, '\n');
	}
	(void)buf_char(out, '\0');
}

/* ---- layout ---- */

struct layout {
	const struct grid *grid;
	const struct screen *screen;
	struct libscols_table *table;
	size_t widths[COLUMNS_MOST];
	size_t words[COLUMNS_MOST]; /* the longest word, up to WIDTH_WORD */
	bool hidden[COLUMNS_MOST], dropped[COLUMNS_MOST];
	struct buf scratch; /* the text of a cell */
};

static bool
kind_is_right(enum grid_kind kind)
{
	return kind == GRID_NUMBER || kind == GRID_BYTES ||
	       kind == GRID_PERCENT || kind == GRID_RATE;
}

static bool
layout_columns(struct layout *layout)
{
	const char *tone = screen_tone(layout->screen, TONE_QUIET);

	for (size_t i = 0; i < layout->grid->count; i++) {
		const struct grid_column *column = &layout->grid->columns[i];
		struct libscols_column *of =
		    scols_table_new_column(layout->table, column->head, 0,
			kind_is_right(column->kind) ? SCOLS_FL_RIGHT : 0);

		if (of == NULL ||
		    (*tone != '\0' &&
			scols_cell_set_color(
			    scols_column_get_header(of), tone) != 0) ||
		    scols_column_set_wrapfunc(of, scols_wrapnl_chunksize,
			scols_wrapnl_nextchunk, NULL) != 0)
			return false;
		layout->widths[i] = text_width(column->head);
		layout->hidden[i] = layout->screen->terminal &&
				    (column->flags & GRID_HIDE_ZERO) != 0;
	}
	return true;
}

static bool
layout_cell(struct layout *layout, struct libscols_line *line, size_t column,
    const struct cell *cell)
{
	const char *tone =
	    screen_tone(layout->screen, cell_tone(layout->grid, column, cell));
	size_t width;

	buf_reset(&layout->scratch);
	cell_show(
	    layout->grid, column, cell, layout->screen->utc, &layout->scratch);
	if (layout->scratch.failed ||
	    scols_line_set_data(line, column, layout->scratch.data) != 0)
		return false;
	width = text_width(layout->scratch.data);
	if (width > layout->widths[column])
		layout->widths[column] = width;
	width = word_width(layout->scratch.data);
	if (width > layout->words[column])
		layout->words[column] = width;
	if (!cell_is_empty(cell))
		layout->hidden[column] = false;
	return *tone == '\0' ||
	       scols_cell_set_color(scols_line_get_cell(line, column), tone) ==
		   0;
}

static bool
layout_rows(struct layout *layout)
{
	const struct grid *grid = layout->grid;

	for (size_t i = 0; i < grid->row_count; i++) {
		struct libscols_line *line =
		    scols_table_new_line(layout->table, NULL);

		if (line == NULL)
			return false;
		for (size_t j = 0; j < grid->count; j++) {
			if (!layout_cell(layout, line, j,
				&grid->cells[grid->rows[i].cells + j]))
				return false;
		}
	}
	return true;
}

/* How narrow a column may become. */
static size_t
column_least(const struct layout *layout, size_t column)
{
	const struct grid_column *of = &layout->grid->columns[column];
	size_t head = text_width(of->head);
	size_t least =
	    (of->flags & GRID_KEEP_END) != 0 ? WIDTH_END : WIDTH_LEAST;

	if (head > least)
		least = head;
	if ((of->flags & (GRID_CUT | GRID_WRAP)) == 0 ||
	    layout->widths[column] < least)
		return layout->widths[column];
	return least;
}

/* Of all columns that are shown, at full or at least width. */
static size_t
layout_width(const struct layout *layout, bool least)
{
	size_t width = 0, shown = 0;

	for (size_t i = 0; i < layout->grid->count; i++) {
		if (layout->hidden[i])
			continue;
		width += least ? column_least(layout, i) : layout->widths[i];
		shown++;
	}
	return shown > 0 ? width + (shown - 1) * strlen(SEPARATOR) : 0;
}

/* Drop the column of the highest rank, the rightmost of several. */
static bool
layout_drop(struct layout *layout)
{
	size_t found = 0;
	unsigned rank = 0;

	for (size_t i = 0; i < layout->grid->count; i++) {
		unsigned other = layout->grid->columns[i].rank;

		if (!layout->hidden[i] && other > 0 && other >= rank) {
			rank = other;
			found = i;
		}
	}
	if (rank > 0)
		layout->hidden[found] = layout->dropped[found] = true;
	return rank > 0;
}

/* Take a column's width from what can be cut, the widest first; words are
 * broken only if nothing else is left. */
static bool
layout_shrink(struct layout *layout, bool words)
{
	size_t widest = SIZE_MAX;

	for (size_t i = 0; i < layout->grid->count; i++) {
		bool wrap = (layout->grid->columns[i].flags & GRID_WRAP) != 0;

		if (layout->hidden[i] ||
		    layout->widths[i] <= column_least(layout, i) ||
		    (wrap && !words && layout->widths[i] <= layout->words[i]))
			continue;
		if (widest == SIZE_MAX ||
		    layout->widths[i] > layout->widths[widest])
			widest = i;
	}
	if (widest != SIZE_MAX)
		layout->widths[widest]--;
	return widest != SIZE_MAX;
}

/* Make the texts of a column as narrow as the column became. */
static bool
column_narrow(struct layout *layout, size_t column)
{
	unsigned flags = layout->grid->columns[column].flags;
	void (*narrow)(const char *, size_t, struct buf *) =
	    (flags & GRID_WRAP) != 0	   ? text_wrap
	    : (flags & GRID_KEEP_END) != 0 ? text_cut_begin
					   : text_cut;
	struct libscols_iter *iter = scols_new_iter(SCOLS_ITER_FORWARD);
	struct libscols_line *line;
	bool ok = iter != NULL;

	while (ok && scols_table_next_line(layout->table, iter, &line) == 0) {
		const char *text =
		    scols_cell_get_data(scols_line_get_cell(line, column));

		if (text_width(text) <= layout->widths[column])
			continue;
		buf_reset(&layout->scratch);
		narrow(text, layout->widths[column], &layout->scratch);
		ok = !layout->scratch.failed &&
		     scols_line_set_data(line, column, layout->scratch.data) ==
			 0;
	}
	scols_free_iter(iter);
	return ok;
}

static bool
layout_fit(struct layout *layout)
{
	size_t most = layout->screen->columns;

	if (most > 0) {
		while (layout_width(layout, true) > most && layout_drop(layout))
			;
		while (layout_width(layout, false) > most &&
		       (layout_shrink(layout, false) ||
			   layout_shrink(layout, true)))
			;
	}
	for (size_t i = 0; i < layout->grid->count; i++) {
		unsigned flags = layout->grid->columns[i].flags;
		struct libscols_column *column =
		    scols_table_get_column(layout->table, i);
		int set = scols_column_get_flags(column);

		if (layout->hidden[i])
			set |= SCOLS_FL_HIDDEN;
		else if ((flags & (GRID_CUT | GRID_WRAP)) != 0 &&
			 !column_narrow(layout, i))
			return false;
		if ((flags & GRID_WRAP) != 0)
			set |= SCOLS_FL_WRAP;
		if (scols_column_set_flags(column, set) != 0)
			return false;
	}
	return true;
}

/* ---- drawing ---- */

/* The library fills up an empty last cell: spaces at the end of a line. */
static void
lines_write(const char *text, struct buf *out)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n"), end = len;

		while (end > 0 && text[end - 1] == ' ')
			end--;
		(void)buf_append(out, text, end);
		(void)buf_char(out, '\n');
		text += len;
		text += *text == '\n';
	}
}

static void
dropped_write(const struct layout *layout, struct buf *out)
{
	const char *tone = screen_tone(layout->screen, TONE_QUIET);
	struct buf names;
	bool any = false;

	buf_init(&names, COLUMNS_MOST * 64);
	(void)buf_text(&names, "No room for");
	for (size_t i = 0; i < layout->grid->count; i++) {
		if (!layout->dropped[i])
			continue;
		(void)buf_printf(&names, "%s %s", any ? "," : "",
		    layout->grid->columns[i].head);
		any = true;
	}
	(void)buf_text(&names, ".");
	(void)buf_char(&names, '\0');
	if (any && !names.failed) {
		(void)buf_text(out, tone);
		buf_wrap(out, names.data, 0, layout->screen->columns);
		(void)buf_text(out, *tone != '\0' ? SCREEN_PLAIN : "");
	}
	buf_fini(&names);
}

static bool
layout_draw(struct layout *layout, struct buf *out)
{
	char *text = NULL;

	layout->table = scols_new_table();
	if (layout->table == NULL ||
	    scols_table_enable_noencoding(layout->table, 1) != 0 ||
	    scols_table_set_termforce(layout->table, SCOLS_TERMFORCE_NEVER) !=
		0 ||
	    scols_table_enable_colors(layout->table, layout->screen->colour) !=
		0 ||
	    scols_table_set_column_separator(layout->table, SEPARATOR) != 0 ||
	    !layout_columns(layout) || !layout_rows(layout) ||
	    !layout_fit(layout) ||
	    scols_print_table_to_string(layout->table, &text) != 0)
		return false;
	lines_write(text, out);
	free(text);
	dropped_write(layout, out);
	return true;
}

static bool
grid_ok(const struct grid *grid, struct err *reterr)
{
	if (grid == NULL || grid->failed == ERR_NOMEM)
		return err_set_nomem(reterr);
	if (grid->failed != ERR_NONE)
		return err_set(reterr, grid->failed,
		    "the table is too large (%d rows and %d MiB of text at "
		    "most): narrow it, or take --json",
		    ROWS_MOST, TEXTS_MOST / (1024 * 1024));
	return true;
}

bool
grid_write(const struct grid *grid, const struct screen *screen,
    struct buf *out, struct err *reterr)
{
	struct layout layout = {.grid = grid, .screen = screen};
	bool drawn;

	if (!grid_ok(grid, reterr))
		return false;
	if (grid->row_count == 0)
		return true;
	buf_init(&layout.scratch, GRID_CELL * 8);
	drawn = layout_draw(&layout, out);
	scols_unref_table(layout.table);
	buf_fini(&layout.scratch);
	return drawn ? buf_ok(out, reterr) : err_set_nomem(reterr);
}

bool
grid_end(struct grid *grid, const struct screen *screen, struct buf *out,
    struct err *reterr)
{
	bool ok = grid_write(grid, screen, out, reterr);

	grid_free(grid);
	return ok;
}

/* ---- CSV ---- */

static void
csv_text(const char *text, struct buf *out)
{
	bool formula = *text != '\0' && strchr("=+-@\t\r", *text) != NULL;
	bool quote = strpbrk(text, "\",\r\n") != NULL;

	(void)buf_text(out, quote ? "\"" : "");
	(void)buf_text(out, formula ? "'" : "");
	for (; *text != '\0'; text++) {
		if (*text == '"')
			(void)buf_char(out, '"');
		(void)buf_char(out, *text);
	}
	(void)buf_text(out, quote ? "\"" : "");
}

static void
csv_cell(const struct grid *grid, size_t column, const struct cell *cell,
    struct buf *out)
{
	char text[CLOCK_TEXT];

	switch (cell->content) {
	case CONTENT_NONE:
		break;
	case CONTENT_TEXT:
		csv_text(grid->texts.data + cell->of.text, out);
		break;
	case CONTENT_WHOLE:
		if (kind_is_time(grid->columns[column].kind)) {
			clock_text(cell->of.whole, text, sizeof(text));
			(void)buf_text(out, cell->of.whole != 0 ? text : "");
		} else {
			(void)buf_printf(out, "%" PRId64, cell->of.whole);
		}
		break;
	case CONTENT_REAL:
		(void)buf_printf(out, "%.15g", cell->of.real);
		break;
	}
}

bool
grid_csv_write(const struct grid *grid, struct buf *out, struct err *reterr)
{
	if (!grid_ok(grid, reterr))
		return false;
	for (size_t i = 0; i < grid->count; i++) {
		(void)buf_text(out, i > 0 ? "," : "");
		csv_text(grid->columns[i].head, out);
	}
	(void)buf_text(out, "\r\n");
	for (size_t i = 0; i < grid->row_count; i++) {
		for (size_t j = 0; j < grid->count; j++) {
			(void)buf_text(out, j > 0 ? "," : "");
			csv_cell(grid, j, &grid->cells[grid->rows[i].cells + j],
			    out);
		}
		(void)buf_text(out, "\r\n");
	}
	return buf_ok(out, reterr);
}
