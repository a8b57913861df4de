/* /ledger: what became of every event ever received. */

#include "base/clock.h"
#include "daemon/api_reports.h"
#include "daemon/api_routes.h"
#include "daemon/facts.h"
#include "daemon/segments.h"

#include <string.h>

enum {
	LEDGER_DAY = 10,  /* "2026-11-23" */
	LEDGER_HOUR = 13, /* "2026-11-23T22" */
};

/* One call; the callbacks below write through it. */
struct ledger {
	struct api *api;
	bool off; /* a line does not balance, or a recount differs */
	enum ledger_by {
		BY_NONE,
		BY_SOURCE,
		BY_TYPE,
		BY_HOUR,
		BY_DAY,
		BY_CAMPAIGN
	} by;
	int64_t since_ms;	    /* or 0 */
	struct segment_names names; /* by type; else none */

	/* By hour and day: */
	char since[CLOCK_TEXT];	     /* only from then on; or "" */
	char days_until[CLOCK_TEXT]; /* before it hours are folded into days */
	char day[LEDGER_DAY + 1];    /* that is added up; or "" */
	struct stats_line sum;
};

static void
line_json(
    struct ledger *ledger, const char *label, const struct stats_line *line)
{
	const struct status_ledger shown = status_ledger(line);
	const char *name = segment_names_find(&ledger->names, label);
	struct json *json = &ledger->api->json;

	ledger->off = ledger->off || shown.imbalance != 0;
	json_object_open(json, NULL);
	json_text(json, "label", label);
	if (name != NULL)
		json_text(json, "segment", name);
	facts_json(facts_ledger, &shown, ledger->api->now_ms, json);
	json_object_close(json);
}

static void
day_end(struct ledger *ledger)
{
	if (ledger->day[0] != '\0')
		line_json(ledger, ledger->day, &ledger->sum);
	ledger->day[0] = '\0';
	ledger->sum = (struct stats_line){0};
}

/* Hours come in order. One that was folded into its day has its date alone. */
static void
ledger_hour(
    struct ledger *ledger, const char *hour, const struct stats_line *line)
{
	bool folded = strcmp(hour + LEDGER_DAY, "T00:00Z") == 0 &&
		      strncmp(hour, ledger->days_until, LEDGER_HOUR) < 0;
	char day[LEDGER_DAY + 1];

	memcpy(day, hour, LEDGER_DAY);
	day[LEDGER_DAY] = '\0';
	if (strncmp(hour, ledger->since,
		ledger->by == BY_DAY || folded ? LEDGER_DAY : LEDGER_HOUR) < 0)
		return;
	if (ledger->by == BY_HOUR) {
		line_json(ledger, folded ? day : hour, line);
		return;
	}
	if (strcmp(day, ledger->day) != 0)
		day_end(ledger);
	memcpy(ledger->day, day, sizeof(day));
	stats_line_add(&ledger->sum, line);
}

static bool
ledger_line(void *arg, const char *label, const struct stats_line *line)
{
	struct ledger *ledger = arg;

	if (ledger->by == BY_HOUR || ledger->by == BY_DAY)
		ledger_hour(ledger, label, line);
	else
		line_json(ledger, label, line);
	return true;
}

static bool
ledger_drop(void *arg, const char *rule, const char *type, int64_t count)
{
	struct json *json = arg;

	json_object_open(json, NULL);
	json_text(json, "rule", rule);
	json_text(json, "type", type);
	json_int(json, "count", count);
	json_object_close(json);
	return true;
}

static void
ledger_difference(void *arg, const char *text)
{
	json_text(arg, NULL, text);
}

static bool
ledger_check(struct ledger *ledger, struct err *reterr)
{
	struct json *json = &ledger->api->json;
	bool agree = false;

	json_object_open(json, "check");
	json_array_open(json, "differences");
	if (!stats_check(ledger->api->daemon->queue, ledger_difference, json,
		&agree, reterr))
		return false;
	json_array_close(json);
	json_bool(json, "agree", agree);
	json_object_close(json);
	ledger->off = ledger->off || !agree;
	return true;
}

