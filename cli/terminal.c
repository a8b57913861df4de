#include "cli/terminal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool
terminal_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct terminal *terminal = arg;

	return screen_write(terminal->screen, stdout, data, len, reterr);
}

static bool
terminal_read(void *arg, const char *name, struct buf *in, struct err *reterr)
{
	struct terminal *terminal = arg;
	char piece[4096];
	size_t len, had = in->len;

	if (terminal->in == NULL)
		terminal->in =
		    strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
	if (terminal->in == NULL)
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(errno));
	/* Who types ends a line, and waits. */
	if (isatty(fileno(terminal->in)) == 1) {
		if (fgets(piece, sizeof(piece), terminal->in) != NULL)
			(void)buf_text(in, piece);
		return buf_ok(in, reterr);
	}
	while (in->len - had <= JOB_PIECE - sizeof(piece)) {
		len = fread(piece, 1, sizeof(piece), terminal->in);
		if (len == 0)
			break;
		(void)buf_append(in, piece, len);
	}
	if (ferror(terminal->in))
		return err_set(reterr, ERR_IO, "%s: read error", name);
	return buf_ok(in, reterr);
}

static bool
terminal_message(void *arg, const char *text, struct err *reterr)
{
	struct terminal *terminal = arg;

	return screen_write(
		   terminal->screen, stderr, text, strlen(text), reterr) &&
	       screen_write(terminal->screen, stderr, "\n", 1, reterr);
}

static bool
terminal_progress(void *arg, const char *text, struct err *reterr)
{
	struct terminal *terminal = arg;

	(void)reterr;
	screen_progress_text(terminal->screen, text);
	return true;
}

void
terminal_init(struct terminal *terminal, struct screen *screen,
    struct job_caller *ret_caller)
{
	*terminal = (struct terminal){.screen = screen};
	*ret_caller = (struct job_caller){
	    .arg = terminal,
	    .write = terminal_write,
	    .read = terminal_read,
	    .message = terminal_message,
	    .progress = terminal_progress,
	};
}

void
terminal_fini(struct terminal *terminal)
{
	screen_progress_end(terminal->screen);
	if (terminal->in != NULL && terminal->in != stdin)
		(void)fclose(terminal->in);
	terminal->in = NULL;
}
