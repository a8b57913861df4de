#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/*
 * The commands: one row of a table each, one function each. A command that
 * works on the queue is written once and runs in two places: within the
 * daemon, asked through admin.sock, and in a process of its own that opens
 * the queue while no daemon runs. main() and the socket call it alike.
 */

#include "base/buf.h"
#include "cli/channel.h"
#include "cli/options.h"
#include "cli/parts.h"

#include <stddef.h>
#include <stdint.h>

/* Exit codes, as sysexits(3) where it has one. */
enum {
	EXIT_FINE = 0,
	EXIT_FOUND = 1, /* the command found something, or failed */
	EXIT_USAGE = 2,
	EXIT_FAILED = 3, /* among ourselves: to the shell it is EXIT_FOUND */
	EXIT_CONFIG = 78,
};

enum { COMMAND_OUT_MAX = 256 * 1024 * 1024 };

/* What a command gets. */
struct command_context {
	const struct options *options;
	struct parts *parts; /* but for COMMAND_PLAIN: the queue is open */
	const struct channel *channel; /* to the caller */
	const char *config;	       /* --config, or NULL */
	int64_t now_ms;		       /* wall clock */
};

/* Writes to *out and returns an exit code; from EXIT_USAGE on, what was
 * written is an error message. */
typedef int command_fn(struct command_context *context, struct buf *out);

enum command_place {
	COMMAND_PLAIN, /* in its own process */
	COMMAND_QUEUE, /* where the queue is open */
	COMMAND_JOB,   /* likewise, changing much or for long: one at a time */
};

struct command {
	const char *name;      /* "events list" */
	const char *arguments; /* of the usage line, or "" */
	const char *help;      /* one line */
	const char *text;      /* more, or NULL */
	enum command_place place;
	const struct option_row *options; /* or NULL */
	command_fn *run;
};

/* Ends with a row whose name is NULL. */
extern const struct command command_table[];

/* A command of earlier versions and those that replace it, as a message has
 * them. Ends with a row whose name is NULL. */
struct command_moved {
	const char *name, *now;
};
extern const struct command_moved command_moved_table[];

/* The command that the words name, and how many words its name has. */
const struct command *
command_find(size_t argc, const char *const *argv, size_t *ret_words);

/* Find, read the options, run: in this process. */
int command_run(struct parts *parts, const struct channel *channel, size_t argc,
    const char *const *argv, struct buf *out);

/* The same from outside for a command that needs the queue: through the socket
 * of a running daemon, else with the queue opened here. */
int command_run_outside(const struct command *command,
    struct command_context *context, size_t argc, const char *const *argv,
    struct buf *out);

/* Write an error message; returns the exit code for it. */
int command_fail(struct buf *out, const struct err *err);

/* Write out what a COMMAND_PLAIN has so far, so that it need not fit in
 * memory; false if the reader is gone. */
MUST_USE bool command_flush(struct buf *out, struct err *reterr);

/* The same for any command, through its channel. */
MUST_USE bool command_write(
    struct command_context *context, struct buf *out, struct err *reterr);

/* The list of all commands. */
void command_list_write(struct buf *out);

/* The commands and the settings for the manual page. */
void command_roff_write(struct buf *out);

command_fn command_serve, command_check, command_sample, command_version,
    command_help, command_status, command_ledger, command_explain,
    command_schema, command_validate, command_drift;

command_fn command_destinations_pause, command_destinations_resume,
    command_events_list, command_events_find, command_events_export,
    command_dead_list, command_dead_show, command_dead_requeue,
    command_dead_export, command_dead_drop, command_unreadable_list,
    command_unreadable_show, command_unreadable_drop, command_import,
    command_replay, command_erase, command_erasures_list, command_erasures_done,
    command_queue_stats, command_queue_redirect, command_queue_check,
    command_queue_backup, command_queue_rescue;

/* check --send-test: send one event to Heap now, past the queue. */
int check_send(struct command_context *context, struct settings *settings,
    struct buf *out);

extern const struct option_row command_json_options[];
extern const struct option_row command_check_options[];
extern const struct option_row command_sample_options[];
extern const struct option_row command_explain_options[];
extern const struct option_row command_schema_options[];
extern const struct option_row command_validate_options[];
extern const struct option_row command_drift_options[];
extern const struct option_row command_ledger_options[];
extern const struct option_row command_events_list_options[];
extern const struct option_row command_events_export_options[];
extern const struct option_row command_dead_list_options[];
extern const struct option_row command_dead_requeue_options[];
extern const struct option_row command_dead_export_options[];
extern const struct option_row command_dead_drop_options[];
extern const struct option_row command_unreadable_list_options[];
extern const struct option_row command_unreadable_drop_options[];
extern const struct option_row command_import_options[];
extern const struct option_row command_replay_options[];
extern const struct option_row command_erase_options[];
extern const struct option_row command_queue_stats_options[];
extern const struct option_row command_queue_redirect_options[];

#endif