static bool
ledger_by_read(struct ledger *ledger, struct err *reterr)
{
	static const char *const words[] = {
	    [BY_SOURCE] = "source",
	    [BY_TYPE] = "type",
	    [BY_HOUR] = "hour",
	    [BY_DAY] = "day",
	    [BY_CAMPAIGN] = "campaign",
	};
	const char *word = call_param(ledger->api->call, "by");

	ledger->by = BY_NONE;
	for (int by = BY_SOURCE; word != NULL && by <= BY_CAMPAIGN; by++) {
		if (strcmp(word, words[by]) == 0)
			ledger->by = (enum ledger_by)by;
	}
	if (word != NULL && ledger->by == BY_NONE)
		return err_set(reterr, ERR_INPUT,
		    "the ledger is by source, type, day, hour or campaign");
	if (!api_since(ledger->api, &ledger->since_ms, reterr))
		return false;
	if (ledger->since_ms == 0)
		return true;
	clock_text(ledger->since_ms, ledger->since, sizeof(ledger->since));
	return ledger->by >= BY_HOUR ||
	       err_set(reterr, ERR_INPUT,
		   "only by day, hour or campaign the ledger can begin at some "
		   "time");
}

static bool
ledger_lines(struct ledger *ledger, struct err *reterr)
{
	static const enum stats_by stats[] = {
	    [BY_SOURCE] = STATS_BY_SOURCE,
	    [BY_TYPE] = STATS_BY_TYPE,
	    [BY_HOUR] = STATS_BY_HOUR,
	    [BY_DAY] = STATS_BY_HOUR,
	};
	struct json *json = &ledger->api->json;

	json_text(json, "by", call_param(ledger->api->call, "by"));
	if (ledger->by == BY_CAMPAIGN)
		return api_reports_json(ledger->api, ledger->since_ms, reterr);
	json_array_open(json, "lines");
	if (!stats_ledger(ledger->api->daemon->queue, stats[ledger->by],
		ledger_line, ledger, reterr))
		return false;
	day_end(ledger);
	json_array_close(json);
	return true;
}

static bool
ledger_write(struct ledger *ledger, bool check, struct err *reterr)
{
	struct queue *queue = ledger->api->daemon->queue;
	struct json *json = &ledger->api->json;
	struct stats_totals totals;
	struct status_ledger total;

	json_object_open(json, NULL);
	if (ledger->by != BY_NONE && !ledger_lines(ledger, reterr))
		return false;
	stats_totals(queue, &totals);
	total = status_ledger(&totals.events);
	ledger->off = ledger->off || total.imbalance != 0;
	json_object_open(json, "total");
	facts_json(facts_ledger, &total, ledger->api->now_ms, json);
	json_object_close(json);
	json_array_open(json, "drops");
	if (!stats_drops(queue, ledger_drop, json, reterr))
		return false;
	json_array_close(json);
	json_object_open(json, "unreadable_bodies");
	json_int(json, "kept", totals.unreadable);
	json_int(json, "removed", totals.unreadable_removed);
	json_object_close(json);
	if (check && !ledger_check(ledger, reterr))
		return false;
	json_bool(json, "balances", !ledger->off);
	json_object_close(json);
	return true;
}

bool
api_ledger(struct api *api, struct err *reterr)
{
	struct ledger ledger = {.api = api};
	bool check, ok;

	if (!api_flag(api, "check", &check, reterr) ||
	    !ledger_by_read(&ledger, reterr))
		return false;
	clock_text(api->now_ms - (int64_t)STATS_HOURS * 3600 * 1000,
	    ledger.days_until, sizeof(ledger.days_until));
	if (ledger.by == BY_TYPE)
		segment_names_read(
		    api->daemon, api->settings, api->now_ms, &ledger.names);
	ok = ledger_write(&ledger, check, reterr);
	segment_names_fini(&ledger.names);
	return ok;
}
