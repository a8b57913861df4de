/*
 * Sending again: the dead by requeueing, the kept by replaying; and
 * dropping the dead.
 */

#include "queue/tools_walk.h"

#include <stdlib.h>
#include <string.h>

/* Events on their way into one new parcel, with their bytes. */
struct bundle {
	struct lane *lane;
	int64_t source, accepted_ms, due_ms;
	bool replay;
	unsigned attempts;
	struct item items[TOOLS_STEP_ROWS];
	size_t count;
};

static void
bundle_item(const void *arg, size_t n, struct item *ret_item)
{
	const struct item *items = arg;

	*ret_item = items[n];
}

/* Write the parcel and begin anew. */
static bool
bundle_flush(struct queue *queue, struct bundle *bundle, struct err *reterr)
{
	struct queue_parcel parcel = {
	    .lane = bundle->lane,
	    .source = bundle->source,
	    .due_ms = bundle->due_ms,
	    .accepted_ms = bundle->accepted_ms,
	    .attempts = bundle->attempts,
	    .replay = bundle->replay,
	    .events = bundle->count,
	};
	bool ok = true;

	if (bundle->count == 0)
		return true;
	ok = parcel_pack(queue->packer, bundle_item, bundle->items,
	    bundle->count, &queue->packed, reterr);
	parcel.frame = queue->packed.data;
	parcel.frame_len = queue->packed.len;
	ok = ok && rows_parcel_add(queue, &parcel, reterr);
	for (size_t i = 0; i < bundle->count; i++) {
		free((void *)(uintptr_t)bundle->items[i].type.data);
		free((void *)(uintptr_t)bundle->items[i].data.data);
	}
	bundle->count = 0;
	return ok;
}

static void
bundle_fini(struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++) {
		free((void *)(uintptr_t)bundle->items[i].type.data);
		free((void *)(uintptr_t)bundle->items[i].data.data);
	}
}

/* Add a copy of the event. */
static bool
bundle_add(
    struct bundle *bundle, const struct jobs_event *event, struct err *reterr)
{
	char *kind = malloc(event->type.len + 1);
	char *data = malloc(event->data.len + 1);

	CHECK(bundle->count < TOOLS_STEP_ROWS);
	if (kind == NULL || data == NULL) {
		free(kind);
		free(data);
		return err_set_nomem(reterr);
	}
	memcpy(kind, event->type.data, event->type.len);
	memcpy(data, event->data.data, event->data.len);
	bundle->items[bundle->count++] = (struct item){
	    .type = {kind, event->type.len}, .data = {data, event->data.len}};
	return true;
}

/* ---- the dead ---- */

static bool
tools_buried_delete(struct queue *queue, int64_t id, struct err *reterr)
{
	sqlite3_stmt *remove =
	    store_statement(&queue->store, STORE_DEAD_DELETE, reterr);

	if (remove == NULL)
		return false;
	(void)sqlite3_bind_int64(remove, 1, id);
	return store_run(&queue->store, remove, reterr);
}

/* What a step does with one dead event that is meant. */
typedef bool tools_buried_fn(struct queue *queue, struct bundle *bundle,
    const struct jobs_event *event, const struct ledger_key *key, int64_t lane,
    int64_t rule, struct err *reterr);

static bool
tools_buried_requeue(struct queue *queue, struct bundle *bundle,
    const struct jobs_event *event, const struct ledger_key *key, int64_t lane,
    int64_t rule, struct err *reterr)
{
	(void)rule;
	if (bundle->count > 0 &&
	    (bundle->lane->id != lane || bundle->source != key->source ||
		ledger_hour(bundle->accepted_ms) != key->hour) &&
	    !bundle_flush(queue, bundle, reterr))
		return false;
	if (bundle->count == 0) {
		bundle->lane = lane_find(queue, lane);
		CHECK(bundle->lane != NULL);
		bundle->source = key->source;
		bundle->accepted_ms = event->accepted_ms;
	}
	return ledger_note(queue->ledger, key, LEDGER_WAITING, 1, reterr) &&
	       bundle_add(bundle, event, reterr);
}

