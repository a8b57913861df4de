#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

/*
 * A client of the admin interface: a running daemon's, through admin.sock, or
 * if none runs, that of this process, which opens the queue for it. A command
 * asks, and cannot tell which of them answers.
 */

#include "cli/screen.h"
#include "daemon/api.h"
#include "daemon/settings.h"

#include <jansson.h>

/* What a command asks; lent. */
struct ask {
	const char *method;
	const char *path; /* a star stands for the name */
	struct str name;
	struct call_param params[CALL_PARAMS];
	size_t param_count;
	struct str body;
	bool raw; /* the answer, or its rows, as text; not parsed */
};

/* "GET" or another method, and a path of daemon/api_routes.c. */
void ask_init(struct ask *ask, const char *method, const char *path);

/* Add a parameter, unless its value is NULL. */
void ask_param(struct ask *ask, const char *name, const char *value);

struct client;

/* Takes the settings from this file, or from where they are without it. What a
 * call says while it runs goes to the screen. Without `queue` this process
 * opens none: what is asked takes only the settings. It then answers itself,
 * too, if a file is given or the daemon is another user's. */
MUST_USE bool client_open(const char *config, bool queue, struct screen *screen,
    struct client **ret_client, struct err *reterr);
void client_close(struct client *client); /* accepts NULL */

/* Does a daemon answer? Else it is this process. */
bool client_reaches_daemon(const struct client *client);

/* Called with each row of an answer in lines, which is lent: parsed, or if that
 * was asked, raw (`row` is NULL): byte for byte, which numbers of any length
 * survive. False ends the call, which then fails with *reterr. */
typedef bool
client_row_fn(void *arg, json_t *row, struct str text, struct err *reterr);

/* Ask, and wait for the end of the answer. Messages and progress are shown to
 * the operator. *ret_answer gets the answer, or its summary if it comes in
 * lines; the caller frees it with json_decref(). A raw answer that is one
 * object goes to `row`, and *ret_answer is NULL. `row` may be NULL if there are
 * no rows. ERR_STOPPING: the daemon went away, and what it did is unknown. */
MUST_USE bool client_ask(struct client *client, const struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_answer, struct err *reterr);

#endif
