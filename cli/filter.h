#ifndef CLI_FILTER_H
#define CLI_FILTER_H

/*
 * The filters that select events, shared by many commands: as options, and as
 * the match of a job on the queue.
 */

#include "cli/command.h"
#include "queue/admin.h"
#include "schema/person.h"

/* Rows for a table of options. */
#define FILTER_PERSON_OPTION                                                   \
	{                                                                      \
		"--user", "ID",                                                \
		    "About this person (external, Braze, device id)."          \
	}
#define FILTER_ORIGIN_OPTIONS                                                  \
	{"--source", "NAME", "From this source."},                             \
	{                                                                      \
		"--since", "WHEN",                                             \
		    "In the last 2h or 7d, or since 2026-11-23T14:00 (UTC)."   \
	}
#define FILTER_OPTIONS                                                         \
	{"--type", "TYPE", "Of this type; * matches anything."},               \
	    FILTER_PERSON_OPTION, FILTER_ORIGIN_OPTIONS
#define FILTER_REASON_OPTION                                                   \
	{                                                                      \
		"--reason", "TEXT",                                            \
		    "With this in the reason or in the answer."                \
	}
/* For unreadable bodies, which have no type and no answer. */
#define FILTER_BODY_OPTIONS                                                    \
	FILTER_PERSON_OPTION, FILTER_ORIGIN_OPTIONS,                           \
	{                                                                      \
		"--reason", "TEXT", "With this in the reason."                 \
	}
#define FILTER_LIMIT_OPTION                                                    \
	{                                                                      \
		"--limit", "N", "At most N events."                            \
	}

#define FILTER_PLACE_OPTION                                                    \
	{                                                                      \
		"--place", "PLACE", "queued (the default) or archive."         \
	}

struct filter {
	bool any;			    /* one was given */
	const char *type, *source, *reason; /* NULL: any */
	struct str user;		    /* --user; data NULL: any */
	const struct str *people;	    /* any of these; NULL: all */
	size_t people_count;
	const struct settings *served; /* for a destination that these have */
	int64_t unserved;     /* out: matches that are for none of them */
	int64_t since_ms;     /* delivered, dead or else accepted since then */
	int64_t until_ms;     /* likewise; for jobs that would meet their own */
	int64_t limit, count; /* matches: at most, so far */
};

/* `limit` is the default. The filter points into itself: it cannot be copied. */
MUST_USE bool filter_read(const struct command_context *context, int64_t limit,
    struct filter *ret_filter, struct err *reterr);

/* Read --place. */
MUST_USE bool filter_place_read(const struct options *options,
    enum jobs_place *ret_place, struct err *reterr);

/* A jobs_match_fn; counts. */
bool filter_match(void *filter, const struct jobs_event *event);

/* Say how many were skipped because the settings lack their destination. */
MUST_USE bool filter_unserved_say(struct command_context *context,
    const struct filter *filter, struct err *reterr);

/* Has the limit been reached? */
bool filter_full(const struct filter *filter);

/* "2h", or a time in UTC, or UNIX seconds. */
MUST_USE bool filter_since_read(
    const char *text, int64_t now_ms, int64_t *ret_ms, struct err *reterr);

#endif
