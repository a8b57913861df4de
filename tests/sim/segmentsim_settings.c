/* The settings of segmentsim. */

#include "tests/sim/segmentsim_settings.h"

static const char about[] =
    "Usage: segmentsim --url URL --secret TEXT [OPTION]...\n"
    "\n"
    "Sends segments as Heap does: who entered and who left since the last\n"
    "sync, in pages, each signed. The segments take turns; a sync's pages go\n"
    "in any order and side by side. A segment's next sync begins once a page\n"
    "of the last one was answered 200: so the receiver, too, can know which\n"
    "of two syncs is the later, whenever their other pages come. Whatever is\n"
    "not answered 200 is sent again after a back-off, with a new timestamp.\n"
    "\n"
    "The same seed makes the same syncs, whatever the receiver answers.\n"
    "\n"
    "Prints a report as JSON on standard output at the end, also after\n"
    "SIGTERM or SIGINT. Exits with 0 if each page was answered 200 and no bad\n"
    "request was, else with 1.\n";

#define SETTINGS	    struct segmentsim_settings
#define HEADING		    SIM_HEADING_ROW
#define SWITCH(member, ...) SIM_SWITCH_ROW(SETTINGS, member, __VA_ARGS__)
#define NUMBER(member, ...) SIM_NUMBER_ROW(SETTINGS, member, __VA_ARGS__)
#define REAL(member, ...)   SIM_REAL_ROW(SETTINGS, member, __VA_ARGS__)
#define PERCENT(member, name, help)                                            \
	SIM_REAL_ROW(SETTINGS, member, name, 0, 100, "P", help)
#define WORD(member, ...)   SIM_WORD_ROW(SETTINGS, member, __VA_ARGS__)
#define STRING(member, ...) SIM_STRING_ROW(SETTINGS, member, __VA_ARGS__)

