#ifndef DAEMON_ATTENTION_H
#define DAEMON_ATTENTION_H

/* What needs an operator: the first thing to look at in /status. */

#include "daemon/status.h"

struct attention_item {
	const char *level;     /* "wrong" or "waiting" */
	const char *about;     /* "destination:heap", "queue", ... */
	const char *condition; /* "halted", ...: in one word what it is */
	struct str what, help; /* sentences */
	struct str path;       /* of the call that does it, or empty */
	bool quiet;	       /* nobody need be told of it */
};

/*
 * First what is wrong, then what waits; only those about this, or (NULL) all.
 * `outside`: for readers outside the admin interface; of a destination's answer
 * they see only the status, because the rest may name a person.
 */
typedef void attention_fn(void *arg, const struct attention_item *item);
void attention_each(const struct status *status, const char *about,
    bool outside, attention_fn *fn, void *arg);

/*
 * The same as elements of the open array:
 *
 *	{"level": "wrong" or "waiting",
 *	 "about": "destination:heap", "queue", ...,
 *	 "condition": "halted", ...,
 *	 "what": a sentence,
 *	 "help": what to do, a sentence,
 *	 "action": {"method": "POST", "path": ...} that does it, or null}
 */
void attention_json(
    const struct status *status, const char *about, struct json *json);

#endif
