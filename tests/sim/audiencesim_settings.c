/* The settings of audiencesim: defaults and the table. */

#include "tests/sim/audiencesim_settings.h"

const char audiencesim_about[] =
    "Usage: audiencesim [OPTION]...\n"
    "\n"
    "Simulates what Braze takes audiences by, on 127.0.0.1: refuses what\n"
    "Braze refuses, notes each breach of its rules as a violation, and keeps\n"
    "the last value of each membership. Prints \"listening on\n"
    "127.0.0.1:PORT\" first; on SIGTERM or SIGINT prints its report as JSON\n"
    "and exits with 0.\n"
    "\n"
    "  POST /users/track           attributes: true, false, null, a date, or\n"
    "                              {\"add\":[...],\"remove\":[...]}\n"
    "  POST /users/export/ids      profiles with their custom attributes\n"
    "  POST /partners/NAME/cohorts make or rename a cohort\n"
    "  POST /partners/NAME/cohorts/users\n"
    "                              add people to a cohort, remove them\n"
    "  POST /control               a JSON object of settings, as the options\n"
    "                              below with _ for -; merged, all or none;\n"
    "                              answers all settings, as GET /control\n"
    "  GET /report                 the report as JSON\n"
    "  GET /memberships            a line for each group and person, sorted:\n"
    "                              attribute (with /ELEMENT of an array) or\n"
    "                              cohort, person (KIND:TEXT), in or out,\n"
    "                              times written; tabs between; \\, tab and\n"
    "                              line ends as \\\\ \\t \\n \\r\n"
    "  POST /reset                 forgets all; settings stay\n";

#define SETTINGS	    struct audiencesim_settings
#define HEADING		    SIM_HEADING_ROW
#define SWITCH(member, ...) SIM_SWITCH_ROW(SETTINGS, member, __VA_ARGS__)
#define NUMBER(member, ...) SIM_NUMBER_ROW(SETTINGS, member, __VA_ARGS__)
#define PERCENT(member, name, help)                                            \
	SIM_REAL_ROW(SETTINGS, member, name, 0, 100, "P", help)
#define WORD(member, ...)   SIM_WORD_ROW(SETTINGS, member, __VA_ARGS__)
#define STRING(member, ...) SIM_STRING_ROW(SETTINGS, member, __VA_ARGS__)

