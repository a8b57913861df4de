#include "cli/show.h"

#include "base/clock.h"

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

int64_t
show_since_s(int64_t now_ms, int64_t then_ms)
{
	return then_ms == 0 ? -1 : (now_ms - then_ms) / 1000;
}

void
show_ago(int64_t now_ms, int64_t then_ms, char *ret, size_t size)
{
	int64_t seconds = show_since_s(now_ms, then_ms);
	char text[SHOW_DURATION];

	if (then_ms == 0) {
		(void)snprintf(ret, size, "not yet");
		return;
	}
	show_duration(seconds < 0 ? -seconds : seconds, text, sizeof(text));
	(void)snprintf(ret, size,
	    seconds < 0 ? "%s ahead (clock set back)" : "%s ago", text);
}

void
show_since_json(
    struct json *json, const char *key, int64_t now_ms, int64_t then_ms)
{
	if (then_ms == 0)
		json_null(json, key);
	else
		json_int(json, key, show_since_s(now_ms, then_ms));
}

void
show_time_json(struct json *json, const char *key, int64_t then_ms)
{
	char text[CLOCK_TEXT];

	if (then_ms == 0) {
		json_null(json, key);
		return;
	}
	clock_text(then_ms, text, sizeof(text));
	json_text(json, key, text);
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
show_words(struct buf *out, const char *words, size_t len, size_t most)
{
	bool blank = true; /* none before the first word */

	/* Not within a character. */
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

void
show_line_json(struct json *json, const struct stats_line *line)
{
	json_int(json, "received", line->received);
	json_int(json, "queued", line->queued);
	json_int(json, "delivered", line->delivered);
	json_int(json, "dead", line->dead);
	json_int(json, "dropped", line->dropped);
	json_int(json, "duplicates", line->duplicates);
	json_int(json, "erased", line->erased);
	json_int(json, "expired", line->expired);
	json_int(json, "imbalance", stats_imbalance(line));
	json_int(json, "replayed", line->replayed);
	json_int(json, "replay_queued",
	    line->replayed - line->replay_delivered - line->replay_refused);
	json_int(json, "replay_delivered", line->replay_delivered);
	json_int(json, "replay_refused", line->replay_refused);
}

/* Labels come last: they are of any length. */
void
show_head_text(struct buf *out, const char *label)
{
	(void)buf_printf(out,
	    "%9s = %9s + %9s + %7s + %8s + %10s + %9s + %7s  %s\n", "received",
	    "queued", "delivered", "dead", "dropped", "duplicates", "erased",
	    "expired", label);
}

void
show_line_text(
    struct buf *out, const char *label, const struct stats_line *line)
{
	int64_t imbalance = stats_imbalance(line);

	(void)buf_printf(out,
	    "%9" PRId64 "   %9" PRId64 "   %9" PRId64 "   %7" PRId64
	    "   %8" PRId64 "   %10" PRId64 "   %9" PRId64 "   %7" PRId64 "  %s",
	    line->received, line->queued, line->delivered, line->dead,
	    line->dropped, line->duplicates, line->erased, line->expired,
	    label);
	if (imbalance != 0)
		(void)buf_printf(out, "  OFF BY %" PRId64, imbalance);
	(void)buf_char(out, '\n');
}
