/* Tables: what stands in them, and how they fit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/grid.h"

#include <jansson.h>
#include <locale.h>
#include <string.h>

#define NOW_MS INT64_C(1795825800000) /* 2026-11-28T00:30:00Z */

static enum tone
state_tone(const char *text)
{
	return strcmp(text, "running") == 0 ? TONE_GOOD : TONE_WRONG;
}

static const struct grid_column destinations[] = {
    {"DESTINATION", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    {"STATE", "state", GRID_TEXT, 0, 0, state_tone},
    {"QUEUED", "counts.queued", GRID_NUMBER, 0, 0, NULL},
    {"OLDEST", "oldest", GRID_AGE, 0, 2, NULL},
    {"RATE", "rate", GRID_RATE, 0, 1, NULL},
    {"DEAD", "counts.dead", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
    {"WHY", "why", GRID_TEXT, GRID_WRAP | GRID_HIDE_ZERO, 3, NULL},
};
enum { DESTINATIONS = sizeof(destinations) / sizeof(destinations[0]) };

static struct grid *
grid_of(const struct grid_column *columns, size_t count, const char *rows)
{
	struct grid *grid = grid_new(columns, count, NOW_MS);
	json_t *json = json_loads(rows, 0, NULL), *row;
	size_t i;

	assert_non_null(grid);
	assert_non_null(json);
	json_array_foreach(json, i, row) grid_row(grid, row);
	json_decref(json);
	return grid;
}

static struct grid *
grid_some(void)
{
	return grid_of(destinations, DESTINATIONS,
	    "[{\"name\":\"heap\",\"state\":\"running\",\"counts\":{\"queued\":"
	    "541200,\"dead\":0},\"oldest\":\"2026-11-27T23:52:00Z\",\"rate\":"
	    "237.2,\"why\":\"\"},"
	    "{\"name\":\"heap-eu-and-a-long-name\",\"state\":\"halted\","
	    "\"counts\":{\"queued\":12480,\"dead\":0},\"oldest\":"
	    "\"2026-11-27T23:53:00Z\",\"rate\":0,"
	    "\"why\":\"Heap refuses the key: app is disabled\"},"
	    "{\"name\":\"braze\",\"state\":\"running\",\"counts\":{\"queued\":"
	    "0},\"oldest\":null,\"rate\":0.4}]");
}

static void
assert_text(const struct buf *out, const char *expected)
{
	char text[8192];

	assert_true(out->len < sizeof(text));
	if (out->len > 0)
		memcpy(text, out->data, out->len);
	text[out->len] = '\0';
	assert_string_equal(text, expected);
}

static void
assert_drawn(
    const struct grid *grid, const struct screen *screen, const char *expected)
{
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 20);
	if (!grid_write(grid, screen, &out, &err))
		fail_msg("%s", err.text);
	assert_text(&out, expected);
	buf_fini(&out);
}

static void
test_fits(void **state)
{
	static const struct {
		struct screen screen;
		const char *drawn;
	} cases[] = {
	    /* All there is to say, even what is empty. */
	    {{0},
		"DESTINATION              STATE     QUEUED  OLDEST   RATE  DEAD"
		"  WHY\n"
		"heap                     running  541,200  38 min  237/s     0"
		"  -\n"
		"heap-eu-and-a-long-name  halted    12,480  37 min    0/s     0"
		"  Heap refuses the key: app is disabled\n"
		"braze                    running        0  -       0.4/s     -"
		"  -\n"},
	    {{.terminal = true, .columns = 120},
		"DESTINATION              STATE     QUEUED  OLDEST   RATE  "
		"WHY\n"
		"heap                     running  541,200  38 min  237/s  -\n"
		"heap-eu-and-a-long-name  halted    12,480  37 min    0/s  "
		"Heap refuses the key: app is disabled\n"
		"braze                    running        0  -       0.4/s  "
		"-\n"},
	    {{.terminal = true, .columns = 80},
		"DESTINATION             STATE     QUEUED  OLDEST   RATE  WHY\n"
		"heap                    running  541,200  38 min  237/s  -\n"
		"heap-eu-and-a-long-na\xe2\x80\xa6  halted    12,480  37 min   "
		" "
		"0/s  Heap refuses the key:\n"
		"                                                         app "
		"is disabled\n"
		"braze                   running        0  -       0.4/s  -\n"},
	    {{.terminal = true, .columns = 40},
		"DESTINATION      STATE     QUEUED   RATE\n"
		"heap             running  541,200  237/s\n"
		"heap-eu-and-a-\xe2\x80\xa6  halted    12,480    0/s\n"
		"braze            running        0  0.4/s\n"
		"No room for OLDEST, WHY.\n"},
	    /* Narrower than the least of it: nothing that stays is lost. */
	    {{.terminal = true, .columns = 20},
		"DESTINATION  STATE     QUEUED\n"
		"heap         running  541,200\n"
		"heap-eu-an\xe2\x80\xa6  halted    12,480\n"
		"braze        running        0\n"
		"No room for OLDEST,\nRATE, WHY.\n"},
	};
	struct grid *grid = grid_some();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_drawn(grid, &cases[i].screen, cases[i].drawn);
	grid_free(grid);
}

/* The highest rank goes first, of several the rightmost, and only as many as
 * it takes. */
static void
test_drops(void **state)
{
	static const struct grid_column columns[] = {
	    {"STAYS", "a", GRID_TEXT, 0, 0, NULL},
	    {"SECOND", "b", GRID_TEXT, 0, 1, NULL},
	    {"FIRST", "c", GRID_TEXT, 0, 1, NULL},
	    {"ALSO", "d", GRID_TEXT, 0, 0, NULL}};
	static const struct screen all = {.terminal = true, .columns = 26},
				   some = {.terminal = true, .columns = 25},
				   few = {.terminal = true, .columns = 18};
	struct grid *grid = grid_of(columns, 4, "[{}]");

	(void)state;
	assert_drawn(grid, &all,
	    "STAYS  SECOND  FIRST  ALSO\n-      -       -      -\n");
	assert_drawn(grid, &some,
	    "STAYS  SECOND  ALSO\n-      -       -\nNo room for FIRST.\n");
	assert_drawn(
	    grid, &few, "STAYS  ALSO\n-      -\nNo room for\nSECOND, FIRST.\n");
	grid_free(grid);
}

/* Colours by state; the heads are dim. */
static void
test_colour(void **state)
{
	static const struct screen screen = {
	    .terminal = true, .colour = true, .columns = 30};
	struct grid *grid = grid_new(destinations, 3, NOW_MS);

	(void)state;
	grid_row(grid, NULL);
	grid_text(grid, 0, "heap");
	grid_text(grid, 1, "running");
	grid_number(grid, 2, 7);
	grid_tone(grid, 2, TONE_WAITING);
	grid_row(grid, NULL);
	grid_text(grid, 1, "halted");
	assert_drawn(grid, &screen,
	    "\033[2mDESTINATION\033[0m  \033[2mSTATE  \033[0m  "
	    "\033[2mQUEUED\033[0m\n"
	    "heap         \033[32mrunning\033[0m  \033[33m     7\033[0m\n"
	    "-            \033[31mhalted \033[0m       -\n");
	grid_free(grid);
}

/* Nothing in a cell leaves it: no control, no line, no direction. */
static void
test_hostile(void **state)
{
	static const struct grid_column columns[] = {
	    {"NAME", "name", GRID_TEXT, GRID_CUT, 0, NULL},
	    {"N", "n", GRID_NUMBER, 0, 0, NULL}};
	static const struct screen screen = {.terminal = true, .columns = 80},
				   narrow = {.terminal = true, .columns = 20};
	struct grid *grid = grid_of(columns, 2,
	    "[{\"name\":\"a\\u001b[2J\\nb\\tc\",\"n\":1},"
	    "{\"name\":\"\\u202eevil\",\"n\":2},"
	    "{\"name\":\"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\",\"n\":3},"
	    "{\"name\":\"e\xcc\x81t\xc3\xa9\",\"n\":\"\\u0007\"}]");

	(void)state;
	grid_row(grid, NULL);
	grid_text(grid, 0, "\xff\\x1b");
	/* Characters of two columns, and one that takes none. */
	assert_drawn(grid, &screen,
	    "NAME                 N\n"
	    "a\\x1b[2J b c         1\n"
	    "\\xe2\\x80\\xaeevil     2\n"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e               3\n"
	    "e\xcc\x81t\xc3\xa9               \\x07\n"
	    "\\xff\\x1b             -\n");
	assert_drawn(grid, &narrow,
	    "NAME               N\n"
	    "a\\x1b[2J b c       1\n"
	    "\\xe2\\x80\\xaee\xe2\x80\xa6     2\n"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e             3\n"
	    "e\xcc\x81t\xc3\xa9             \\x07\n"
	    "\\xff\\x1b           -\n");
	grid_free(grid);
}

/* Cut where a wide character does not fit, and within a long word. */
static void
test_narrow(void **state)
{
	static const struct grid_column columns[] = {
	    {"CUT", "cut", GRID_TEXT, GRID_CUT, 0, NULL},
	    {"WRAP", "wrap", GRID_TEXT, GRID_WRAP, 0, NULL}};
	static const struct screen screen = {.terminal = true, .columns = 20};
	struct grid *grid = grid_of(columns, 2,
	    "[{\"cut\":\"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\","
	    "\"wrap\":\"unbreakable-word of several\"}]");

	(void)state;
	assert_drawn(grid, &screen,
	    "CUT      WRAP\n"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe2\x80\xa6  "
	    "unbreakabl\n"
	    "         e-word of\n"
	    "         several\n");
	grid_free(grid);
}

static void
test_kinds(void **state)
{
	static const struct grid_column columns[] = {
	    {"BYTES", "bytes", GRID_BYTES, 0, 0, NULL},
	    {"SHARE", "share", GRID_PERCENT, 0, 0, NULL},
	    {"FOR", "for", GRID_DURATION, 0, 0, NULL},
	    {"AT", "at", GRID_TIME, 0, 0, NULL},
	    {"SINCE", "at", GRID_AGE, 0, 0, NULL},
	    {"LAST", "at", GRID_AGO, 0, 0, NULL},
	    {"OPEN", "open", GRID_TEXT, 0, 0, NULL},
	    {"LIST", "list", GRID_TEXT, 0, 0, NULL}};
	static const struct screen screen = {.utc = true};
	struct grid *grid = grid_of(columns, 8,
	    "[{\"bytes\":1610612736,\"share\":0.5,\"for\":7500,"
	    "\"at\":\"2026-11-28T00:29:48Z\",\"open\":true,\"list\":[1,2]},"
	    "{\"bytes\":\"many\",\"share\":1,\"at\":\"at noon\"},{}]");

	(void)state;
	assert_drawn(grid, &screen,
	    "  BYTES  SHARE  FOR        AT         SINCE    LAST      OPEN  "
	    "LIST\n"
	    "1.5 GiB   50 %  2 h 5 min  00:29:48Z  12 s     12 s ago  yes   "
	    "[1,2]\n"
	    "   many  100 %  -          at noon    at noon  at noon   -     "
	    "-\n"
	    "      -      -  -          -          -        never     -     "
	    "-\n");
	grid_free(grid);
}

static void
test_zero_is_hidden(void **state)
{
	static const struct grid_column columns[] = {
	    {"NAME", "name", GRID_TEXT, 0, 0, NULL},
	    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
	    {"RATE", "rate", GRID_RATE, GRID_HIDE_ZERO, 0, NULL},
	    {"WHY", "why", GRID_TEXT, GRID_HIDE_ZERO, 0, NULL}};
	static const struct screen terminal = {.terminal = true}, pipe = {0};
	struct grid *grid = grid_of(columns, 4,
	    "[{\"name\":\"a\",\"dead\":0,\"rate\":0.0,\"why\":\"\"},"
	    "{\"name\":\"b\",\"rate\":null}]");

	(void)state;
	assert_drawn(grid, &terminal, "NAME\na\nb\n");
	assert_drawn(grid, &pipe,
	    "NAME  DEAD  RATE  WHY\n"
	    "a        0   0/s  -\n"
	    "b        -     -  -\n");
	grid_row(grid, NULL);
	grid_number(grid, 1, 1);
	assert_drawn(grid, &terminal,
	    "NAME  DEAD\na        0\nb        -\n"
	    "-        1\n");
	grid_free(grid);
}

static void
assert_order(const struct grid *grid, const char *names)
{
	static const struct screen pipe = {0};
	struct buf out;
	char got[64];
	size_t put = 0;

	buf_init(&out, 4096);
	assert_true(grid_write(grid, &pipe, &out, NULL));
	for (size_t i = 0; i + 1 < out.len && put + 1 < sizeof(got); i++) {
		if (out.data[i] == '\n')
			got[put++] = out.data[i + 1];
	}
	got[put] = '\0';
	assert_string_equal(got, names);
	buf_fini(&out);
}

static void
test_sort(void **state)
{
	static const struct grid_column columns[] = {
	    {"NAME", "name", GRID_TEXT, 0, 0, NULL},
	    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL}};
	struct grid *grid = grid_of(columns, 2,
	    "[{\"name\":\"d\",\"queued\":9},{\"name\":\"a\"},"
	    "{\"name\":\"c\",\"queued\":1000},{\"name\":\"b\",\"queued\":9},"
	    "{\"name\":\"e\",\"queued\":\"many\"},"
	    "{\"name\":\"f\",\"queued\":9.5}]");
	struct err err;

	(void)state;
	assert_int_equal(grid_rows(grid), 6);
	assert_order(grid, "dacbef");
	grid_sort(grid, 0, false);
	assert_order(grid, "abcdef");
	/* As numbers; those that are equal stay in order, none comes last. */
	assert_true(grid_sort_named(grid, "queued", &err));
	assert_order(grid, "bdfcea");
	assert_true(grid_sort_named(grid, "-Queued", &err));
	assert_order(grid, "ecfbda");
	assert_false(grid_sort_named(grid, "size", &err));
	assert_int_equal(err.code, ERR_INPUT);
	assert_non_null(strstr(err.text, "NAME, QUEUED"));
	/* A row that comes later belongs to no other. */
	grid_row(grid, NULL);
	grid_text(grid, 0, "g");
	assert_order(grid, "ecfbdag");
	grid_free(grid);
}

