#include "cli/screen.h"

#include "base/utf8.h"
#include "cli/show.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	COLUMNS_LEAST = 20, /* less is no width but a mistake */
	COLUMNS_MOST = 10000,
	COLUMNS_DEFAULT = 80,
};

static const char *const sequences[] = {
    [TONE_NONE] = "",
    [TONE_GOOD] = "\033[32m",
    [TONE_WAITING] = "\033[33m",
    [TONE_WRONG] = "\033[31m",
    [TONE_QUIET] = "\033[2m",
    [TONE_STRONG] = "\033[1m",
};
enum { TONES = sizeof(sequences) / sizeof(sequences[0]) };

/* ---- what is possible ---- */

static size_t
columns_of(int fd, size_t *ret_rows)
{
	struct winsize size = {0};
	const char *text = getenv("COLUMNS");
	unsigned long columns;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
		columns = size.ws_col;
		*ret_rows = size.ws_row;
	} else {
		columns = text != NULL ? strtoul(text, NULL, 10) : 0;
		*ret_rows = 0;
	}
	if (columns == 0 || columns > COLUMNS_MOST)
		return COLUMNS_DEFAULT;
	return columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns;
}

static void
encoding_set(void)
{
	if (setlocale(LC_CTYPE, "") == NULL ||
	    strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
}

void
screen_init(struct screen *screen, bool utc)
{
	const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
	bool able = term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;

	encoding_set();
	*screen = (struct screen){
	    .terminal = isatty(STDOUT_FILENO) == 1,
	    .progress = able && isatty(STDERR_FILENO) == 1,
	    .utc = utc,
	};
	screen->colour =
	    screen->terminal && able && (none == NULL || *none == '\0');
	if (screen->terminal)
		screen->columns = columns_of(STDOUT_FILENO, &screen->rows);
}

/* ---- colours ---- */

const char *
screen_tone(const struct screen *screen, enum tone tone)
{
	return screen->colour ? sequences[tone] : "";
}

void
screen_text(const struct screen *screen, struct buf *out, enum tone tone,
    const char *format, ...)
{
	const char *begin = screen_tone(screen, tone);
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL) {
		out->failed = out->starved = true;
		return;
	}
	(void)buf_printf(
	    out, "%s%s%s", begin, text, *begin != '\0' ? SCREEN_PLAIN : "");
	free(text);
}

/* How much of a line fits: up to a space, but one behind the indent. A word
 * that is wider stays whole. */
static size_t
line_fit(const char *line, size_t len, size_t columns, size_t indent)
{
	size_t at = columns;

	if (len <= columns)
		return len;
	while (at > indent && line[at] != ' ')
		at--;
	if (at > indent)
		return at;
	for (at = columns; at < len && line[at] != ' ';)
		at++;
	return at;
}

static void
line_break(const struct screen *screen, const char *line, size_t len,
    size_t indent, struct buf *out)
{
	bool json = len > 0 && *line == '{';
	size_t columns = screen->columns, part;

	part = json ? len : line_fit(line, len, columns, indent);
	(void)buf_append(out, line, part);
	for (size_t at = part; at < len; at += part) {
		at += strspn(line + at, " ");
		part = line_fit(line + at, len - at, columns - indent, 0);
		(void)buf_printf(
		    out, "\n%*s%.*s", (int)indent, "", (int)part, line + at);
	}
	(void)buf_char(out, '\n');
}

void
screen_fit(
    const struct screen *screen, struct buf *out, size_t from, size_t indent)
{
	const char *line, *end;
	struct buf text;

	if (screen->columns <= 2 * indent)
		return;
	buf_init(&text, out->limit);
	(void)buf_append(&text, out->data + from, out->len - from);
	(void)buf_char(&text, '\0');
	out->len = from;
	for (line = text.data; !text.failed && *line != '\0'; line = end + 1) {
		end = strchrnul(line, '\n');
		line_break(screen, line, (size_t)(end - line), indent, out);
		if (*end == '\0')
			break;
	}
	out->failed = out->failed || text.failed;
	out->starved = out->starved || text.starved;
	buf_fini(&text);
}

/* ---- output ---- */

/* The length of one of our own sequences at data, or 0. */
static size_t
sequence_length(const char *data, size_t len)
{
	static const char plain[] = SCREEN_PLAIN;

	if (len >= sizeof(plain) - 1 &&
	    memcmp(data, plain, sizeof(plain) - 1) == 0)
		return sizeof(plain) - 1;
	for (size_t i = TONE_NONE + 1; i < TONES; i++) {
		size_t want = strlen(sequences[i]);

		if (len >= want && memcmp(data, sequences[i], want) == 0)
			return want;
	}
	return 0;
}

