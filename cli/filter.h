#ifndef CLI_FILTER_H
#define CLI_FILTER_H

/*
 * Which events a command means: the filters that all tools share, as options
 * and as the match of a job on the queue.
 */

#include "cli/command.h"
#include "queue/tools.h"
#include "schema/person.h"

/* Rows for a table of options. */
#define FILTER_OPTIONS                                                         \
	{"--type", "TYPE", "Of this type; * stands for anything."},            \
	    {"--user", "ID",                                                   \
		"About this person (external, Braze, device id)."},            \
	    {"--source", "NAME", "From this source."},                         \
	{                                                                      \
		"--since", "WHEN",                                             \
		    "Since then: 2h, 7d, 2026-11-23T14:00 (UTC)."              \
	}
#define FILTER_REASON_OPTION                                                   \
	{                                                                      \
		"--reason", "TEXT",                                            \
		    "Buried with this in the reason, or in the answer."        \
	}
#define FILTER_LIMIT_OPTION                                                    \
	{                                                                      \
		"--limit", "N", "At most N events."                            \
	}

enum filter_place_bit {
	FILTER_WAITING = 1 << TOOLS_WAITING,
	FILTER_KEPT = 1 << TOOLS_KEPT,
	FILTER_BURIED = 1 << TOOLS_BURIED,
	FILTER_UNDECODABLE = 1 << TOOLS_PLACES, /* bodies, not events */
};

struct filter {
	enum tools_place place;
	bool undecodable;		    /* instead of a place */
	bool any;			    /* one was given */
	const char *type, *source, *reason; /* NULL: any */
	struct person_id user;		    /* --user; text NULL: any */
	const struct person_id *people;	    /* any of these; NULL: anybody */
	size_t people_count;
	const struct settings *served; /* for a destination that these have */
	int64_t unserved; /* out: matches that are for none of them */
	int64_t since_ms; /* of the delivery or burial, else the acceptance */
	int64_t until_ms; /* likewise; for jobs that would meet their own */
	int64_t limit, count; /* matches: at most, so far */
};

/* `places` is a set of enum filter_place_bit; `limit` is the preset. The
 * filter points into itself: it cannot be copied. */
MUST_USE bool filter_read(const struct command_context *context,
    enum tools_place preset, unsigned places, int64_t limit,
    struct filter *ret_filter, struct err *reterr);

/* A tools_match_fn; counts. */
bool filter_match(void *filter, const struct tools_event *event);

/* Tell of those that were passed over for want of a destination. */
MUST_USE bool filter_unserved_say(struct command_context *context,
    const struct filter *filter, struct err *reterr);

/* Enough? */
bool filter_full(const struct filter *filter);

/* "2h", or a time in UTC, or UNIX seconds. */
MUST_USE bool filter_since_read(
    const char *text, int64_t now_ms, int64_t *ret_ms, struct err *reterr);

#endif
