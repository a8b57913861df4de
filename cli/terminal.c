#include "cli/terminal.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Wipe the line of progress, before something else is written. */
static void
terminal_clear(struct terminal *terminal)
{
	if (terminal->progress)
		(void)fputs("\r\033[K", stderr);
	terminal->progress = false;
}

bool
terminal_print(FILE *to, const char *data, size_t len)
{
	char shown[UTF8_VISIBLE];
	size_t step, put;

	if (to != stderr && isatty(fileno(to)) != 1)
		return (len == 0 || fwrite(data, 1, len, to) == len) &&
		       fflush(to) == 0;
	for (size_t at = 0; at < len; at += step) {
		step = 1;
		put = 1;
		shown[0] = data[at];
		if (data[at] != '\n' && data[at] != '\t')
			put = utf8_visible(shown, data + at, len - at, &step);
		if (fwrite(shown, 1, put, to) != put)
			return false;
	}
	return fflush(to) == 0;
}

static bool
terminal_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct terminal *terminal = arg;

	if (terminal->stdout_shown)
		terminal_clear(terminal);
	if (terminal_print(stdout, data, len))
		return true;
	return err_set(
	    reterr, ERR_IO, "cannot write the output: %s", strerror(errno));
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
	(void)reterr;
	terminal_clear(arg);
	(void)!terminal_print(stderr, text, strlen(text));
	(void)fputc('\n', stderr);
	return true;
}

static bool
terminal_progress(void *arg, const char *text, struct err *reterr)
{
	struct terminal *terminal = arg;

	(void)reterr;
	if (!terminal->stderr_shown)
		return true;
	terminal_clear(terminal);
	(void)!terminal_print(stderr, text, strlen(text));
	terminal->progress = true;
	return true;
}

void
terminal_init(struct terminal *terminal, struct job_caller *ret_caller)
{
	*terminal = (struct terminal){
	    .stderr_shown = isatty(STDERR_FILENO) == 1,
	    .stdout_shown = isatty(STDOUT_FILENO) == 1,
	};
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
	terminal_clear(terminal);
	if (terminal->in != NULL && terminal->in != stdin)
		(void)fclose(terminal->in);
	terminal->in = NULL;
}