static bool
tools_buried_drop(struct queue *queue, struct bundle *bundle,
    const struct jobs_event *event, const struct ledger_key *key, int64_t lane,
    int64_t rule, struct err *reterr)
{
	(void)bundle;
	(void)event;
	(void)lane;
	return ledger_note_drop(queue->ledger, key, rule, 1, reterr);
}

static bool
tools_buried_forget(struct queue *queue, struct bundle *bundle,
    const struct jobs_event *event, const struct ledger_key *key, int64_t lane,
    int64_t rule, struct err *reterr)
{
	(void)bundle;
	(void)event;
	(void)lane;
	(void)rule;
	return ledger_note(queue->ledger, key, LEDGER_FORGOTTEN, 1, reterr);
}

/* One row; the statement stands on it, and is stepped on after. */
static bool
tools_buried_one(struct queue *queue, struct jobs_walk *job, sqlite3_stmt *row,
    tools_buried_fn *fn, struct bundle *bundle, int64_t rule,
    struct err *reterr)
{
	struct ledger_key key;
	int64_t lane;
	struct jobs_event event = tools_buried_event(row, &lane, &key.type);

	job->cursor.after = event.id;
	if (!tools_match(job, &event))
		return true;
	job->matched++;
	key.hour = ledger_hour(event.accepted_ms);
	key.source =
	    names_find(queue->names, event.source, strlen(event.source));
	return ledger_note(queue->ledger, &key, LEDGER_BURIED, -1, reterr) &&
	       fn(queue, bundle, &event, &key, lane, rule, reterr) &&
	       tools_buried_delete(queue, event.id, reterr);
}

static bool
tools_buried_rows(struct queue *queue, struct jobs_walk *job,
    tools_buried_fn *fn, int64_t rule, struct err *reterr)
{
	struct bundle bundle = {.count = 0};
	sqlite3_stmt *rows;
	size_t count = 0;
	bool row, ok = false;

	rows = store_statement(&queue->store, STORE_DEAD_AFTER, reterr);
	if (rows == NULL)
		return false;
	(void)sqlite3_bind_int64(rows, 1, job->cursor.after);
	(void)sqlite3_bind_int64(rows, 2, TOOLS_STEP_ROWS);
	for (;; count++) {
		if (!store_step(&queue->store, rows, &row, reterr))
			goto out;
		if (!row)
			break;
		if (!tools_buried_one(
			queue, job, rows, fn, &bundle, rule, reterr))
			goto out;
	}
	job->more = count == TOOLS_STEP_ROWS;
	ok = bundle_flush(queue, &bundle, reterr);
out:
	store_reset(rows);
	bundle_fini(&bundle);
	return ok;
}

/* A step over the dead; if it fails the job stands where it stood. */
static bool
tools_buried_step(struct queue *queue, struct jobs_walk *job,
    tools_buried_fn *fn, const char *rule, struct err *reterr)
{
	struct jobs_walk before = *job;
	int64_t rule_id = 0;
	bool ok;

	CHECK(job->cursor.place == JOBS_DEAD);
	if (!tools_step_begin(queue, reterr))
		return false;
	ok = rule == NULL || names_add(queue->names, &queue->store, rule,
				 strlen(rule), &rule_id, reterr);
	ok = ok && tools_buried_rows(queue, job, fn, rule_id, reterr);
	ok = tools_step_end(queue, ok, reterr);
	if (!ok)
		*job = before;
	return ok;
}