static bool
write_visible(FILE *to, const char *data, size_t len, bool colour)
{
	char shown[UTF8_VISIBLE];
	const char *from;
	size_t step, put;

	for (size_t at = 0; at < len; at += step) {
		step = data[at] == '\033' ? sequence_length(data + at, len - at)
					  : 0;
		from = data + at;
		if (step > 0) {
			put = colour ? step : 0;
		} else if (data[at] == '\n' || data[at] == '\t') {
			step = put = 1;
		} else {
			put = utf8_visible(shown, data + at, len - at, &step);
			from = shown;
		}
		if (fwrite(from, 1, put, to) != put)
			return false;
	}
	return true;
}

static void
progress_erase(struct screen *screen)
{
	if (screen->progress_shown)
		(void)fputs("\r\033[K", stderr);
	screen->progress_shown = false;
}

bool
screen_write(struct screen *screen, FILE *to, const char *data, size_t len,
    struct err *reterr)
{
	bool wrote, colour = screen->colour;

	CHECK(to == stdout || to == stderr);
	if (to == stderr || screen->terminal)
		progress_erase(screen);
	if (to == stderr)
		colour = colour && screen->progress;
	if (to == stderr || screen->terminal)
		wrote = write_visible(to, data, len, colour);
	else
		wrote = len == 0 || fwrite(data, 1, len, to) == len;
	if (wrote && fflush(to) == 0)
		return true;
	return err_set(
	    reterr, ERR_IO, "cannot write the output: %s", strerror(errno));
}

bool
screen_line(struct screen *screen, const char *text, struct err *reterr)
{
	return screen_write(screen, stderr, text, strlen(text), reterr) &&
	       screen_write(screen, stderr, "\n", 1, reterr);
}

bool
screen_ask(struct screen *screen, const char *question, char *ret_answer,
    size_t size, struct err *reterr)
{
	if (!screen_line(screen, question, reterr))
		return false;
	if (fgets(ret_answer, (int)size, stdin) == NULL)
		return err_set(reterr, ERR_INPUT, "there was no answer");
	ret_answer[strcspn(ret_answer, "\n")] = '\0';
	return true;
}

/* ---- progress ---- */

/* What fits: a line that wraps could not be erased. */
static size_t
progress_width(void)
{
	size_t rows;

	return columns_of(STDERR_FILENO, &rows) - 1;
}

void
screen_progress(struct screen *screen, const char *text)
{
	size_t most = progress_width(), len;

	if (!screen->progress || text == NULL)
		return;
	len = strlen(text);
	(void)fputs("\r\033[K", stderr);
	(void)write_visible(stderr, text, len < most ? len : most, false);
	(void)fflush(stderr);
	screen->progress_shown = true;
}

void
screen_progress_end(struct screen *screen)
{
	progress_erase(screen);
}

/* ---- pages ---- */

void
screen_page_begin(struct screen *screen)
{
	progress_erase(screen);
	/* another screen, without a cursor */
	(void)fputs("\033[?1049h\033[?25l", stdout);
}

bool
screen_page_draw(
    struct screen *screen, const char *data, size_t len, struct err *reterr)
{
	const char *end;
	size_t rows = 0;
	bool ok;

	screen->columns = columns_of(STDOUT_FILENO, &screen->rows);
	ok = fputs("\033[H", stdout) >= 0;
	/* Lines that are too long are cut by the terminal. */
	ok = ok && fputs("\033[?7l", stdout) >= 0;
	while (ok && len > 0 && (screen->rows == 0 || rows < screen->rows)) {
		size_t part;

		end = memchr(data, '\n', len);
		part = end != NULL ? (size_t)(end - data) : len;
		ok = (rows == 0 || fputs("\r\n", stdout) >= 0) &&
		     write_visible(stdout, data, part, screen->colour) &&
		     fputs("\033[K", stdout) >= 0;
		rows++;
		data += part;
		len -= part;
		if (len > 0) {
			data++;
			len--;
		}
	}
	ok = ok && fputs("\033[J\033[?7h", stdout) >= 0 && fflush(stdout) == 0;
	return ok || err_set(reterr, ERR_IO, "cannot write the output: %s",
			 strerror(errno));
}

void
screen_page_end(struct screen *screen)
{
	(void)screen;
	(void)fputs("\033[?25h\033[?1049l", stdout);
	(void)fflush(stdout);
}
