/* POST /queue/check, /queue/backup: the file of the queue. GET /jobs: the job
 * that runs. */

#include "base/log.h"
#include "daemon/api_routes.h"

#include <inttypes.h>
#include <unistd.h>

enum { CHECK_TEXTS_MAX = 1024 * 1024 };

/* ---- check ---- */

struct check {
	struct queue *queue;
	struct jobs_check job;
	/* Rows: written by the thread that makes the step, and taken by the
	 * call's when it has ended. */
	struct buf faults;
};

static void
check_fault(void *arg, const char *text)
{
	struct check *check = arg;
	struct json json;

	json_init(&json, &check->faults);
	json_object_open(&json, NULL);
	json_object_open(&json, "row");
	json_text(&json, "fault", text);
	json_object_close(&json);
	json_object_close(&json);
	(void)buf_char(&check->faults, '\n');
}

static bool
check_step(void *arg, struct err *reterr)
{
	struct check *check = arg;

	return jobs_check(check->queue, &check->job, reterr);
}

static bool
check_flush(struct api *api, struct check *check, struct err *reterr)
{
	if (!buf_ok(&check->faults, reterr))
		return false;
	(void)buf_append(&api->out, check->faults.data, check->faults.len);
	buf_reset(&check->faults);
	return api->out.len == 0 || api_flush(api, reterr);
}

/* The first steps lock the queue for long. */
static bool
check_run(struct api *api, struct check *check, struct err *reterr)
{
	bool ok;

	do
		ok = job_run_locking(api->daemon, &api->caller,
			 "checking the file", check_step, check, reterr) &&
		     check_flush(api, check, reterr);
	while (ok && check->job.locking);
	while (ok && check->job.more)
		ok = check_step(check, reterr) &&
		     check_flush(api, check, reterr) &&
		     job_progress(&api->caller, reterr,
			 "checked %" PRId64 " batches", check->job.batches);
	return ok;
}

bool
api_queue_check(struct api *api, struct err *reterr)
{
	struct check check = {
	    .queue = api->daemon->queue,
	    .job = {.fn = check_fault, .arg = &check},
	};
	bool ok;

	api_lines(api);
	buf_init(&check.faults, CHECK_TEXTS_MAX);
	ok = check_run(api, &check, reterr);
	buf_fini(&check.faults);
	if (!ok)
		return false;
	api_log(api, "check batches=%" PRId64 " faults=%" PRId64,
	    check.job.batches, check.job.faults);
	api_summary_open(api);
	json_int(&api->json, "batches", check.job.batches);
	json_int(&api->json, "faults", check.job.faults);
	api_summary_close(api);
	return true;
}

/* ---- backup ---- */

bool
api_queue_backup(struct api *api, struct err *reterr)
{
	const char *path = call_param(api->call, "path");
	struct jobs_backup *backup = NULL;
	bool ok = true, more = true;
	int64_t left_bytes = 0;

	/* The daemon has a working directory of its own. */
	if (path == NULL || *path != '/')
		return err_set(reterr, ERR_INPUT,
		    "a backup needs the absolute path of a file that does not "
		    "exist yet");
	api_lines(api);
	if (!jobs_backup_begin(api->daemon->queue, path, &backup, reterr))
		return false;
	while (ok && more)
		ok = jobs_backup_step(backup, &more, &left_bytes, reterr) &&
		     job_progress(&api->caller, reterr, "%" PRId64 " MiB to go",
			 left_bytes >> 20);
	jobs_backup_end(backup);
	if (!ok) {
		/* Half a copy might be taken for a backup one day. */
		(void)unlink(path);
		return false;
	}
	api_log(api, "backup path=%s", LOG_QUOTE(path));
	api_summary_open(api);
	json_text(&api->json, "path", path);
	api_summary_close(api);
	return true;
}

/* ---- jobs ---- */

bool
api_jobs(struct api *api, struct err *reterr)
{
	struct json *json = &api->json;
	struct job_running running;

	(void)reterr;
	json_object_open(json, NULL);
	json_array_open(json, "jobs");
	if (job_running(api->daemon, &running)) {
		json_object_open(json, NULL);
		json_text(json, "name", running.name);
		json_time(json, "since", running.since_ms);
		json_text(json, "progress", running.progress);
		json_object_close(json);
	}
	json_array_close(json);
	json_object_close(json);
	return true;
}
