/*
 * currentsd queue check, backup: the file as a whole.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"

#include <inttypes.h>
#include <unistd.h>

/* ---- check ---- */

enum { CHECK_TEXTS_MAX = 1024 * 1024 };

struct check {
	struct queue *queue;
	struct jobs_check tools;
	struct buf faults; /* written beside the main thread */
	struct json json;
	bool as_json;
};

static void
check_fault(void *arg, const char *text)
{
	struct check *check = arg;

	if (check->as_json)
		json_text(&check->json, NULL, text);
	else
		(void)buf_printf(&check->faults, "fault: %s\n", text);
}

static bool
check_step(void *arg, struct err *reterr)
{
	struct check *check = arg;

	return jobs_check(check->queue, &check->tools, reterr);
}

/* The first step is SQLite's own check, which holds the queue. */
static bool
check_all(
    struct command_context *context, struct check *check, struct err *reterr)
{
	if (!job_apart(context, "checking the file", check_step, check, reterr))
		return false;
	while (check->tools.more) {
		if (!check_step(check, reterr) ||
		    !job_breathe(context, reterr, "checked %" PRId64 " batches",
			check->tools.batches))
			return false;
	}
	return true;
}

static void
check_show(struct check *check, struct buf *out)
{
	const struct buf *faults = &check->faults;
	struct json json;

	if (!check->as_json) {
		(void)buf_append(out, faults->data, faults->len);
		(void)buf_printf(out,
		    "%" PRId64 " batches checked, %" PRId64 " faults\n",
		    check->tools.batches, check->tools.faults);
		return;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "batches", check->tools.batches);
	json_raw(&json, "faults", faults->data, faults->len);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

int
command_queue_check(struct command_context *context, struct buf *out)
{
	struct check check = {
	    .queue = context->parts->queue,
	    .as_json = options_has(context->options, "--json"),
	};
	int code = EXIT_FINE;
	struct err err;

	check.tools.fn = check_fault;
	check.tools.arg = &check;
	buf_init(&check.faults, CHECK_TEXTS_MAX);
	json_init(&check.json, &check.faults);
	if (check.as_json)
		json_array_open(&check.json, NULL);
	if (!check_all(context, &check, &err)) {
		code = command_fail(out, &err);
	} else {
		if (check.as_json)
			json_array_close(&check.json);
		check_show(&check, out);
		code = check.tools.faults > 0 ? EXIT_FOUND : EXIT_FINE;
	}
	buf_fini(&check.faults);
	return code;
}

/* ---- backup ---- */

static bool
backup_all(struct command_context *context, struct jobs_backup *backup,
    struct err *reterr)
{
	int64_t left_bytes = 0;
	bool more = true;

	while (more) {
		if (!jobs_backup_step(backup, &more, &left_bytes, reterr) ||
		    !job_breathe(context, reterr, "%" PRId64 " MiB to go",
			left_bytes >> 20))
			return false;
	}
	return true;
}

int
command_queue_backup(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct jobs_backup *backup = NULL;
	struct err err;
	bool ok;

	/* The daemon may write it, whose working directory is another one. */
	if (options->word_count != 1 || options->words[0][0] != '/') {
		(void)err_set(&err, ERR_INPUT,
		    "queue backup takes one absolute path, of a file that "
		    "does not exist yet");
		return command_fail(out, &err);
	}
	if (!jobs_backup_begin(
		context->parts->queue, options->words[0], &backup, &err))
		return command_fail(out, &err);
	ok = backup_all(context, backup, &err);
	jobs_backup_end(backup);
	if (!ok) {
		/* Half a copy would be mistaken for a backup some day. */
		(void)unlink(options->words[0]);
		return command_fail(out, &err);
	}
	(void)buf_printf(out, "%s is a copy of the queue\n", options->words[0]);
	return EXIT_FINE;
}