const struct sim_option audiencesim_options[] = {
    HEADING("Start (not by /control):"),
    NUMBER(port, "port", 0, 65535, "PORT", "0 takes any free port (default)"),
    NUMBER(seed, "seed", 0, 1e15, "N", "of the random choices (default 1)"),
    STRING(report, "report", "FILE", "at the end write the report there too"),
    STRING(memberships, "memberships", "FILE",
	"at the end write the memberships there"),

    HEADING("Keys:"),
    STRING(api_key, "api-key", "KEY", "of REST (default api-key)"),
    SWITCH(may_track, "may-track",
	"the key has users.track (default; else --no-may-track: 403)"),
    SWITCH(may_export, "may-export", "the key has users.export.ids: likewise"),
    STRING(partner, "partner", "NAME", "in the path (default partner)"),
    STRING(partner_key, "partner-key", "KEY", "(default partner-key)"),
    STRING(import_key, "import-key", "KEY",
	"what Braze calls client_secret (default import-key)"),

    HEADING("Limits:"),
    NUMBER(max_bytes, "max-bytes", 0, 1e12, "N",
	"answer 413 to a larger body (default 4194304; 0: no limit)"),
    NUMBER(most_objects, "most-objects", 1, 1e6, "N",
	"in one /users/track (default 75)"),
    NUMBER(most_ids, "most-ids", 1, 1e6, "N",
	"in one request of cohorts (default 1000)"),
    NUMBER(most_elements, "most-elements", 1, 1e6, "N",
	"in one array; the oldest falls out (default 500)"),
    NUMBER(track_limit, "track-limit", 1, 1e12, "N",
	"requests in the window (default 3000)"),
    NUMBER(track_window_ms, "track-window-ms", 1, 1e7, "N",
	"length of the sliding window (default 3000)"),
    NUMBER(cohorts_limit, "cohorts-limit", 1, 1e12, "N",
	"requests in the window (default 250000)"),
    NUMBER(cohorts_window_ms, "cohorts-window-ms", 1, 1e7, "N",
	"windows begin at its multiples (default 3600000, at the\n"
	"full hour)"),
    NUMBER(export_limit, "export-limit", 1, 1e12, "N",
	"requests in the window (default 40)"),
    NUMBER(export_window_ms, "export-window-ms", 1, 1e7, "N",
	"length of the sliding window (default 1000)"),
    WORD(limit_headers, "limit-headers", "utc|left|retry|none",
	"x-ratelimit-limit, -remaining and -reset, which is a time\n"
	"(default) or the seconds left; or a 429 has only\n"
	"x-ratelimit-retry-after; or nothing is said"),
    NUMBER(retry_after_s, "retry-after-s", 0, 1e6, "N",
	"what -reset and -retry-after say (default 1)"),

    HEADING("Profiles:"),
    STRING(unknown, "unknown", "TEXT",
	"people whose id contains this have no profile"),
    NUMBER(settle_ms, "settle-ms", 0, 1e7, "N",
	"of two values that are written within N ms either may be\n"
	"the last (default 0: the second is)"),

    HEADING("Faults before anything is taken (P: per cent of requests; one\n"
	    "request meets at most one of all these percentages):"),
    NUMBER(refuse_all, "refuse-all", 0, 599, "STATUS",
	"answer this to every request (default 0: off)"),
    NUMBER(refuse_all_ms, "refuse-all-ms", 0, 1e7, "N",
	"but only so long at a time (default 0: always)"),
    NUMBER(refuse_all_every_ms, "refuse-all-every-ms", 1, 1e7, "N",
	"and so often (default 4000)"),
    PERCENT(fail_percent, "fail-percent", "answer fail-status"),
    NUMBER(fail_status, "fail-status", 0, 599, "STATUS",
	"(default 500; 0: one of 423, 429, 500, 502, 503 and 504)"),
    PERCENT(hang_percent, "hang-percent",
	"never answer, until the client goes away"),
    PERCENT(reset_percent, "reset-percent",
	"close the connection without an answer (100: an outage)"),

    HEADING("Faults amid and after (an unknown outcome):"),
    PERCENT(amid_percent, "amid-percent",
	"take the first half, then close without an answer"),
    PERCENT(
	fail_after_percent, "fail-after-percent", "answer fail-after-status"),
    NUMBER(fail_after_status, "fail-after-status", 0, 599, "STATUS",
	"(default 500; 0 as above)"),
    PERCENT(hang_after_percent, "hang-after-percent",
	"never answer, until the client goes away"),
    PERCENT(reset_after_percent, "reset-after-percent",
	"close the connection without an answer"),
    PERCENT(close_percent, "close-percent",
	"close the connection in the middle of the answer"),
    NUMBER(
	delay_ms, "delay-ms", 0, 1e7, "N", "wait so long before each answer"),

    HEADING("Refusals:"),
    WORD(refuse, "refuse", "item|request",
	"of /users/track: the object alone, by its index (default),\n"
	"or the whole request; of cohorts always the whole"),
    STRING(refuse_person, "refuse-person", "TEXT",
	"people whose id contains this"),
    STRING(refuse_group, "refuse-group", "TEXT",
	"attributes and cohorts whose name or id contains this"),
    STRING(refuse_type, "refuse-type", "TEXT",
	"what is said of them (default BLACKLISTED_EXTERNAL_USER_ID)"),
    {.help = NULL},
};

void
audiencesim_settings_init(struct audiencesim_settings *settings)
{
	*settings = (struct audiencesim_settings){
	    .seed = 1,
	    .api_key = "api-key",
	    .may_track = true,
	    .may_export = true,
	    .partner = "partner",
	    .partner_key = "partner-key",
	    .import_key = "import-key",
	    .max_bytes = 4194304,
	    .most_objects = 75,
	    .most_ids = 1000,
	    .most_elements = 500,
	    .track_limit = 3000,
	    .track_window_ms = 3000,
	    .cohorts_limit = 250000,
	    .cohorts_window_ms = 3600000,
	    .export_limit = 40,
	    .export_window_ms = 1000,
	    .retry_after_s = 1,
	    .refuse_all_every_ms = 4000,
	    .fail_status = 500,
	    .fail_after_status = 500,
	    .refuse_type = "BLACKLISTED_EXTERNAL_USER_ID",
	};
}

/* One draw decides among all percentages, so they share a hundred. */
bool
audiencesim_settings_check(
    const struct audiencesim_settings *settings, struct sim_text *why)
{
	double sum = settings->fail_percent + settings->hang_percent +
		     settings->reset_percent + settings->amid_percent +
		     settings->fail_after_percent +
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
