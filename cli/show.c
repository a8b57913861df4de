#include "cli/show.h"

#include "daemon/status.h"

#include <inttypes.h>

void
show_duration(int64_t seconds, char *ret, size_t size)
{
	if (seconds >= 86400)
		(void)snprintf(ret, size, "%" PRId64 " d %02d h",
		    seconds / 86400, (int)(seconds % 86400 / 3600));
	else if (seconds >= 3600)
		(void)snprintf(ret, size, "%d h %02d min",
		    (int)(seconds / 3600), (int)(seconds % 3600 / 60));
	else if (seconds >= 60)
		(void)snprintf(ret, size, "%d min %02d s", (int)(seconds / 60),
		    (int)(seconds % 60));
	else
		(void)snprintf(ret, size, "%d s", (int)seconds);
}

void
show_brief(int64_t seconds, char *ret, size_t size)
{
	if (seconds < 0)
		(void)snprintf(ret, size, "?");
	else if (seconds >= 86400)
		(void)snprintf(ret, size, "%" PRId64 "d%02dh", seconds / 86400,
		    (int)(seconds % 86400 / 3600));
	else if (seconds >= 3600)
		(void)snprintf(ret, size, "%dh%02dm", (int)(seconds / 3600),
		    (int)(seconds % 3600 / 60));
	else if (seconds >= 60)
		(void)snprintf(ret, size, "%dm%02ds", (int)(seconds / 60),
		    (int)(seconds % 60));
	else
		(void)snprintf(ret, size, "%ds", (int)seconds);
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
	bool blank = true; /* none before the first word */

	/* Do not cut within a character. */
	if (len > most) {
		for (len = most; len > 0 && (words[len] & 0xc0) == 0x80;)
			len--;
	}
	for (size_t i = 0; i < len; i++) {
		bool control =
		    (unsigned char)words[i] <= ' ' || words[i] == 0x7f;

		if (!control)
			(void)buf_char(out, words[i]);
		else if (!blank)
			(void)buf_char(out, ' ');
		blank = control;
	}
}

static void
stranded_show(void *arg, const char *name, int64_t queued)
{
	(void)buf_printf(arg,
	    "to         %-16s NOT IN THE SETTINGS, %" PRId64 " queued\n"
	    "           its events are not sent: add it again, or give the one "
	    "that takes its place\n           formerly = \"%s\"\n",
	    name, queued, name);
}

void
show_stranded(const struct daemon *daemon, struct buf *out)
{
	status_stranded(daemon, stranded_show, out);
}
