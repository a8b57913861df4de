#ifndef CLI_FILTER_H
#define CLI_FILTER_H

/* The options that select events, which many commands share. */

#include "cli/command.h"

/* Rows for a table of options. */
#define FILTER_PERSON_OPTION                                                   \
	{                                                                      \
		"--user", "PERSON",                                            \
		    "About this person (external id, Braze id or device id)."  \
	}
#define FILTER_ORIGIN_OPTIONS                                                  \
	{"--source", "NAME", "From this source."},                             \
	{                                                                      \
		"--since", "WHEN",                                             \
		    "Since 2h or 7d ago, or since 2026-11-23T14:00 (UTC)."     \
	}
#define FILTER_OPTIONS                                                         \
	{"--type", "TYPE", "Of this type; * matches anything."},               \
	    FILTER_PERSON_OPTION, FILTER_ORIGIN_OPTIONS
#define FILTER_REASON_OPTION                                                   \
	{                                                                      \
		"--reason", "TEXT",                                            \
		    "With this text in the reason or in the answer."           \
	}
/* For unreadable bodies, which have no type and no answer. */
#define FILTER_BODY_OPTIONS                                                    \
	FILTER_PERSON_OPTION, FILTER_ORIGIN_OPTIONS,                           \
	{                                                                      \
		"--reason", "TEXT", "With this text in the reason."            \
	}
#define FILTER_LIMIT_OPTION                                                    \
	{                                                                      \
		"--limit", "N", "At most N events."                            \
	}
#define FILTER_PLACE_OPTION                                                    \
	{                                                                      \
		"--place", "queued|archive|dead",                              \
		    "Where to look (default queued)."                          \
	}

/* The parameters of a call that selects by them. */
#define FILTER_PARAMS "type user source reason since limit"

/* Was any of the filters given? */
bool filter_given(const struct options *options);

#endif
