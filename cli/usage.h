#ifndef CLI_USAGE_H
#define CLI_USAGE_H

/*
 * The arguments of a command, judged by its usage line and its options, before
 * any settings are read: a mistake in typing is told first.
 *
 * The name that help gives a value says what it may be: N and COUNT are whole
 * numbers, ID is that of a row, WHEN is a time, small letters are the words to
 * choose from, and anything else is a text that is not empty.
 */

#include "cli/command.h"

/* ERR_INPUT with a sentence for the user. */
MUST_USE bool usage_judge(const struct command *command,
    const struct options *options, int64_t now_ms, struct err *reterr);

/* How many arguments that are no options the usage line has. */
enum { USAGE_MANY = 1024 };
struct usage {
	size_t least, most; /* at most USAGE_MANY: any number */
	bool ways;	    /* one argument, or filters, or --all */
	char word[32];	    /* the name of the first, "SEGMENT"; or "" */
};
void usage_read(const char *arguments, struct usage *ret_usage);

#endif
