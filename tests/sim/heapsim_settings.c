/* The settings of heapsim: defaults, the table, and merging. */

#include "tests/sim/heapsim_settings.h"

#include <stdio.h>

const char heapsim_about[] =
    "Usage: heapsim [OPTION]...\n"
    "\n"
    "Simulates Heap's server-side API on 127.0.0.1, refuses what Heap\n"
    "refuses, measures both quotas where requests arrive, and keeps books\n"
    "of every idempotency key. Prints \"listening on 127.0.0.1:PORT\" first;\n"
    "on SIGTERM or SIGINT prints its books as JSON and exits with 0.\n"
    "\n"
    "  POST /api/track             one event, or "
    "{\"app_id\",\"events\":[...]}\n"
    "  POST /api/add_user_properties\n"
    "                              accepted and counted, hardly checked\n"
    "  POST /control               a JSON object of settings, as the options\n"
    "                              below with _ for -; merged, all or none;\n"
    "                              answers all settings, as GET /control\n"
    "  GET /books                  the books as JSON\n"
    "  GET /keys                   a line for each key and user: key, user\n"
    "                              (identity:TEXT or user_id:DIGITS), times\n"
    "                              received, event name; tabs between;\n"
    "                              \\, tab and line ends as \\\\ \\t \\n \\r\n"
    "  GET /event?key=K            that event's JSON as it was received\n"
    "  POST /reset                 empties the books; settings stay\n";

#define SETTINGS	    struct heapsim_settings
#define HEADING		    SIM_HEADING_ROW
#define SWITCH(member, ...) SIM_SWITCH_ROW(SETTINGS, member, __VA_ARGS__)
#define NUMBER(member, ...) SIM_NUMBER_ROW(SETTINGS, member, __VA_ARGS__)
#define PERCENT(member, name, help)                                            \
	SIM_REAL_ROW(SETTINGS, member, name, 0, 100, "P", help)
#define WORD(member, ...)   SIM_WORD_ROW(SETTINGS, member, __VA_ARGS__)
#define STRING(member, ...) SIM_STRING_ROW(SETTINGS, member, __VA_ARGS__)

