/*
 * Room for an outcome is reserved when it is expected, long before it is known:
 * between the destination's answer and the settling only the disk may fail, and
 * settling is repeated until the disk works.
 */

#include "forwarder/outcomes.h"

#include <stdlib.h>
#include <string.h>

enum { OUTCOMES_FIRST = 64 };

/* ---- batches ---- */

bool
batch_take(struct queue *queue, int64_t destination, int64_t now_ms,
    struct batch **ret_batch, struct err *reterr)
{
	struct queue_lease *lease;
	struct batch *batch;

	if (!queue_take(queue, destination, now_ms, &lease, reterr))
		return false;
	*ret_batch = NULL;
	if (lease == NULL)
		return true;
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL || lease->count == 0) {
		queue_lease_free(queue, lease);
		free(batch);
		return batch != NULL || err_set_nomem(reterr);
	}
	*batch = (struct batch){.lease = lease, .open = lease->count};
	*ret_batch = batch;
	return true;
}

void
batch_close(struct batch *batch, struct queue *queue, size_t items)
{
	CHECK(items <= batch->open);
	batch->open -= items;
	if (batch->open > 0)
		return;
	queue_lease_free(queue, batch->lease);
	free(batch);
}

/* ---- outcomes ---- */

struct outcomes *
outcomes_new(void)
{
	return calloc(1, sizeof(struct outcomes));
}

void
outcomes_free(struct outcomes *outcomes)
{
	if (outcomes == NULL)
		return;
	CHECK(outcomes->count == 0 && outcomes->expected == 0);
	free(outcomes->items);
	free(outcomes);
}

bool
outcomes_expect(struct outcomes *outcomes)
{
	size_t cap = outcomes->cap == 0 ? OUTCOMES_FIRST : outcomes->cap * 2;
	struct outcome *items;

	if (outcomes->count + outcomes->expected == outcomes->cap) {
		items = realloc(outcomes->items, cap * sizeof(*items));
		if (items == NULL)
			return false;
		outcomes->items = items;
		outcomes->cap = cap;
	}
	outcomes->expected++;
	return true;
}

void
outcomes_unexpect(struct outcomes *outcomes)
{
	CHECK(outcomes->expected > 0);
	outcomes->expected--;
}

static struct queue_verdict *
outcomes_add(struct outcomes *outcomes, const struct batch_item *item,
    enum queue_outcome outcome)
{
	struct outcome *added;

	outcomes_unexpect(outcomes);
	added = &outcomes->items[outcomes->count++];
	*added = (struct outcome){.item = *item};
	added->verdict = (struct queue_verdict){
	    .lease = item->batch->lease,
	    .event = item->index,
	    .outcome = outcome,
	};
	return &added->verdict;
}

static int64_t
outcomes_due(int64_t due_ms)
{
	due_ms += OUTCOMES_DUE_GRID_MS - 1;
	return due_ms - due_ms % OUTCOMES_DUE_GRID_MS;
}

void
outcomes_delivered(struct outcomes *outcomes, const struct batch_item *item)
{
	(void)outcomes_add(outcomes, item, QUEUE_DELIVERED);
}

void
outcomes_deferred(
    struct outcomes *outcomes, const struct batch_item *item, int64_t due_ms)
{
	outcomes_add(outcomes, item, QUEUE_DEFERRED)->due_ms =
	    outcomes_due(due_ms);
}

void
outcomes_dead(struct outcomes *outcomes, const struct batch_item *item,
    const char *reason)
{
	outcomes_add(outcomes, item, QUEUE_DEAD)->reason = reason;
}

/* The last outcome owns those bytes from now on. */
static void
outcomes_own(struct outcomes *outcomes, char *bytes, size_t len)
{
	struct outcome *last = &outcomes->items[outcomes->count - 1];

	last->bytes = bytes;
	last->bytes_len = len;
	outcomes->bytes += len;
}