/* Types of events differ at the end, and have dots instead of spaces. */
static void
test_types(void **state)
{
	static const struct grid_column columns[] = {
	    {"TYPE", "type", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL},
	    {"WHAT", "type", GRID_TEXT, GRID_WRAP, 0, NULL}};
	static const struct screen narrow = {.terminal = true, .columns = 40};
	struct grid *grid = grid_of(columns, 2,
	    "[{\"type\":\"users.messages.email.Send\"},{\"type\":\"x.New\"}]");

	(void)state;
	assert_drawn(grid, &narrow,
	    "TYPE                  WHAT\n"
	    "\xe2\x80\xa6"
	    "messages.email.Send  users.messages.\n"
	    "                      email.Send\n"
	    "x.New                 x.New\n");
	grid_free(grid);
}

static void
test_csv(void **state)
{
	static const struct grid_column columns[] = {
	    {"NAME", "name", GRID_TEXT, GRID_CUT | GRID_HIDE_ZERO, 1, NULL},
	    {"N", "n", GRID_NUMBER, 0, 0, NULL},
	    {"AT", "at", GRID_TIME, 0, 0, NULL},
	    {"FOR", "for", GRID_DURATION, 0, 0, NULL},
	    {"RATE", "rate", GRID_RATE, 0, 0, NULL}};
	struct grid *grid = grid_of(columns, 5,
	    "[{\"name\":\"heap\",\"n\":12480,\"at\":\"2026-11-28T01:30:00+01:00"
	    "\",\"for\":7500,\"rate\":0.125},"
	    "{\"name\":\"a \\\"b\\\", c\\nd\",\"n\":-5},"
	    "{\"name\":\"=1+1\"},{\"name\":\"+1\"},{\"name\":\"-1\"},"
	    "{\"name\":\"@x\"},{\"name\":\"\\t=1\"},{\"name\":\"a=1\"},"
	    "{\"name\":\"=\\\"x\\\"\"},{}]");
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_true(grid_csv_write(grid, &out, NULL));
	assert_text(&out,
	    "NAME,N,AT,FOR,RATE\r\n"
	    "heap,12480,2026-11-28T00:30:00.000Z,7500,0.125\r\n"
	    "\"a \"\"b\"\", c\nd\",-5,,,\r\n"
	    "'=1+1,,,,\r\n'+1,,,,\r\n'-1,,,,\r\n'@x,,,,\r\n'\t=1,,,,\r\n"
	    "a=1,,,,\r\n\"'=\"\"x\"\"\",,,,\r\n,,,,\r\n");
	buf_fini(&out);
	grid_free(grid);
}

