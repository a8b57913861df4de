#ifndef DAEMON_SETTINGS_DIFF_H
#define DAEMON_SETTINGS_DIFF_H

/*
 * What differs between two readings of the settings, row by row. It says what a
 * secret is called, and whether it is another one, but never what it is.
 */

#include "daemon/settings.h"

/* The rows of settings, on their own. All zero is empty. */
struct settings_kept {
	struct settings_kept_row *rows;
	size_t count;
	bool failed; /* no memory */
};

MUST_USE bool settings_kept_read(const struct settings *settings,
    struct settings_kept *ret_kept, struct err *reterr);
void settings_kept_fini(struct settings_kept *kept);

/* A row that differs. */
struct settings_change {
	const char *name;		/* "listen", "source main: token" */
	const char *section, *of, *key; /* its parts; the first two or NULL */
	/* The values; "": it is not set. NULL: no such source or destination,
	 * or none of that kind, is there. */
	const char *old, *new;
	bool secret;
	bool restart; /* what it needs to take effect */
};

/* Call `fn` for each row that differs; of a source or destination that only one
 * side has, for its kind and what is set. Marks *new. */
typedef void
settings_change_fn(void *arg, const struct settings_change *change);
void settings_kept_diff(const struct settings_kept *old,
    struct settings_kept *new, settings_change_fn *fn, void *arg);

#endif