bool
outcomes_dropped(struct outcomes *outcomes, const struct batch_item *item,
    const char *rule, struct str erase)
{
	struct queue_verdict *verdict;
	char *bytes = NULL;

	if (erase.len > 0) {
		bytes = malloc(erase.len);
		if (bytes == NULL)
			return false;
		memcpy(bytes, erase.data, erase.len);
	}
	verdict = outcomes_add(outcomes, item, QUEUE_DROPPED);
	verdict->reason = rule;
	verdict->erase = str_bytes(bytes, erase.len);
	outcomes_own(outcomes, bytes, erase.len);
	return true;
}

void
outcomes_suspect(struct outcomes *outcomes, const struct batch_item *item,
    const struct outcome_refusal *refusal)
{
	struct queue_verdict *verdict =
	    outcomes_add(outcomes, item, QUEUE_DEFERRED);
	size_t len = refusal->answer.len + refusal->sent.len;
	char *bytes = malloc(len + 1);

	outcomes->suspects++;
	outcomes->items[outcomes->count - 1].suspect = true;
	verdict->reason = "refused by the destination";
	verdict->posts = refusal->posts;
	verdict->status = refusal->status;
	if (bytes == NULL)
		return; /* an outcome all the same, without the answer */
	if (refusal->answer.len > 0)
		memcpy(bytes, refusal->answer.data, refusal->answer.len);
	memcpy(
	    bytes + refusal->answer.len, refusal->sent.data, refusal->sent.len);
	verdict->answer = str_bytes(bytes, refusal->answer.len);
	verdict->sent =
	    str_bytes(bytes + refusal->answer.len, refusal->sent.len);
	outcomes_own(outcomes, bytes, len);
}

void
outcomes_suspect_dead(struct outcomes *outcomes, struct outcome *outcome)
{
	CHECK(outcome->suspect);
	outcome->suspect = false;
	outcomes->suspects--;
	outcome->verdict.outcome = QUEUE_DEAD;
}

void
outcomes_suspect_deferred(
    struct outcomes *outcomes, struct outcome *outcome, int64_t due_ms)
{
	CHECK(outcome->suspect);
	outcome->suspect = false;
	outcomes->suspects--;
	outcome->verdict.due_ms = outcomes_due(due_ms);
}

bool
outcomes_full(const struct outcomes *outcomes)
{
	return outcomes->count - outcomes->suspects >= OUTCOMES_FLUSH ||
	       outcomes->bytes >= OUTCOMES_FLUSH_BYTES;
}

/* Close all but the suspects, settled or not. */
static void
outcomes_close(struct outcomes *outcomes, struct queue *queue)
{
	size_t kept = 0;

	for (size_t i = 0; i < outcomes->count; i++) {
		struct outcome *outcome = &outcomes->items[i];

		if (outcome->suspect) {
			outcomes->items[kept++] = *outcome;
			continue;
		}
		batch_close(outcome->item.batch, queue, 1);
		outcomes->bytes -= outcome->bytes_len;
		free(outcome->bytes);
	}
	outcomes->count = kept;
}

bool
outcomes_settle(struct outcomes *outcomes, struct queue *queue,
    struct doubt *doubt, int64_t now_ms, struct err *reterr)
{
	size_t decided = outcomes->count - outcomes->suspects, n = 0;
	struct queue_verdict *verdicts;
	bool ok;

	if (decided == 0)
		return true;
	verdicts = calloc(decided, sizeof(*verdicts));
	if (verdicts == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < outcomes->count; i++) {
		if (!outcomes->items[i].suspect)
			verdicts[n++] = outcomes->items[i].verdict;
	}
	ok = queue_settle(queue, verdicts, n, now_ms, reterr);
	free(verdicts);
	if (!ok)
		return false;
	for (size_t i = 0; i < outcomes->count; i++) {
		const struct outcome *outcome = &outcomes->items[i];

		if (!outcome->suspect &&
		    outcome->verdict.outcome != QUEUE_DEFERRED)
			doubt_remove(doubt, outcome->item.hash);
	}
	outcomes_close(outcomes, queue);
	return true;
}

void
outcomes_abandon(struct outcomes *outcomes, struct queue *queue)
{
	for (size_t i = 0; i < outcomes->count; i++)
		outcomes->items[i].suspect = false;
	outcomes->suspects = 0;
	outcomes_close(outcomes, queue);
}
