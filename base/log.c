#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE = 1024, LOG_LIMIT_MS = 1000 };

static enum log_level log_least = LOG_INFO;

static const char *const log_words[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

void
log_set_level(enum log_level least)
{
	log_least = least;
}

bool
log_level_read(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(log_words) / sizeof(log_words[0]); i++) {
		if (strcmp(word, log_words[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* Copy with control characters escaped; the result ends in a newline. */
static size_t
log_escape(const char *text, char *ret, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	for (; *text != '\0' && len + 5 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != 0x7f) {
			ret[len++] = *text;
			continue;
		}
		ret[len++] = '\\';
		ret[len++] = 'x';
		ret[len++] = hex[c >> 4];
		ret[len++] = hex[c & 15];
	}
	ret[len++] = '\n';
	return len;
}

const char *
log_quote(char ret[LOG_QUOTED], const char *text, size_t len)
{
	size_t put = 0;

	ret[put++] = '"';
	/* room for one more byte, its backslash, the quote and the NUL */
	for (size_t i = 0; i < len && put + 4 <= LOG_QUOTED; i++) {
		if (text[i] == '"' || text[i] == '\\')
			ret[put++] = '\\';
		ret[put++] = text[i];
	}
	ret[put++] = '"';
	ret[put] = '\0';
	return ret;
}

void
log_line(enum log_level level, const char *module, const char *format, ...)
{
	char when[CLOCK_TEXT], text[LOG_LINE], line[LOG_LINE * 4];
	va_list args;
	size_t len;
	int head;

	if (level < log_least)
		return;
	clock_text(clock_wall_ms(), when, sizeof(when));
	head = snprintf(
	    text, sizeof(text), "%s %-5s %s: ", when, log_words[level], module);
	CHECK(head > 0 && (size_t)head < sizeof(text));
	va_start(args, format);
	(void)vsnprintf(text + head, sizeof(text) - (size_t)head, format, args);
	va_end(args);
	len = log_escape(text, line, sizeof(line));
	/* One write, so that lines of two threads do not mix. A log that
	 * cannot be written must not stop the daemon. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

bool
log_limit_pass(
    struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed)
{
	int64_t last = atomic_load(&limit->last_ms);

	/* 0 is "never": the monotonic clock may have just started. */
	if ((last != 0 && mono_ms - last < LOG_LIMIT_MS) ||
	    !atomic_compare_exchange_strong(&limit->last_ms, &last, mono_ms)) {
		atomic_fetch_add(&limit->suppressed, 1);
		return false;
	}
	*ret_suppressed = atomic_exchange(&limit->suppressed, 0);
	return true;
}
