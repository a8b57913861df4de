/*
 * What became of events by their own day, campaign or Canvas, and type: the
 * lines of /ledger?by=campaign. The queue tells the same line in parts, which
 * are added up here.
 */

#include "base/clock.h"
#include "base/table.h"
#include "daemon/api_reports.h"
#include "daemon/zone.h"

#include <stdlib.h>
#include <string.h>

enum {
	REPORTS_MOST = 200000, /* lines; more than the queue keeps */
	REPORTS_TEXTS = 256 * 1024 * 1024,
	DAY_S = 24 * 3600,
};

struct line {
	int64_t day;
	bool month;
	size_t kind, id, name, type; /* places among the texts */
	int64_t delivered, dropped, dead;
};

struct reports {
	struct line *lines; /* owned */
	uint32_t count;
	size_t cap;
	struct buf texts; /* each ends with a NUL */
	struct table table;
	bool failed;
};

struct lookup {
	const struct reports *reports;
	const struct stats_report *report;
};

static const char *
text_at(const struct reports *reports, size_t place)
{
	return reports->texts.data + place;
}

static bool
line_equal(const void *arg, uint32_t position)
{
	const struct lookup *lookup = arg;
	const struct stats_report *report = lookup->report;
	const struct reports *reports = lookup->reports;
	const struct line *line = &reports->lines[position];

	return line->day == report->day && line->month == report->month &&
	       strcmp(text_at(reports, line->kind), report->kind) == 0 &&
	       strcmp(text_at(reports, line->id), report->id) == 0 &&
	       strcmp(text_at(reports, line->type), report->type) == 0;
}

static size_t
text_add(struct reports *reports, const char *text)
{
	size_t place = reports->texts.len;

	(void)buf_append(&reports->texts, text, strlen(text) + 1);
	return place;
}

static bool
lines_grow(struct reports *reports)
{
	size_t cap = reports->cap == 0 ? 256 : reports->cap * 2;
	struct line *lines;

	if (reports->count < reports->cap)
		return true;
	lines = realloc(reports->lines, cap * sizeof(*lines));
	if (lines == NULL)
		return false;
	reports->lines = lines;
	reports->cap = cap;
	return true;
}

static bool
report_add(void *arg, const struct stats_report *report)
{
	struct reports *reports = arg;
	const struct lookup lookup = {reports, report};
	uint64_t hash = str_hash(
	    (uint64_t)report->day * 2 + report->month, str_text(report->id));
	struct line *line;
	uint32_t at;

	hash = str_hash(hash, str_text(report->type));
	at = table_find(&reports->table, hash, line_equal, &lookup);
	if (at == TABLE_NONE) {
		reports->failed =
		    reports->count == REPORTS_MOST || !lines_grow(reports) ||
		    !table_reserve(&reports->table, reports->count + 1);
		if (reports->failed)
			return false;
		at = reports->count++;
		reports->lines[at] = (struct line){
		    .day = report->day,
		    .month = report->month,
		    .kind = text_add(reports, report->kind),
		    .id = text_add(reports, report->id),
		    .name = text_add(reports, report->name),
		    .type = text_add(reports, report->type),
		};
		table_add(&reports->table, hash, at);
	}
	line = &reports->lines[at];
	line->delivered += report->delivered;
	line->dropped += report->dropped;
	line->dead += report->dead;
	reports->failed = reports->texts.failed;
	return !reports->failed;
}

/* A day as "2026-11-23", a month as "2026-11". */
static void
line_json(
    const struct reports *reports, const struct line *line, struct json *json)
{
	char when[CLOCK_TEXT];

	clock_text(line->day * DAY_S * 1000, when, sizeof(when));
	when[line->month ? strlen("2026-11") : strlen("2026-11-23")] = '\0';
	json_object_open(json, NULL);
	json_text(json, "day", when);
	json_text(json, "kind", text_at(reports, line->kind));
	json_text(json, "id", text_at(reports, line->id));
	json_text(json, "name", text_at(reports, line->name));
	json_text(json, "type", text_at(reports, line->type));
	json_int(json, "delivered", line->delivered);
	json_int(json, "dropped", line->dropped);
	json_int(json, "dead", line->dead);
	json_object_close(json);
}

bool
api_reports_json(struct api *api, int64_t since_ms, struct err *reterr)
{
	const struct settings *settings = api->settings;
	struct reports reports = {.count = 0};
	struct zone *zone = NULL;
	bool ok;

	buf_init(&reports.texts, REPORTS_TEXTS);
	ok = settings_zone_open(settings, &zone, reterr) &&
	     stats_reports(api->daemon->queue,
		 since_ms != 0 ? zone_day(zone, since_ms / 1000) : 0,
		 report_add, &reports, reterr) &&
	     (!reports.failed || err_set_nomem(reterr));
	zone_free(zone);
	if (ok) {
		json_text(&api->json, "timezone", settings->report_timezone);
		json_array_open(&api->json, "lines");
		for (uint32_t i = 0; i < reports.count; i++)
			line_json(&reports, &reports.lines[i], &api->json);
		json_array_close(&api->json);
	}
	free(reports.lines);
	table_fini(&reports.table);
	buf_fini(&reports.texts);
	return ok;
}