/* What does not fit is an error, not a part of the table. */
static void
test_limits(void **state)
{
	static const struct screen pipe = {0};
	static char text[GRID_CELL + 3];
	struct grid *grid = grid_new(destinations, 1, NOW_MS);
	struct err err = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_true(grid_write(grid, &pipe, &out, &err));
	assert_int_equal(out.len, 0);

	/* A text is cut between characters. */
	memset(text, 'a', GRID_CELL - 1);
	memcpy(text + GRID_CELL - 1, "\xc3\xa9", 3);
	grid_row(grid, NULL);
	grid_text(grid, 0, text);
	assert_false(grid_write(grid, &pipe, &out, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	buf_fini(&out);
	buf_init(&out, 3 * GRID_CELL);
	assert_true(grid_write(grid, &pipe, &out, &err));
	assert_int_equal(
	    out.len, strlen("DESTINATION") + 1 + GRID_CELL - 1 + 1);

	while (grid_rows(grid) < 250000)
		grid_row(grid, NULL);
	grid_row(grid, NULL);
	grid_text(grid, 0, "one too many");
	assert_int_equal(grid_rows(grid), 250000);
	assert_false(grid_write(grid, &pipe, &out, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_false(grid_csv_write(grid, &out, &err));
	grid_free(grid);

	/* No memory for the grid itself. */
	grid_row(NULL, NULL);
	grid_text(NULL, 0, "a");
	grid_textf(NULL, 0, "%d", 1);
	grid_number(NULL, 0, 1);
	grid_real(NULL, 0, 1);
	grid_tone(NULL, 0, TONE_GOOD);
	grid_sort(NULL, 0, false);
	assert_int_equal(grid_rows(NULL), 0);
	assert_false(grid_write(NULL, &pipe, &out, &err));
	assert_int_equal(err.code, ERR_NOMEM);
	grid_free(NULL);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fits),
	    cmocka_unit_test(test_drops),
	    cmocka_unit_test(test_colour),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_narrow),
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_zero_is_hidden),
	    cmocka_unit_test(test_sort),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_csv),
	    cmocka_unit_test(test_limits),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
