#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/*
 * What a command is, and what commands share. A command runs in a process of
 * its own; one that works on the queue is a client of the admin interface
 * (client.h). The table is in command_table.c.
 */

#include "base/buf.h"
#include "cli/client.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/screen.h"

#include <stddef.h>
#include <stdint.h>

/* Exit codes, from sysexits(3) where it has one. */
enum {
	EXIT_FINE = 0,
	EXIT_FOUND = 1, /* the command found something, or failed */
	EXIT_USAGE = 2,
	EXIT_FAILED = 3, /* internal: to the shell it is EXIT_FOUND */
	EXIT_CONFIG = 78,
};

enum { COMMAND_OUT_MAX = 256 * 1024 * 1024 };

/* What a command gets. */
struct command_context {
	const struct options *options;
	struct client *client; /* NULL for COMMAND_PLAIN */
	struct screen *screen;
	const struct command *commands; /* all of them */
	const char *config;		/* --config, or NULL */
	int64_t now_ms;			/* wall clock */
};

/* Writes to *out and returns an exit code; from EXIT_USAGE on, the output is an
 * error message. */
typedef int command_fn(struct command_context *context, struct buf *out);

enum command_place {
	COMMAND_PLAIN,	     /* asks nobody */
	COMMAND_CLIENT,	     /* asks the admin interface */
	COMMAND_CLIENT_BARE, /* likewise, but what answers needs no queue */
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
extern const struct command commands_all[];

/* Find the command, read its options, run it. Returns an exit code. */
int command_run(const struct command *commands, struct screen *screen,
    size_t argc, const char *const *argv, struct buf *out);

/* Write an error message; returns the exit code for it. */
int command_fail(struct buf *out, const struct err *err);

/* The same for a call that cannot be: an error of ERR_INPUT. */
int command_refuse(struct buf *out, const char *format, ...) PRINTF_LIKE(2, 3);

/* Write out a piece of the output once it is large, so that all of it need not
 * fit in memory. */
MUST_USE bool command_write(
    struct command_context *context, struct buf *out, struct err *reterr);

/* Write out what there is. */
MUST_USE bool command_flush(
    struct command_context *context, struct buf *out, struct err *reterr);

/* A line for the operator, wherever the output goes. */
MUST_USE bool command_message(struct command_context *context,
    struct err *reterr, const char *format, ...) PRINTF_LIKE(3, 4);

/* A call as the command says it: a star in the path is its first word, and
 * those of the options "type user limit" that were given are parameters. */
struct ask command_call(const struct command_context *context,
    const char *method, const char *path, const char *names);

/* Ask the admin interface (client_ask()). With --json the answer goes to *out,
 * as it came; of an answer in lines the rows, as an array. Else `row` gets the
 * rows and *ret_answer the answer or its summary, which the caller frees; it is
 * NULL with --json. Returns an exit code; beyond EXIT_FINE *out has the
 * error. */
int command_ask(struct command_context *context, const struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_answer, struct buf *out);

/* The same, for a command whose exit code depends on the answer: with --json,
 * too, *ret_answer is the answer or its summary, once it is printed. */
int command_ask_judged(struct command_context *context, const struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_answer, struct buf *out);

/* A client_row_fn: appends the rows to the JSON array `arg`. */
client_row_fn command_row_keep;

/* Let the operator confirm, unless --yes was given: ask, and wait for "yes".
 * Where no terminal can ask, the answer is `otherwise`. ERR_INPUT: no. */
MUST_USE bool command_confirm(struct command_context *context, bool otherwise,
    struct err *reterr, const char *format, ...) PRINTF_LIKE(4, 5);

/* Ask, and let `show` write the answer as text and return the exit code. With
 * --json only its exit code counts. */
typedef int command_show_fn(
    struct command_context *context, const json_t *answer, struct buf *out);
int command_answer(struct command_context *context, const struct ask *ask,
    command_show_fn *show, struct buf *out);

/* Rows for a table of options: how a list is printed. */
#define COMMAND_GRID_OPTIONS                                                   \
	{"--sort", "COLUMN", "Sort by this column; -COLUMN: downwards."},      \
	{                                                                      \
		"--csv", NULL, "Print CSV."                                    \
	}

/* Ask, and print the rows of the answer as a grid, each completed by `fill` (or
 * NULL), as these options say; then from where the list goes on, which is the
 * summary's `more` and `last`. Without rows print `none`. */
typedef void command_fill_fn(struct grid *grid, const json_t *row);
int command_list(struct command_context *context, const struct ask *ask,
    const struct grid_column *columns, size_t count, command_fill_fn *fill,
    const char *none, struct buf *out);

/* Print the rows of an answer in lines, each as it came, on a line of its own.
 * Returns an exit code. */
int command_export(
    struct command_context *context, const struct ask *ask, struct buf *out);

/* value_say() with the screen and the time of the command. */
void command_say(const struct command_context *context, struct buf *out,
    const json_t *answer, const char *text);

command_fn command_serve, command_check, command_config, command_config_diff,
    command_reload, command_status, command_top, command_ledger,
    command_sources, command_sources_show, command_destinations,
    command_destinations_show, command_destinations_pause,
    command_destinations_resume, command_destinations_retry,
    command_events_list, command_events_find, command_events_show,
    command_events_export, command_tap, command_dead_list, command_dead_show,
    command_dead_edit, command_dead_requeue, command_dead_export,
    command_dead_drop, command_unreadable_list, command_unreadable_show,
    command_unreadable_export, command_unreadable_drop, command_import,
    command_replay, command_erase, command_erasures_list, command_erasures_done,
    command_drift, command_validate, command_explain, command_sample,
    command_schema, command_queue_stats, command_queue_check,
    command_queue_backup, command_queue_rescue, command_segments,
    command_segments_show, command_segments_syncs, command_segments_resend,
    command_segments_release, command_segments_retire, command_segments_verify,
    command_person, command_completion, command_version, command_help;

/* The options of the commands. */
extern const struct option_row command_json_options[], command_check_options[],
    command_config_options[], command_reload_options[],
    command_status_options[], command_top_options[], command_retry_options[],
    command_ledger_options[], command_events_list_options[],
    command_events_show_options[], command_events_export_options[],
    command_tap_options[], command_dead_list_options[],
    command_dead_requeue_options[], command_dead_export_options[],
    command_dead_drop_options[], command_unreadable_list_options[],
    command_unreadable_export_options[], command_unreadable_drop_options[],
    command_import_options[], command_replay_options[], command_erase_options[],
    command_validate_options[], command_explain_options[],
    command_sample_options[], command_schema_options[],
    command_queue_stats_options[], command_segments_options[],
    command_segments_one_options[], command_segments_retire_options[],
    command_segments_verify_options[], command_person_options[];

#endif
