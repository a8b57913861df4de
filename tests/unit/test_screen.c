/* What a terminal gets, and what a pipe: a pseudo terminal stands for one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/screen.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum place { TERMINAL, PIPE };

struct stage {
	int ours[2], theirs[2]; /* for stdout and stderr */
	int saved[2];
	char shown[2][4096]; /* what came out of each */
};

static void
place_open(enum place place, int *ret_ours, int *ret_theirs)
{
	struct winsize size = {.ws_col = 97, .ws_row = 31};
	struct termios raw = {0};
	int ends[2];

	if (place == PIPE) {
		assert_int_equal(pipe(ends), 0);
		*ret_ours = ends[0];
		*ret_theirs = ends[1];
	} else {
		cfmakeraw(&raw);
		assert_int_equal(
		    openpty(ret_ours, ret_theirs, NULL, &raw, &size), 0);
	}
	assert_int_equal(fcntl(*ret_ours, F_SETFL, O_NONBLOCK), 0);
}

/* Nothing may be asserted on this stage: cmocka writes to it. */
static void
stage_enter(struct stage *stage, enum place out, enum place err)
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	place_open(out, &stage->ours[0], &stage->theirs[0]);
	place_open(err, &stage->ours[1], &stage->theirs[1]);
	for (int i = 0; i < 2; i++) {
		stage->saved[i] = dup(i + 1);
		assert_true(stage->saved[i] >= 0);
		(void)dup2(stage->theirs[i], i + 1);
	}
}

static void
stage_leave(struct stage *stage)
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	for (int i = 0; i < 2; i++) {
		ssize_t len, put = 0;

		(void)dup2(stage->saved[i], i + 1);
		(void)close(stage->saved[i]);
		while ((len = read(stage->ours[i], stage->shown[i] + put,
			    sizeof(stage->shown[i]) - 1 - (size_t)put)) > 0)
			put += len;
		stage->shown[i][put] = '\0';
		(void)close(stage->theirs[i]);
		(void)close(stage->ours[i]);
	}
}

static void
env_set(const char *term, const char *no_color, const char *columns)
{
	static const char *const names[] = {"TERM", "NO_COLOR", "COLUMNS"};
	const char *const values[] = {term, no_color, columns};

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(values[i] == NULL
				     ? unsetenv(names[i])
				     : setenv(names[i], values[i], 1),
		    0);
}

static void
test_init(void **state)
{
	static const struct {
		enum place out, err;
		const char *term, *no_color;
		bool terminal, colour, progress;
	} cases[] = {
	    {TERMINAL, TERMINAL, "xterm", NULL, true, true, true},
	    {TERMINAL, TERMINAL, "xterm", "", true, true, true},
	    {TERMINAL, TERMINAL, "xterm", "1", true, false, true},
	    {TERMINAL, TERMINAL, "dumb", NULL, true, false, false},
	    {TERMINAL, TERMINAL, NULL, NULL, true, false, false},
	    {TERMINAL, PIPE, "xterm", NULL, true, true, false},
	    {PIPE, TERMINAL, "xterm", NULL, false, false, true},
	    {PIPE, PIPE, "xterm", NULL, false, false, false},
	};
	struct stage stage;
	struct screen screen;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		env_set(cases[i].term, cases[i].no_color, "55");
		stage_enter(&stage, cases[i].out, cases[i].err);
		screen_init(&screen, true);
		stage_leave(&stage);
		assert_int_equal(screen.terminal, cases[i].terminal);
		assert_int_equal(screen.colour, cases[i].colour);
		assert_int_equal(screen.progress, cases[i].progress);
		assert_int_equal(screen.columns, screen.terminal ? 97 : 0);
		assert_int_equal(screen.rows, screen.terminal ? 31 : 0);
		assert_true(screen.utc);
	}
}

