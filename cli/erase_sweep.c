#include "cli/erase_sweep.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "queue/admin.h"

#include <stdlib.h>
#include <string.h>

enum {
	ERASE_FIXED = 3, /* words of the command before the people */
	/* people of a run: every unreadable body is searched for all */
	ERASE_MOST = 250,
	/* after a start, since erasing may have caused the last stop */
	ERASE_REST_MS = 60 * 1000,
	ERASE_OUT_MAX = 64 * 1024,
};

/* The people that the next run erases. */
struct erase_people {
	const struct settings *settings;
	char *subjects[ERASE_MOST]; /* owned */
	size_t count;
	int64_t last; /* row that was looked at */
};

static bool
erase_wanted(const struct settings *settings, const char *source)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		if (strcmp(settings->sources[i].name, source) == 0)
			return settings->sources[i].on_delete ==
			       SETTINGS_ON_DELETE_ERASE;
	}
	return false;
}

static bool
erase_row(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	struct erase_people *people = arg;
	char *copy;

	(void)noted_ms;
	if (erased_ms == 0 && erase_wanted(people->settings, source)) {
		copy = strdup(subject);
		if (copy == NULL)
			return false; /* the rest is for the next run */
		people->subjects[people->count++] = copy;
	}
	people->last = id;
	return true;
}

/* ---- the channel of a command without a client ---- */

struct erase_channel {
	bool (*duty)(void *arg);
	void *arg;
};

static bool
channel_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)reterr;
	return true;
}

static bool
channel_read(void *arg, const char *name, struct buf *in, struct err *reterr)
{
	(void)arg;
	(void)in;
	return err_set(reterr, ERR_INPUT, "%s: no client sends it", name);
}

static bool
channel_say(void *arg, const char *text, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	log_line(LOG_WARN, "erase", "say text=%s", LOG_QUOTE(text));
	return true;
}

static bool
channel_breathe(void *arg, const char *progress, struct err *reterr)
{
	const struct erase_channel *channel = arg;

	(void)progress;
	return channel->duty(channel->arg) ||
	       err_set(reterr, ERR_STOPPING, "the daemon stops");
}

/* Logged without names: those of erased people do not belong in a log. */
static bool
erase_run(struct parts *parts, const struct erase_people *people,
    struct erase_channel *duty)
{
	const struct channel channel = {
	    .arg = duty,
	    .write = channel_write,
	    .read = channel_read,
	    .say = channel_say,
	    .breathe = channel_breathe,
	};
	const char *words[ERASE_FIXED + 2 * ERASE_MOST] = {
	    "erase", "--json", "--listed"};
	size_t count = ERASE_FIXED;
	struct buf out;
	int code;

	for (size_t i = 0; i < people->count; i++) {
		words[count++] = "--user";
		words[count++] = people->subjects[i];
	}
	buf_init(&out, ERASE_OUT_MAX);
	code = command_run(parts, &channel, count, words, &out);
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		buf_truncate(&out, out.len - 1);
	if (code == EXIT_FINE || code == EXIT_FOUND)
		log_line(code == EXIT_FINE ? LOG_INFO : LOG_WARN, "erase",
		    "erased people=%zu removed=%.*s%s", people->count,
		    (int)out.len, out.data,
		    code == EXIT_FINE
			? ""
			: " help=\"something could not be searched: see "
			  "`currentsd erase --help`\"");
	else
		log_line(LOG_ERROR, "erase",
		    "fail people=%zu why=%s help=\"they stay on the list and "
		    "are tried again\"",
		    people->count, LOG_QUOTE_BYTES(out.data, out.len));
	buf_fini(&out);
	return code == EXIT_FINE || code == EXIT_FOUND;
}

void
erase_sweep(struct erase *erase, struct parts *parts, bool (*duty)(void *arg),
    void *duty_arg, int64_t mono_ms)
{
	struct erase_people people = {
	    .settings = parts->settings, .last = erase->after};
	struct erase_channel channel = {.duty = duty, .arg = duty_arg};
	struct err err;

	if (erase->next_ms == 0) {
		erase->next_ms = parts->settings->erase_interval_ms;
		if (erase->next_ms > ERASE_REST_MS)
			erase->next_ms = ERASE_REST_MS;
		erase->next_ms += parts->started_mono_ms;
	}
	if (mono_ms < erase->next_ms)
		return;
	/* If the queue cannot be read now, the next try is in a second. */
	if (!stats_erasures(parts->queue, erase->after, ERASE_MOST, erase_row,
		&people, &err))
		return;
	if (people.count == 0) {
		erase->after = people.last;
		return;
	}
	if (erase_run(parts, &people, &channel))
		erase->after = people.last;
	erase->next_ms = clock_mono_ms();
	if (erase->after != people.last || people.count < ERASE_MOST)
		erase->next_ms += parts->settings->erase_interval_ms;
	for (size_t i = 0; i < people.count; i++)
		free(people.subjects[i]);
}
