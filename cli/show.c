#include "cli/show.h"

#include "base/utf8.h"
#include "daemon/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
show_percent(double ratio, char *ret, size_t size)
{
	double percent = ratio * 100;

	if (percent < 100 && percent > 99)
		percent = 99;
	if (percent > 0 && percent < 0.1)
		(void)snprintf(ret, size, "< 0.1 %%");
	else
		(void)snprintf(ret, size,
		    percent > 0 && percent < 9.95 ? "%.1f %%" : "%.0f %%",
		    percent);
}

void
show_rate(double rate, char *ret, size_t size)
{
	char number[SHOW_TEXT];

	if (rate > 0 && rate < 0.1) {
		(void)snprintf(ret, size, "< 0.1/s");
	} else if (rate > 0 && rate < 9.95) {
		(void)snprintf(ret, size, "%.1f/s", rate);
	} else {
		show_number(llround(rate), number, sizeof(number));
		(void)snprintf(ret, size, "%s/s", number);
	}
}

void
show_ago(int64_t now_ms, int64_t then_ms, char *ret, size_t size)
{
	int64_t seconds = status_since_s(now_ms, then_ms);
	char text[SHOW_DURATION];

	if (then_ms == 0) {
		(void)snprintf(ret, size, "never");
		return;
	}
	show_duration(seconds < 0 ? -seconds : seconds, text, sizeof(text));
	(void)snprintf(ret, size,
	    seconds < 0 ? "%s ahead (clock set back)" : "%s ago", text);
}

void
show_timestamp(
    int64_t now_ms, int64_t then_ms, bool utc, char *ret, size_t size)
{
	struct tm now, then;
	time_t now_s = (time_t)(now_ms / 1000);
	time_t then_s = (time_t)(then_ms / 1000);
	char text[SHOW_TEXT];
	bool known, today;
	size_t len;

	known = utc ? gmtime_r(&now_s, &now) && gmtime_r(&then_s, &then)
		    : localtime_r(&now_s, &now) && localtime_r(&then_s, &then);
	if (then_ms == 0 || !known) {
		(void)snprintf(
		    ret, size, then_ms == 0 ? "never" : "out of range");
		return;
	}
	today = now.tm_year == then.tm_year && now.tm_yday == then.tm_yday;
	len = strftime(text, sizeof(text),
	    today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then);
	if (len == 0 || utc || then.tm_gmtoff == 0) {
		(void)snprintf(ret, size, "%sZ", text);
		return;
	}
	(void)snprintf(ret, size, "%s%c%02ld:%02ld", text,
	    then.tm_gmtoff < 0 ? '-' : '+', labs(then.tm_gmtoff) / 3600,
	    labs(then.tm_gmtoff) / 60 % 60);
}

void
show_bytes(int64_t bytes, char *ret, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(
	    ret, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void
show_foreign(struct buf *out, const char *words, size_t len, size_t most)
{
	char shown[UTF8_VISIBLE];
	bool blank = true; /* none before the first word */
	size_t step, put;

	/* Do not cut within a character. */
	if (len > most) {
		for (len = most; len > 0 && (words[len] & 0xc0) == 0x80;)
			len--;
	}
	for (size_t i = 0; i < len; i += step) {
		bool space =
		    strchr(" \t\n\v\f\r", words[i]) != NULL && words[i] != '\0';

		step = 1;
		put = 1;
		if (space)
			shown[0] = ' ';
		else
			put = utf8_visible(shown, words + i, len - i, &step);
		if (!space || !blank)
			(void)buf_append(out, shown, put);
		blank = space;
	}
}

void
show_count(struct buf *out, int width, int64_t count, const char *one,
    const char *many)
{
	char number[SHOW_TEXT];

	if (count == 0)
		return;
	show_number(count, number, sizeof(number));
	(void)buf_printf(
	    out, "%*s %s\n", width, number, count == 1 ? one : many);
}
