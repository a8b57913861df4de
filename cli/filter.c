#include "cli/filter.h"

#include "daemon/job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
filter_when_read(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	return since_duration(text, now_ms, ret_ms) || since_time(text, ret_ms);
}

void
filter_ask(const struct options *options, struct ask *ask)
{
	static const char *const names[] = {"--type", "--user", "--source",
	    "--reason", "--since", "--limit", "--place", "--after"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ask_param(ask, names[i] + strlen("--"),
		    options_value(options, names[i]));
}

bool
filter_given(const struct options *options)
{
	static const char *const names[] = {
	    "--type", "--user", "--source", "--reason", "--since"};
	bool given = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		given |= options_has(options, names[i]);
	return given;
}

bool
filter_read(const struct command_context *context, int64_t limit,
    struct selection *ret_selection, struct err *reterr)
{
	const struct options *options = context->options;
	const char *since = options_value(options, "--since");
	const char *user = options_value(options, "--user");

	selection_init(ret_selection);
	ret_selection->type = options_value(options, "--type");
	ret_selection->source = options_value(options, "--source");
	ret_selection->reason = options_value(options, "--reason");
	if (!options_integer(options, "--limit", limit, 1, INT64_MAX,
		&ret_selection->limit, reterr))
		return false;
	if (since != NULL &&
	    !filter_when_read(since, context->now_ms, &ret_selection->since_ms))
		return err_set(reterr, ERR_INPUT,
		    "--since should be how long ago, such as 30m, 2h or 7d, or "
		    "a time in UTC, such as 2026-11-23T14:00");
	if (user == NULL)
		return true;
	if (*user == '\0')
		return err_set(reterr, ERR_INPUT, "--user should be an id");
	ret_selection->id = str_text(user);
	ret_selection->ids = &ret_selection->id;
	ret_selection->id_count = 1;
	return true;
}

bool
filter_unserved_tell(struct command_context *context,
    const struct selection *selection, struct err *reterr)
{
	return selection->unserved == 0 ||
	       job_message(context->caller, reterr,
		   "skipped %" PRId64
		   " events whose destination is not in the settings: add it "
		   "again, or give another destination formerly = NAME",
		   selection->unserved);
}