const struct sim_option heapsim_options[] = {
    HEADING("Start (not by /control):"),
    NUMBER(port, "port", 0, 65535, "PORT", "0 takes any free port (default)"),
    NUMBER(seed, "seed", 0, 1e15, "N", "of the random choices (default 1)"),
    STRING(books, "books", "FILE", "at the end write the books there too"),

    HEADING("Limits:"),
    SWITCH(strict, "strict",
	"refuse placeholder identities (null, undefined, user,\n"
	"[REDACTED]...), blank names, names that come twice"),
    NUMBER(max_bytes, "max-bytes", 0, 1e12, "N",
	"answer 413 to a larger body (default 0: no limit)"),
    NUMBER(max_events, "max-events", 1, 1e6, "N",
	"events in one request (default 1000)"),
    SWITCH(quota, "quota",
	"enforce both quotas (default; else --no-quota; they are\n"
	"measured in either case)"),
    NUMBER(app_quota, "app-quota", 1, 1e12, "N",
	"events per app_id in the window (default 15000)"),
    NUMBER(user_quota, "user-quota", 1, 1e12, "N",
	"events per identity in the window (default 1000)"),
    NUMBER(quota_window_ms, "quota-window-ms", 1, 1e7, "N",
	"length of the sliding window (default 60000)"),
    WORD(over_quota, "over-quota", "refuse|drop",
	"429 and nothing stored (default), or 200 and what is\n"
	"over is silently dropped"),
    STRING(retry_after, "retry-after", "VALUE",
	"Retry-After header of every 429 and 5xx (default none)"),

    HEADING("Faults before anything is stored (P: per cent of requests; one\n"
	    "request meets at most one of all these percentages):"),
    NUMBER(refuse_all, "refuse-all", 0, 599, "STATUS",
	"answer this to every request (default 0: off)"),
    NUMBER(refuse_all_ms, "refuse-all-ms", 0, 1e7, "N",
	"but only so long at a time (default 0: always)"),
    NUMBER(refuse_all_every_ms, "refuse-all-every-ms", 1, 1e7, "N",
	"and so often (default 4000)"),
    PERCENT(fail_percent, "fail-percent", "answer fail-status"),
    NUMBER(fail_status, "fail-status", 200, 599, "STATUS", "(default 500)"),
    PERCENT(hang_percent, "hang-percent",
	"never answer, until the client goes away"),
    PERCENT(reset_percent, "reset-percent",
	"close the connection without an answer (100: an outage)"),

    HEADING("Faults after storing (an unknown outcome):"),
    PERCENT(
	fail_after_percent, "fail-after-percent", "answer fail-after-status"),
    NUMBER(fail_after_status, "fail-after-status", 200, 599, "STATUS",
	"(default 500)"),
    PERCENT(hang_after_percent, "hang-after-percent",
	"never answer, until the client goes away"),
    PERCENT(reset_after_percent, "reset-after-percent",
	"close the connection without an answer"),
    PERCENT(close_percent, "close-percent",
	"close the connection in the middle of the answer"),
    NUMBER(
	delay_ms, "delay-ms", 0, 1e7, "N", "wait so long before each answer"),

    HEADING("Poison:"),
    WORD(refuse, "refuse", "request|event|reset|hang",
	"one bad event refuses the whole request (default), or\n"
	"only itself, silently, with 200; or its request's\n"
	"connection is closed, or never answered"),
    NUMBER(refuse_status, "refuse-status", 300, 599, "STATUS",
	"of a request that is refused for a bad event (default 400)"),
    STRING(refuse_key, "refuse-key", "TEXT",
	"bad: idempotency keys that contain this"),
    STRING(refuse_identity, "refuse-identity", "TEXT",
	"bad: identities or user_ids that contain this"),
    STRING(refuse_event, "refuse-event", "TEXT",
	"bad: event names that contain this"),
    STRING(refuse_property, "refuse-property", "NAME",
	"bad: events with a property of this name"),

    HEADING("Memory:"),
    NUMBER(keep_events, "keep-events", 0, 1e9, "N",
	"keep the JSON of the first N events (default 200000)"),
    SWITCH(forget_bodies, "forget-bodies", "keep the JSON of none"),
    {.help = NULL},
};

void
heapsim_settings_init(struct heapsim_settings *settings)
{
	*settings = (struct heapsim_settings){
	    .seed = 1,
	    .max_events = 1000,
	    .quota = true,
	    .app_quota = 15000,
	    .user_quota = 1000,
	    .quota_window_ms = 60000,
	    .fail_status = 500,
	    .fail_after_status = 500,
	    .refuse_all_every_ms = 4000,
	    .refuse_status = 400,
	    .keep_events = 200000,
	};
}

/* One draw decides among all percentages, so they share a hundred. */
bool
heapsim_settings_check(
    const struct heapsim_settings *settings, struct sim_text *why)
{
	double sum = settings->fail_percent + settings->hang_percent +
		     settings->reset_percent + settings->fail_after_percent +
		     settings->hang_after_percent +
		     settings->reset_after_percent + settings->close_percent;

	if (sum > 100.0001) {
		sim_text_print(why, "the percentages add up to %g", sum);
		return false;
	}
	if (settings->refuse_all > 0 && settings->refuse_all < 200) {
		sim_text_print(why, "refuse_all is no final status");
		return false;
	}
	return true;
}

/* On a copy: half a change would be worse than none. */
bool
heapsim_settings_merge(struct heapsim_settings *settings, const char *json,
    size_t len, struct sim_text *why)
{
	struct heapsim_settings merged = *settings;
	bool good = sim_options_merge(sim_options_live(heapsim_options),
			&merged, json, len, why) &&
		    heapsim_settings_check(&merged, why);

	if (good)
		*settings = merged;
	return good;
}