bool
jobs_requeue(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	bool ok =
	    tools_buried_step(queue, job, tools_buried_requeue, NULL, reterr);

	if (ok && queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
	return ok;
}

bool
jobs_drop(struct queue *queue, struct jobs_walk *job, const char *rule,
    struct err *reterr)
{
	return tools_buried_step(queue, job, tools_buried_drop, rule, reterr);
}

bool
tools_forget_buried(
    struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return tools_buried_step(queue, job, tools_buried_forget, NULL, reterr);
}

/* ---- replays ---- */

static bool
tools_replay_one(struct queue *queue, struct jobs_walk *job,
    struct bundle *bundle, const struct tools_parcel *parcel, size_t index,
    struct err *reterr)
{
	struct jobs_event event = tools_parcel_event(queue, parcel, index);
	struct ledger_key key = {
	    .hour = ledger_hour(parcel->accepted_ms), .source = parcel->source};

	if (!tools_parcel_live(parcel, index) || !tools_match(job, &event))
		return true;
	job->matched++;
	if (bundle->count == TOOLS_STEP_ROWS &&
	    !bundle_flush(queue, bundle, reterr))
		return false;
	return names_add_type(queue->names, &queue->store, event.type.data,
		   event.type.len, &key.type, reterr) &&
	       ledger_note(queue->ledger, &key, LEDGER_REPLAYED, 1, reterr) &&
	       bundle_add(bundle, &event, reterr);
}

static bool
tools_replay_parcel(struct queue *queue, struct jobs_walk *job,
    const struct tools_parcel *parcel, struct lane *lane, struct err *reterr)
{
	struct bundle bundle = {
	    .lane = lane != NULL ? lane : lane_find(queue, parcel->lane),
	    .source = parcel->source,
	    .accepted_ms = parcel->accepted_ms,
	    .due_ms = QUEUE_DUE_REPLAY,
	    .replay = true,
	};
	bool ok = true;

	CHECK(bundle.lane != NULL);
	for (size_t i = 0; ok && i < parcel->content.count; i++)
		ok = tools_replay_one(queue, job, &bundle, parcel, i, reterr);
	ok = ok && bundle_flush(queue, &bundle, reterr);
	bundle_fini(&bundle);
	return ok;
}

/* A tenth of the bound is left to what comes in. */
static bool
tools_replay_room(struct queue *queue, struct err *reterr)
{
	int64_t most = queue->settings.max_bytes, live, file;

	if (!queue_room(queue, reterr) ||
	    !store_sizes(&queue->store, &live, &file, reterr))
		return false;
	if (live <= most - most / 10)
		return true;
	return err_set(reterr, ERR_FULL,
	    "the queue holds %lld bytes of at most %lld", (long long)live,
	    (long long)most);
}

static bool
tools_replay_step(struct queue *queue, struct jobs_walk *job,
    const char *lane_name, struct err *reterr)
{
	struct tools_parcel parcel;
	struct lane *lane = NULL;
	bool there = true, ok = true;

	if (!tools_replay_room(queue, reterr))
		return false;
	if (lane_name != NULL) {
		int64_t id =
		    names_find(queue->names, lane_name, strlen(lane_name));

		lane = id == 0 ? NULL : lane_find(queue, id);
		if (lane == NULL)
			return err_set(reterr, ERR_NOT_FOUND,
			    "there is no destination \"%s\"", lane_name);
	}
	for (int n = 0; ok && n < TOOLS_STEP_PARCELS; n++) {
		if (!tools_parcel_next(queue, job, &parcel, &there, reterr))
			return false;
		if (!there)
			break;
		ok = tools_replay_parcel(queue, job, &parcel, lane, reterr);
		tools_parcel_fini(&parcel);
	}
	job->more = there;
	return ok;
}

bool
jobs_replay(struct queue *queue, struct jobs_walk *job, const char *lane,
    struct err *reterr)
{
	struct jobs_walk before = *job;
	bool ok;

	CHECK(job->cursor.place == JOBS_ARCHIVE);
	if (!tools_step_begin(queue, reterr))
		return false;
	ok = tools_step_end(
	    queue, tools_replay_step(queue, job, lane, reterr), reterr);
	if (!ok)
		*job = before;
	else if (queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
	return ok;
}