/* Where the terminal does not know. */
static void
test_columns(void **state)
{
	static const struct {
		const char *columns;
		size_t got;
	} cases[] = {{NULL, 80}, {"", 80}, {"0", 80}, {"wide", 80}, {"-5", 80},
	    {"99999", 80}, {"100", 100}, {"3", 20}};
	struct winsize size = {0};
	struct stage stage;
	struct screen screen;
	int set;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		env_set("xterm", NULL, cases[i].columns);
		stage_enter(&stage, TERMINAL, TERMINAL);
		set = ioctl(STDOUT_FILENO, TIOCSWINSZ, &size);
		screen_init(&screen, false);
		stage_leave(&stage);
		assert_int_equal(set, 0);
		assert_int_equal(screen.columns, cases[i].got);
	}
}

/* A terminal gets our colours, and no other control sequence. */
static void
test_write(void **state)
{
	static const char text[] = "a\tb\n\033[32mgood\033[0m \033[32;1m\033[2J"
				   "\xe2\x80\xae\xff\033";
	static const char visible[] =
	    "a\tb\n\033[32mgood\033[0m \\x1b[32;1m\\x1b[2J"
	    "\\xe2\\x80\\xae\\xff\\x1b";
	static const char plain[] = "a\tb\ngood \\x1b[32;1m\\x1b[2J"
				    "\\xe2\\x80\\xae\\xff\\x1b";
	static const struct {
		enum place out, err;
		const char *no_color, *on_out, *on_err;
	} cases[] = {
	    {TERMINAL, TERMINAL, NULL, visible, visible},
	    {TERMINAL, TERMINAL, "1", plain, plain},
	    {TERMINAL, PIPE, NULL, visible, plain},
	    {PIPE, TERMINAL, NULL, text, plain},
	    {PIPE, PIPE, NULL, text, plain},
	};
	struct stage stage;
	struct screen screen;
	bool ok;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		env_set("xterm", cases[i].no_color, NULL);
		stage_enter(&stage, cases[i].out, cases[i].err);
		screen_init(&screen, false);
		ok =
		    screen_write(
			&screen, stdout, text, sizeof(text) - 1, NULL) &&
		    screen_write(&screen, stderr, text, sizeof(text) - 1, NULL);
		stage_leave(&stage);
		assert_true(ok);
		assert_string_equal(stage.shown[0], cases[i].on_out);
		assert_string_equal(stage.shown[1], cases[i].on_err);
	}
}

static void
test_fit(void **state)
{
	static const char text[] = "url   a bb ccc dddd\nshort\n"
				   "{\"json\": \"stays as it is\"}\n"
				   "a-word-that-is-too-long x\n";
	static const struct screen narrow = {.columns = 14}, pipe = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	(void)buf_text(&out, "kept as it is, here\n");
	(void)buf_text(&out, text);
	screen_fit(&pipe, &out, 20, 6);
	assert_int_equal(out.len, 20 + strlen(text));
	screen_fit(&narrow, &out, 20, 6);
	(void)buf_char(&out, '\0');
	assert_string_equal(out.data,
	    "kept as it is, here\nurl   a bb ccc\n      dddd\nshort\n"
	    "{\"json\": \"stays as it is\"}\n"
	    "a-word-that-is-too-long\n      x\n");
	buf_fini(&out);
}

static void
test_text(void **state)
{
	static const struct screen colour = {.colour = true}, pipe = {0};
	static const char expected[] =
	    "\033[31mhalted 7\033[0m \033[2mquiet\033[0m none halted";
	struct buf out;

	(void)state;
	buf_init(&out, 200);
	screen_text(&colour, &out, TONE_WRONG, "halted %d", 7);
	(void)buf_char(&out, ' ');
	screen_text(&colour, &out, TONE_QUIET, "quiet");
	(void)buf_char(&out, ' ');
	screen_text(&colour, &out, TONE_NONE, "none");
	(void)buf_char(&out, ' ');
	screen_text(&pipe, &out, TONE_WRONG, "halted");
	assert_int_equal(out.len, sizeof(expected) - 1);
	assert_memory_equal(out.data, expected, out.len);
	buf_fini(&out);
}

