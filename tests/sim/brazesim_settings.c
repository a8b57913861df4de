/* The settings of brazesim. */

#include "tests/sim/brazesim_settings.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Usage: brazesim --url URL [OPTION]... FILE\n"
    "       brazesim --url URL [OPTION]... --sample 'currentsd sample --all'\n"
    "\n"
    "Sends events as Braze Currents does and reacts to every answer as Braze\n"
    "does. FILE holds one event a line; - is standard input.\n"
    "\n"
    "  2xx                         done: acked\n"
    "  400                         the batch is split into batches of one; an\n"
    "                              event answered 400 alone is deleted\n"
    "  401, 403, 404               not sent again: stranded\n"
    "  413                         the batch is split in two halves (an event\n"
    "                              alone is stranded)\n"
    "  429, 5xx, any other, network error, time-out\n"
    "                              sent again after a back-off\n"
    "\n"
    "Prints its books as JSON on standard output at the end, also after\n"
    "SIGTERM or SIGINT. Exits with 0 if all events were acked, else with 1.\n";

#define SETTINGS	    struct brazesim_settings
#define HEADING		    SIM_HEADING_ROW
#define SWITCH(member, ...) SIM_SWITCH_ROW(SETTINGS, member, __VA_ARGS__)
#define NUMBER(member, ...) SIM_NUMBER_ROW(SETTINGS, member, __VA_ARGS__)
#define REAL(member, ...)   SIM_REAL_ROW(SETTINGS, member, __VA_ARGS__)
#define WORD(member, ...)   SIM_WORD_ROW(SETTINGS, member, __VA_ARGS__)
#define STRING(member, ...) SIM_STRING_ROW(SETTINGS, member, __VA_ARGS__)

static const struct sim_option options[] = {
    HEADING("What is sent:"),
    STRING(sample, "sample", "COMMAND", "a shell command that prints events"),
    NUMBER(count, "count", 0, 4e9, "N",
	"send so many events: those of the input over and over,\n"
	"each with an id of its own (default 0: each event of\n"
	"the input once, with its own id)"),
    NUMBER(batch, "batch", 1, 100000, "N", "events in a request (default 100)"),
    WORD(mix, "mix", "type|any",
	"a request holds events of one type (default) or any"),
    NUMBER(seed, "seed", 0, 1e15, "N", "of ids and random choices (default 1)"),

    HEADING("Where and how:"),
    STRING(url, "url", "URL", "where to post"),
    STRING(token, "token", "TOKEN", "sent as a bearer token"),
    SWITCH(gzip, "gzip", "compress the bodies"),
    SWITCH(insecure, "insecure", "do not check the server's certificate"),
    NUMBER(connections, "connections", 1, 1000, "N", "(default 4)"),
    REAL(rate, "rate", 0, 1e9, "R",
	"new events a second (default 0: as fast as they go)"),
    NUMBER(timeout_ms, "timeout-ms", 1, 1e9, "N",
	"of one request (default 30000)"),
    STRING(backoff, "backoff-ms", "A..B",
	"exponential from A up to B, full jitter (default 50..2000)"),
    REAL(deadline_s, "deadline-s", 0, 1e9, "S",
	"give up then; what is left is unresolved (default 0: never)"),
    REAL(duplicate_percent, "duplicate-percent", 0, 100, "P",
	"send so many of the acked requests once more"),
    REAL(unknown_percent, "unknown-outcome", 0, 100, "P",
	"close so many connections after the request was sent and\n"
	"before the answer is read; they are sent again"),

    HEADING("Lists to write at the end, one event_type:id a line:"),
    STRING(acked, "acked", "FILE", "events that were answered 2xx"),
    STRING(deleted, "deleted", "FILE", "events answered 400 alone"),
    STRING(stranded, "stranded", "FILE", "events that wait for a person"),
    STRING(unresolved, "unresolved", "FILE", "events still to be sent"),
    {.help = NULL},
};

static void
settings_init(struct brazesim_settings *settings)
{
	*settings = (struct brazesim_settings){
	    .batch = 100,
	    .seed = 1,
	    .connections = 4,
	    .timeout_ms = 30000,
	    .backoff = "50..2000",
	};
}

/* Short by default: tests cannot wait for hours as Braze does. */
static void
backoff_read(struct brazesim_settings *settings)
{
	char *end;
	long long base = strtoll(settings->backoff, &end, 10);
	long long cap = 0;

	if (strncmp(end, "..", 2) == 0)
		cap = strtoll(end + 2, &end, 10);
	if (*end != '\0' || base < 1 || cap < base || cap > 3600000)
		sim_usage_die("--backoff-ms: not a good value: \"%s\"",
		    settings->backoff);
	settings->backoff_base_ms = base;
	settings->backoff_cap_ms = cap;
}

/* Braze's customers have spaces in their URLs; libcurl takes none. */
static void
url_read(struct brazesim_settings *settings)
{
	CURLU *handle = curl_url();
	char url[sizeof(settings->url)] = {0};
	size_t len = 0;
	const char *at;

	if (settings->url[0] == '\0')
		sim_usage_die("--url is required");
	for (at = settings->url; *at != '\0'; at++) {
		if (len + 4 > sizeof(url))
			sim_usage_die("--url is too long");
		len += (size_t)snprintf(&url[len], sizeof(url) - len,
		    *at == ' ' ? "%%20" : "%c", *at);
	}
	if (handle == NULL ||
	    curl_url_set(handle, CURLUPART_URL, url, 0) != CURLUE_OK)
		sim_usage_die("--url: not a good URL: \"%s\"", settings->url);
	curl_url_cleanup(handle);
	memcpy(settings->url, url, sizeof(url));
}

void
brazesim_settings_read(
    struct brazesim_settings *settings, int argc, char **argv)
{
	int rest;

	settings_init(settings);
	rest = sim_options_read(options, about, settings, argc, argv);
	if (rest + 1 < argc)
		sim_usage_die("more than one FILE");
	if ((rest < argc) == (settings->sample[0] != '\0'))
		sim_usage_die("either FILE or --sample is required");
	if (rest < argc)
		snprintf(
		    settings->input, sizeof(settings->input), "%s", argv[rest]);
	backoff_read(settings);
	url_read(settings);
}
