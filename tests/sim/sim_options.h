#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

/*
 * Settings as one table: it reads the command line, writes --help, and lets
 * a running simulator be told otherwise in JSON. The settings are a plain
 * struct without pointers, so a copy is a snapshot.
 */

#include "tests/sim/sim_base.h"

#include <jansson.h>

enum sim_option_kind {
	SIM_HEADING, /* help is a heading of --help */
	SIM_SWITCH,  /* bool: --name and --no-name */
	SIM_NUMBER,  /* int64_t within min and max */
	SIM_REAL,    /* double within min and max */
	SIM_WORD,    /* int: which of the words of argument, "one|two" */
	SIM_STRING,  /* char[max] */
};

struct sim_option {
	enum sim_option_kind kind;
	const char *name; /* with hyphens; in JSON with underscores */
	size_t offset;	  /* in the settings */
	double min;
	double max;
	const char *argument; /* what --help calls the value */
	const char *help;     /* lines; the last option has NULL */
};

/* Rows of a table; the first is the settings' struct. */
#define SIM_ROW(kind_, type, member, name_, argument_, help_)                  \
	.kind = (kind_), .offset = offsetof(type, member), .name = (name_),    \
	.argument = (argument_), .help = (help_)
#define SIM_HEADING_ROW(help_)                                                 \
	{                                                                      \
		.kind = SIM_HEADING, .help = (help_)                           \
	}
#define SIM_SWITCH_ROW(type, member, name_, help_)                             \
	{                                                                      \
		SIM_ROW(SIM_SWITCH, type, member, name_, "", help_)            \
	}
#define SIM_NUMBER_ROW(type, member, name_, min_, max_, argument_, help_)      \
	{                                                                      \
		SIM_ROW(SIM_NUMBER, type, member, name_, argument_, help_),    \
		    .min = (min_), .max = (max_)                               \
	}
#define SIM_REAL_ROW(type, member, name_, min_, max_, argument_, help_)        \
	{                                                                      \
		SIM_ROW(SIM_REAL, type, member, name_, argument_, help_),      \
		    .min = (min_), .max = (max_)                               \
	}
#define SIM_WORD_ROW(type, member, name_, argument_, help_)                    \
	{                                                                      \
		SIM_ROW(SIM_WORD, type, member, name_, argument_, help_)       \
	}
#define SIM_STRING_ROW(type, member, name_, argument_, help_)                  \
	{                                                                      \
		SIM_ROW(SIM_STRING, type, member, name_, argument_, help_),    \
		    .max = sizeof(((type *)NULL)->member)                      \
	}

/*
 * Read the command line into settings; exits with 2 on a bad one, with 0
 * after --help. Returns the index of the first argument that is no option.
 */
int sim_options_read(const struct sim_option *options, const char *about,
    void *settings, int argc, char **argv);

/* The settings before the second heading are for the start only. */
const struct sim_option *sim_options_live(const struct sim_option *options);

/* Merge the JSON text of an object into settings; false and why if it is not
 * all good (the settings may then be half merged: use a copy). */
bool sim_options_merge(const struct sim_option *options, void *settings,
    const char *json, size_t len, struct sim_text *why);

/* A new object with all that can be merged. */
json_t *
sim_options_show(const struct sim_option *options, const void *settings);

#endif
