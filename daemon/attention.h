#ifndef DAEMON_ATTENTION_H
#define DAEMON_ATTENTION_H

/* What needs an operator: the first thing to look at in /status. */

#include "daemon/status.h"

/*
 * The elements of the open array, first what is wrong, then what waits:
 *
 *	{"level": "wrong" or "waiting",
 *	 "about": "destination:heap", "queue", ...,
 *	 "what": a sentence,
 *	 "help": what to do, a sentence,
 *	 "action": {"method": "POST", "path": ...} that does it, or null}
 *
 * Only those about this, or (NULL) all.
 */
void attention_json(
    const struct status *status, const char *about, struct json *json);

#endif
