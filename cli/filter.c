#include "cli/filter.h"

#include "cli/job.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILTER_TYPE_MAX = 256 };

/* A number with a unit, counted back from now. */
static bool
since_duration(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {
	    {'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || errno != 0 || value < 0 || value > 10000000 ||
	    end[0] == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end == units[i].unit) {
			*ret_ms = now_ms - value * units[i].ms;
			return true;
		}
	}
	return false;
}

static bool
since_time(const char *text, int64_t *ret_ms)
{
	static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S",
	    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
	    "%Y-%m-%d"};
	const char *end;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = {.tm_mday = 1};

		end = strptime(text, formats[i], &tm);
		if (end == NULL)
			continue;
		end += *end == 'Z';
		if (*end != '\0')
			continue;
		*ret_ms = (int64_t)timegm(&tm) * 1000;
		return true;
	}
	return false;
}

bool
filter_since_read(
    const char *text, int64_t now_ms, int64_t *ret_ms, struct err *reterr)
{
	if (since_duration(text, now_ms, ret_ms) || since_time(text, ret_ms))
		return true;
	return err_set(reterr, ERR_INPUT,
	    "--since should be how long ago, such as 30m, 2h or 7d, or a time "
	    "in UTC, such as 2026-11-23T14:00");
}

bool
filter_place_read(const struct options *options, enum jobs_place *ret_place,
    struct err *reterr)
{
	static const enum jobs_place places[] = {JOBS_QUEUED, JOBS_ARCHIVE};
	const char *word = options_value(options, "--place");

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (word == NULL ||
		    strcmp(word, jobs_place_name(places[i])) == 0) {
			*ret_place = places[i];
			return true;
		}
	}
	return err_set(reterr, ERR_INPUT,
	    "--place should be queued or archive; for dead letters and "
	    "unreadable bodies see `currentsd dead` and `currentsd "
	    "unreadable`");
}

bool
filter_read(const struct command_context *context, int64_t limit,
    struct filter *ret_filter, struct err *reterr)
{
	const struct options *options = context->options;
	const char *since = options_value(options, "--since");
	struct filter filter = {
	    .type = options_value(options, "--type"),
	    .user = str_text(options_value(options, "--user")),
	    .source = options_value(options, "--source"),
	    .reason = options_value(options, "--reason"),
	    .until_ms = INT64_MAX,
	};

	if (!options_integer(options, "--limit", limit, 1, INT64_MAX,
		&filter.limit, reterr) ||
	    (since != NULL && !filter_since_read(since, context->now_ms,
				  &filter.since_ms, reterr)))
		return false;
	if (filter.user.data != NULL && filter.user.len == 0)
		return err_set(reterr, ERR_INPUT, "--user should be an id");
	filter.any = filter.type != NULL || filter.user.data != NULL ||
		     filter.source != NULL || filter.reason != NULL ||
		     since != NULL;
	*ret_filter = filter;
	if (filter.user.data != NULL) {
		ret_filter->people = &ret_filter->user;
		ret_filter->people_count = 1;
	}
	return true;
}

static bool
filter_type(const char *pattern, const char *kind, size_t len)
{
	char text[FILTER_TYPE_MAX];

	if (len >= sizeof(text))
		return strcmp(pattern, "*") == 0;
	memcpy(text, kind, len);
	text[len] = '\0';
	return fnmatch(pattern, text, 0) == 0;
}

/* Most have the same reason; the destination's answer tells them apart. */
static bool
filter_reason(const char *reason, const struct jobs_event *event)
{
	return (event->reason != NULL &&
		   strstr(event->reason, reason) != NULL) ||
	       (event->answer.data != NULL &&
		   memmem(event->answer.data, event->answer.len, reason,
		       strlen(reason)) != NULL);
}

bool
filter_match(void *arg, const struct jobs_event *event)
{
	struct filter *filter = arg;
	int64_t at_ms =
	    event->settled_ms != 0 ? event->settled_ms : event->accepted_ms;

	if (filter_full(filter) || at_ms < filter->since_ms ||
	    at_ms > filter->until_ms)
		return false;
	if (filter->source != NULL &&
	    (event->source == NULL ||
		strcmp(filter->source, event->source) != 0))
		return false;
	if (filter->reason != NULL && !filter_reason(filter->reason, event))
		return false;
	if (filter->type != NULL &&
	    !filter_type(filter->type, event->type.data, event->type.len))
		return false;
	if (filter->people != NULL &&
	    !person_matches(event->data, filter->people, filter->people_count))
		return false;
	if (filter->served != NULL &&
	    !settings_destination_has(filter->served, event->destination)) {
		filter->unserved++;
		return false;
	}
	filter->count++;
	return true;
}

bool
filter_unserved_say(struct command_context *context,
    const struct filter *filter, struct err *reterr)
{
	return filter->unserved == 0 ||
	       job_say(context, reterr,
		   "%" PRId64 " more are for a destination that is not in the "
		   "settings: see `currentsd queue redirect --help`",
		   filter->unserved);
}

bool
filter_full(const struct filter *filter)
{
	return filter->count >= filter->limit;
}
