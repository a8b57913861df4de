#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/*
 * The options of a command, from a table that also writes its help. Options
 * may stand anywhere and be repeated; "--" ends them. All pointers are lent by
 * argv.
 */

#include "base/buf.h"

#include <stdint.h>

struct option_row {
	const char *name;  /* "--count"; NULL ends a table */
	const char *value; /* what the help calls its value; NULL: a flag */
	const char *help;
};

enum {
	OPTIONS_SET_MAX = 1056, /* an option may be repeated: erase --user */
	OPTIONS_WORDS_MAX = 1024,
};

struct options {
	struct {
		const char *name, *value;
	} set[OPTIONS_SET_MAX];
	size_t set_count;
	const char *words[OPTIONS_WORDS_MAX]; /* arguments, not options */
	size_t word_count;
};

/* The table that every command has: --help (or -h), --config. */
extern const struct option_row options_common[];

/* May this option stand before the command, too? Those of every command may,
 * and --json. `ret_value`: its value is the next word. */
bool options_global(const char *text, bool *ret_value);

/* ERR_INPUT with a sentence for the user, which names the command. `table` may
 * be NULL. */
MUST_USE bool
options_read(const char *command, const struct option_row *table, size_t argc,
    const char *const *argv, struct options *ret_options, struct err *reterr);

/* Was the option given? Its last value ("yes" of a flag), or NULL. */
bool options_has(const struct options *options, const char *name);
const char *options_value(const struct options *options, const char *name);

/* Every value of a repeated option, in order; returns how many. */
size_t options_values(const struct options *options, const char *name,
    const char *ret_values[OPTIONS_SET_MAX]);

/* A whole number within bounds, or `preset` if it was not given. */
MUST_USE bool
options_integer(const struct options *options, const char *name, int64_t preset,
    int64_t least, int64_t most, int64_t *ret_value, struct err *reterr);

/* A line for each option of the table, which may be NULL, and for those that
 * every command has. */
void options_help_write(const struct option_row *table, struct buf *out);

#endif