static const struct sim_option options[] = {
    HEADING("What is sent:"),
    NUMBER(segments, "segments", 1, 100000, "N", "(default 10)"),
    NUMBER(people, "people", 1, 1e8, "N",
	"of whom each segment has some (default 1000)"),
    NUMBER(changes, "changes", 0, 4e9, "N",
	"end after so many changes (default 0: after syncs)"),
    NUMBER(syncs, "syncs", 0, 1e9, "N",
	"end after so many syncs of all segments together (default\n"
	"0: after changes; 100 without either)"),
    NUMBER(churn, "churn", 1, 1e8, "N",
	"people who enter or leave between syncs (default 100)"),
    PERCENT(first_percent, "first-percent",
	"of the people are in a segment's first sync, which is\n"
	"complete (default 10)"),
    NUMBER(page, "page", 1, 1e6, "N", "changes in a page (default 1000)"),
    NUMBER(odd, "odd", 0, 1e6, "N",
	"members in a page besides who have no id, a blank or an\n"
	"over-long one, or null, in turn (default 0)"),
    NUMBER(rename_every, "rename-every", 0, 1e6, "K",
	"a segment has a new name after K syncs (default 0: never)"),
    NUMBER(empty_at, "empty-at", 0, 1e6, "K",
	"a segment's K-th sync removes all its members\n"
	"(default 0: none does)"),
    NUMBER(seed, "seed", 0, 1e15, "N",
	"of syncs and random choices "
	"(default 1)"),

    HEADING("How it is written:"),
    WORD(ids, "ids", "string|integer", "of people, in JSON (default string)"),
    WORD(segment_ids, "segment-ids", "string|integer",
	"of segments, in JSON (default integer)"),
    STRING(prefix, "prefix", "TEXT",
	"before the number of a person, in strings (default person-)"),
    STRING(id_token, "id-token", "UUID", "(default: no id_token)"),
    SWITCH(sync_info, "sync-info",
	"say page, pages and sync (default; else --no-sync-info: a\n"
	"segment's next sync then waits for all of the last one)"),
    WORD(unit, "timestamp", "ms|s", "(default ms)"),
    WORD(mac, "mac", "base64|hex", "(default base64)"),

    HEADING("Where and how it is sent:"),
    STRING(url, "url", "URL", "where to post"),
    STRING(secret, "secret", "TEXT", "what is signed with"),
    SWITCH(insecure, "insecure", "do not check the server's certificate"),
    NUMBER(connections, "connections", 1, 1000, "N", "(default 4)"),
    REAL(rate, "rate", 0, 1e9, "R",
	"new changes a second, by whole syncs (default 0: as fast\n"
	"as they go)"),
    NUMBER(timeout_ms, "timeout-ms", 1, 1e9, "N",
	"of one request (default 30000)"),
    NUMBER(backoff_first_ms, "backoff-first-ms", 1, 3600000, "N",
	"doubling up to the most, with full jitter (default 50)"),
    NUMBER(
	backoff_most_ms, "backoff-most-ms", 1, 3600000, "N", "(default 2000)"),
    REAL(deadline_s, "deadline-s", 0, 1e9, "S",
	"give up then (default 0: never)"),

    HEADING("What Heap and the network do:"),
    NUMBER(spread_ms, "spread-ms", 0, 1e7, "N",
	"a sync's pages go at any time within N ms (default 0)"),
    PERCENT(late_percent, "late-percent",
	"so many pages are held back until later syncs of the\n"
	"segment have begun to be answered 200"),
    NUMBER(late_syncs, "late-syncs", 1, 1000, "N",
	"up to so many of them (default 2)"),
    PERCENT(duplicate_percent, "duplicate-percent",
	"send so many pages once more after their 200"),
    PERCENT(replay_percent, "replay-percent",
	"send so many once more with their old timestamp; any\n"
	"answer will do"),
    PERCENT(unknown_percent, "unknown-outcome",
	"close so many connections after the request was sent and\n"
	"before the answer is read; they are sent again"),
    NUMBER(lose_every, "lose-every", 0, 1e6, "K",
	"a segment's every K-th sync of two pages or more loses one\n"
	"for good (default 0: none does)"),
    WORD(repair, "repair", "none|end|signal",
	"a segment that lost a page gets a full sync at the end, or\n"
	"when SIGUSR1 comes, after the line \"waiting for SIGUSR1\"\n"
	"(default none)"),
    PERCENT(bad_percent, "bad-percent",
	"before so many pages send one that says the opposite, is\n"
	"of another sync, and is badly signed, stale, or truncated;\n"
	"each kind in turn"),

    HEADING("What is written at the end:"),
    STRING(truth, "truth", "FILE",
	"segment, person and in or out, by the last word that was\n"
	"sent; unknown if that was never answered 200; tabs between"),
    {.help = NULL},
};

static void
settings_init(struct segmentsim_settings *settings)
{
	*settings = (struct segmentsim_settings){
	    .segments = 10,
	    .people = 1000,
	    .churn = 100,
	    .first_percent = 10,
	    .page = 1000,
	    .seed = 1,
	    .segment_ids = SEGMENTSIM_INTEGERS,
	    .prefix = "person-",
	    .sync_info = true,
	    .connections = 4,
	    .timeout_ms = 30000,
	    .backoff_first_ms = 50,
	    .backoff_most_ms = 2000,
	    .late_syncs = 2,
	};
}

/* Without sync_info the receiver cannot tell a late page from a new sync, and
 * a request that was left is read when the receiver gets to it. */
void
segmentsim_settings_read(
    struct segmentsim_settings *settings, int argc, char **argv)
{
	int rest;

	settings_init(settings);
	rest = sim_options_read(options, about, settings, argc, argv);
	if (rest < argc)
		sim_usage_die("unknown argument: %s", argv[rest]);
	if (settings->url[0] == '\0' || settings->secret[0] == '\0')
		sim_usage_die("--url and --secret are required");
	if (!settings->sync_info &&
	    (settings->late_percent > 0 || settings->replay_percent > 0 ||
		settings->unknown_percent > 0))
		sim_usage_die("--no-sync-info allows no late pages, replays or "
			      "unknown outcomes");
	if (settings->backoff_most_ms < settings->backoff_first_ms)
		settings->backoff_most_ms = settings->backoff_first_ms;
	if (settings->changes == 0 && settings->syncs == 0)
		settings->syncs = 100;
}
