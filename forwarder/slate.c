/*
 * Room for a verdict is made when its event is expected, long before it is
 * known: once Heap has answered, nothing may fail any more between the
 * answer and the settling but the disk, and that is repeated.
 */

#include "forwarder/slate.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLATE_DOUBLINGS = 6, /* of the time that a suspect is set aside */
	SLATE_ASIDE_MOST_MS = 24 * 3600 * 1000, /* as QUOTA_ASIDE_MOST_MS */
	SLATE_DUE_GRID = 1000, /* few due times, so few parcels */
};

static const char slate_refused[] = "refused by the destination";

struct slate *
slate_new(void)
{
	return calloc(1, sizeof(struct slate));
}

void
slate_free(struct slate *slate)
{
	if (slate == NULL)
		return;
	CHECK(slate->count == 0 && slate->expected == 0);
	free(slate->entries);
	free(slate);
}

bool
slate_expect(struct slate *slate)
{
	size_t cap = slate->cap == 0 ? 64 : slate->cap * 2;
	struct slate_entry *entries;

	if (slate->count + slate->expected == slate->cap) {
		entries = realloc(slate->entries, cap * sizeof(*entries));
		if (entries == NULL)
			return false;
		slate->entries = entries;
		slate->cap = cap;
	}
	slate->expected++;
	return true;
}

void
slate_forget(struct slate *slate)
{
	CHECK(slate->expected > 0);
	slate->expected--;
}

static struct slate_entry *
slate_add(struct slate *slate, struct lot *lot, size_t event)
{
	struct slate_entry *entry;

	slate_forget(slate);
	entry = &slate->entries[slate->count++];
	*entry = (struct slate_entry){.lot = lot, .event = event};
	return entry;
}

void
slate_done(struct slate *slate, struct lot *lot, size_t event)
{
	slate_add(slate, lot, event)->outcome = QUEUE_DELIVERED;
}

void
slate_again(struct slate *slate, struct lot *lot, size_t event, int64_t due_ms)
{
	struct slate_entry *entry = slate_add(slate, lot, event);

	entry->outcome = QUEUE_DEFERRED;
	entry->due_ms = due_ms + SLATE_DUE_GRID - 1;
	entry->due_ms -= entry->due_ms % SLATE_DUE_GRID;
}

void
slate_dropped(
    struct slate *slate, struct lot *lot, size_t event, const char *rule)
{
	struct slate_entry *entry = slate_add(slate, lot, event);

	entry->outcome = QUEUE_DROPPED;
	entry->reason = rule;
}

bool
slate_erased(struct slate *slate, struct lot *lot, size_t event,
    const char *rule, const char *erase, size_t erase_len)
{
	char *words = malloc(erase_len + 1);
	struct slate_entry *entry;

	if (words == NULL)
		return false;
	memcpy(words, erase, erase_len);
	slate_dropped(slate, lot, event, rule);
	entry = &slate->entries[slate->count - 1];
	entry->words = words;
	entry->words_len = erase_len;
	slate->bytes += erase_len;
	return true;
}

void
slate_buried(
    struct slate *slate, struct lot *lot, size_t event, const char *reason)
{
	struct slate_entry *entry = slate_add(slate, lot, event);

	entry->outcome = QUEUE_DEAD;
	entry->reason = reason;
}

void
slate_suspect(struct slate *slate, struct lot *lot, size_t event,
    const struct slate_refusal *refusal)
{
	struct slate_entry *entry = slate_add(slate, lot, event);

	slate->deferred++;
	entry->suspect = true;
	entry->hash = refusal->hash;
	entry->posts = refusal->posts;
	entry->status = refusal->status;
	entry->reason = slate_refused;
	entry->words = malloc(refusal->words_len + refusal->sent_len + 1);
	if (entry->words == NULL)
		return; /* then without words, but still judged */
	memcpy(entry->words, refusal->words, refusal->words_len);
	memcpy(entry->words + refusal->words_len, refusal->sent,
	    refusal->sent_len);
	entry->words_len = refusal->words_len;
	entry->sent_len = refusal->sent_len;
	slate->bytes += refusal->words_len + refusal->sent_len;
}

