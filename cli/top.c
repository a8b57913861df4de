/*
 * currentsd status, top: the state once, or live until q or an interrupt, after
 * which the terminal is as it was.
 */

#include "base/clock.h"
#include "cli/command.h"
#include "cli/show.h"
#include "cli/status.h"
#include "cli/value.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { TOP_EVERY_MS = 1000, TOP_PAGE = 256 * 1024 };

const struct option_row command_status_options[] = {
    {"--watch", NULL, "Draw it again every second, until q is pressed."},
    {"--healthy", NULL,
	"Exit 1 unless the daemon runs and no thread has stalled."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_top_options[] = {
    {"--once", NULL, "Print it once, as without a terminal."},
    {NULL, NULL, NULL},
};

struct top {
	struct command_context *context;
	struct buf page;
	sigset_t before; /* signals that were blocked */
	struct termios keys;
	bool keys_set;
};

static volatile sig_atomic_t top_signal;

static void
top_signalled(int signal)
{
	top_signal = signal;
}

/* ---- the terminal ---- */

/* Signals come only while we wait, so none is missed. */
static void
top_begin(struct top *top)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action = {.sa_handler = top_signalled};
	struct termios raw;
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)sigaddset(&set, signals[i]);
		(void)sigaction(signals[i], &action, NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &set, &top->before);
	top->keys_set = tcgetattr(STDIN_FILENO, &top->keys) == 0;
	if (top->keys_set) {
		raw = top->keys;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	screen_page_begin(top->context->screen);
}

static void
top_end(struct top *top)
{
	screen_page_end(top->context->screen);
	if (top->keys_set)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &top->keys);
}

/* Until then, or until a key or a signal ends it: false. */
static bool
top_wait(const struct top *top, int64_t until_ms)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec wait;
	int64_t left_ms;
	char key;

	while ((left_ms = until_ms - clock_mono_ms()) > 0) {
		wait.tv_sec = (time_t)(left_ms / 1000);
		wait.tv_nsec = (long)(left_ms % 1000 * 1000000);
		fd.revents = 0;
		if (ppoll(&fd, 1, &wait, &top->before) < 0 && errno != EINTR)
			return false;
		if (top_signal != 0)
			return false;
		if (fd.revents == 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1)
			fd.fd = -1; /* no keys: it runs until a signal */
		else if (key == 'q' || key == 'Q')
			return false;
		else
			return true;
	}
	return true;
}

/* ---- the page ---- */

static bool
top_page(struct top *top, struct err *reterr)
{
	struct command_context *context = top->context;
	json_t *status = NULL;
	struct ask ask;
	bool ok;

	ask_init(&ask, "GET", "/status");
	buf_reset(&top->page);
	ok = client_ask(context->client, &ask, NULL, NULL, &status, reterr) &&
	     status_render(
		 status, context->screen, clock_wall_ms(), &top->page, reterr);
	json_decref(status);
	return ok;
}

static bool
top_run(struct top *top, struct err *reterr)
{
	int64_t next_ms = clock_mono_ms();

	do {
		if (!top_page(top, reterr) ||
		    !screen_page_draw(top->context->screen, top->page.data,
			top->page.len, reterr))
			return false;
		next_ms += TOP_EVERY_MS;
		if (next_ms < clock_mono_ms())
			next_ms = clock_mono_ms() + TOP_EVERY_MS;
	} while (top_wait(top, next_ms));
	return true;
}

/* Without a daemon nothing moves, and a daemon that starts needs the queue. */
int
command_top(struct command_context *context, struct buf *out)
{
	bool live = context->screen->terminal &&
		    !options_has(context->options, "--once") &&
		    client_reaches_daemon(context->client);
	struct top top = {.context = context};
	struct err err;
	bool ok;

	buf_init(&top.page, TOP_PAGE);
	if (live) {
		top_begin(&top);
		ok = top_run(&top, &err);
		top_end(&top);
	} else {
		ok = top_page(&top, &err);
		if (ok)
			(void)buf_append(out, top.page.data, top.page.len);
	}
	buf_fini(&top.page);
	if (!ok)
		return command_fail(out, &err);
	return EXIT_FINE;
}

static int
status_show(
    struct command_context *context, const json_t *status, struct buf *out)
{
	struct err err;

	if (!status_render(status, context->screen, context->now_ms, out, &err))
		return command_fail(out, &err);
	return options_has(context->options, "--healthy") &&
		       (strcmp(value_text(status, "state"), "running") != 0 ||
			   !json_is_true(value_at(status, "alive")))
		   ? EXIT_FOUND
		   : EXIT_FINE;
}

int
command_status(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/status", "");

	if (options_has(context->options, "--watch"))
		return command_top(context, out);
	return command_answer(context, &ask, status_show, out);
}