#define ERASE "\r\033[K"

/* Redrawn in place, and gone before anything else is written. */
static void
test_progress(void **state)
{
	struct stage stage;
	struct screen screen;
	bool ok;

	(void)state;
	env_set("xterm", NULL, NULL);
	stage_enter(&stage, TERMINAL, TERMINAL);
	screen_init(&screen, false);
	screen_progress(&screen, "0 of 2");
	screen_progress(&screen, "1 of 2");
	ok = screen_write(&screen, stdout, "row\n", 4, NULL) &&
	     screen_write(&screen, stdout, "row\n", 4, NULL);
	screen_progress(&screen, "2 of \033[2J");
	screen_progress(&screen, NULL);
	screen_progress_end(&screen);
	screen_progress_end(&screen);
	stage_leave(&stage);
	assert_true(ok);
	assert_string_equal(stage.shown[0], "row\nrow\n");
	assert_string_equal(stage.shown[1],
	    ERASE "0 of 2" ERASE "1 of 2" ERASE ERASE "2 of \\x1b[2J" ERASE);
}

/* stdout may be a pipe to a program: it gets the output alone. */
static void
test_progress_beside_pipe(void **state)
{
	struct stage stage;
	struct screen screen;
	bool ok;

	(void)state;
	env_set("xterm", NULL, NULL);
	stage_enter(&stage, PIPE, TERMINAL);
	screen_init(&screen, false);
	screen_progress(&screen, "read 1");
	ok = screen_write(&screen, stdout, "row\n", 4, NULL);
	screen_progress(&screen, "read 2");
	screen_progress_end(&screen);
	stage_leave(&stage);
	assert_true(ok);
	assert_string_equal(stage.shown[0], "row\n");
	assert_string_equal(
	    stage.shown[1], ERASE "read 1" ERASE "read 2" ERASE);

	stage_enter(&stage, PIPE, PIPE);
	screen_init(&screen, false);
	screen_progress(&screen, "read 1");
	screen_progress_end(&screen);
	stage_leave(&stage);
	assert_string_equal(stage.shown[1], "");
}

/* A line that wraps could not be erased: what has no room is left out. */
static void
test_progress_narrow(void **state)
{
	struct winsize size = {.ws_col = 30, .ws_row = 5};
	struct stage stage;
	struct screen screen;

	(void)state;
	env_set("xterm", NULL, NULL);
	stage_enter(&stage, TERMINAL, TERMINAL);
	(void)ioctl(STDERR_FILENO, TIOCSWINSZ, &size);
	screen_init(&screen, false);
	screen_progress(&screen, "requeued 0 of 541,200");
	screen_progress(&screen, "requeued 12,480 of 541,200 (2 %)");
	screen_progress_end(&screen);
	stage_leave(&stage);
	assert_string_equal(stage.shown[1],
	    ERASE "requeued 0 of 541,200" ERASE
		  "requeued 12,480 of 541,200 (2" ERASE);
}

/* A page has our colours, and no other control sequence either. */
static void
test_page(void **state)
{
	static const char page[] = "\033[31mbad\033[0m \033[2J\x7f\xc2\x9b\n"
				   "second\n";
	struct stage stage;
	struct screen screen;
	bool ok;

	(void)state;
	env_set("xterm", NULL, NULL);
	stage_enter(&stage, TERMINAL, TERMINAL);
	screen_init(&screen, false);
	ok = screen_page_draw(&screen, page, sizeof(page) - 1, NULL);
	stage_leave(&stage);
	assert_true(ok);
	assert_string_equal(stage.shown[0],
	    "\033[H\033[?7l"
	    "\033[31mbad\033[0m \\x1b[2J\\x7f\\xc2\\x9b\033[K\r\n"
	    "second\033[K"
	    "\033[J\033[?7h");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_init),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_fit),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_progress),
	    cmocka_unit_test(test_progress_beside_pipe),
	    cmocka_unit_test(test_progress_narrow),
	    cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