static void
slate_decide_one(struct slate_entry *entry, const struct slate_judge *judge)
{
	unsigned attempts = entry->lot->lease->attempts;
	int64_t aside_ms;

	entry->suspect = false;
	if (judge->may_bury &&
	    suspicion_bury(judge->suspicion, entry->hash, judge->mono_ms)) {
		entry->outcome = QUEUE_DEAD;
		return;
	}
	entry->outcome = QUEUE_DEFERRED;
	if (attempts > SLATE_DOUBLINGS)
		attempts = SLATE_DOUBLINGS;
	aside_ms = judge->aside_ms << attempts;
	if (aside_ms > SLATE_ASIDE_MOST_MS)
		aside_ms = SLATE_ASIDE_MOST_MS;
	entry->due_ms = judge->due_ms + aside_ms;
	entry->due_ms += SLATE_DUE_GRID - 1;
	entry->due_ms -= entry->due_ms % SLATE_DUE_GRID;
	suspicion_aside(judge->suspicion, entry->hash, entry->due_ms);
}

void
slate_decide(struct slate *slate, const struct slate_judge *judge)
{
	size_t i;

	for (i = 0; i < slate->count; i++) {
		if (slate->entries[i].suspect)
			slate_decide_one(&slate->entries[i], judge);
	}
	slate->deferred = 0;
}

bool
slate_full(const struct slate *slate)
{
	return slate->count - slate->deferred >= SLATE_FLUSH_VERDICTS ||
	       slate->bytes >= SLATE_FLUSH_BYTES;
}

static void
slate_verdict_fill(
    struct queue_verdict *verdict, const struct slate_entry *entry)
{
	*verdict = (struct queue_verdict){
	    .lease = entry->lot->lease,
	    .event = entry->event,
	    .outcome = entry->outcome,
	    .due_ms = entry->due_ms,
	    .reason = entry->reason,
	    .posts = entry->posts,
	    .status = entry->status,
	};
	if (entry->words == NULL)
		return;
	if (entry->outcome == QUEUE_DROPPED) {
		verdict->erase = entry->words;
		verdict->erase_len = entry->words_len;
		return;
	}
	verdict->words = entry->words;
	verdict->words_len = entry->words_len;
	verdict->sent = entry->words + entry->words_len;
	verdict->sent_len = entry->sent_len;
}

/* Close the judged entries, settled or not, and keep the deferred. */
static void
slate_close(struct slate *slate, struct queue *queue)
{
	size_t i, kept = 0;

	for (i = 0; i < slate->count; i++) {
		struct slate_entry *entry = &slate->entries[i];

		if (entry->suspect) {
			slate->entries[kept++] = *entry;
			continue;
		}
		lot_close(queue, entry->lot, 1);
		slate->bytes -= entry->words_len + entry->sent_len;
		free(entry->words);
	}
	slate->count = kept;
}

/* What has come to its end is not in doubt any more. */
static void
slate_doubt_end(const struct slate *slate, struct doubt *doubt)
{
	size_t i;

	for (i = 0; i < slate->count; i++) {
		const struct slate_entry *entry = &slate->entries[i];
		const struct queue_event *event =
		    &entry->lot->lease->events[entry->event];

		if (!entry->suspect && entry->outcome != QUEUE_DEFERRED)
			doubt_remove(doubt,
			    doubt_event(event->data.data, event->data.len));
	}
}

bool
slate_settle(struct slate *slate, struct queue *queue, struct doubt *doubt,
    int64_t now_ms, struct err *reterr)
{
	size_t judged = slate->count - slate->deferred, i, n = 0;
	struct queue_verdict *verdicts;
	bool ok;

	if (judged == 0)
		return true;
	verdicts = calloc(judged, sizeof(*verdicts));
	if (verdicts == NULL)
		return err_set_nomem(reterr);
	for (i = 0; i < slate->count; i++) {
		if (!slate->entries[i].suspect)
			slate_verdict_fill(&verdicts[n++], &slate->entries[i]);
	}
	ok = queue_settle(queue, verdicts, n, now_ms, reterr);
	if (ok) {
		slate_doubt_end(slate, doubt);
		slate_close(slate, queue);
	}
	free(verdicts);
	return ok;
}

void
slate_abandon(struct slate *slate, struct queue *queue)
{
	size_t i;

	for (i = 0; i < slate->count; i++)
		slate->entries[i].suspect = false;
	slate->deferred = 0;
	slate_close(slate, queue);
}
