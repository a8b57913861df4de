/*
 * An event that is refused among many accepted ones is bad. If many are
 * refused the mapping or the destination is at fault, and to give up on them
 * would be to give up on everything. So an event that was refused alone is a
 * dead letter only if all of this holds; else it is deferred, and tried again
 * beside others:
 *
 *	1. Of the last 1000 judged events at most 5% were refused. This holds
 *	   for fewer, too: with one refused at least 19 were accepted.
 *	2. The same is true of the events judged since the refusal of the
 *	   request that it was first found in. Earlier acceptances prove
 *	   nothing: the destination may have changed its mind since.
 *	3. Something was accepted within the last hour.
 *	4. The sender is not halted (sender_queue.c sees to that).
 *
 * The other events of a refused request mostly give the proof at once,
 * because the parts of it that are accepted count. An event that comes alone
 * waits for those that come after it, and holds up none of them.
 *
 * An event counts once, by its last outcome: refused again it is no second
 * refusal, and accepted later it counts as accepted. So a fault of the
 * destination leaves no trace once it has taken what it refused.
 *
 * A sender halts when rule 1 is broken and 20 or more events were refused
 * since it last resumed. An accepted probe lets it resume, because good
 * events must not wait behind bad ones; nor is a suspect taken for a probe
 * while there is anything else. But a probe wipes nothing out: only
 * acceptances bring the share below 5%, or a restart, which may have brought
 * other settings.
 *
 * Refused events are few, or the sender halts. So they are kept in a list,
 * and those above its bound are forgotten, the oldest first. When such an
 * event comes back it counts as refused for the first time, which errs
 * towards deferring.
 */

#include "forwarder/suspicion.h"

#include <string.h>

void
suspicion_init(struct suspicion *suspicion)
{
	*suspicion = (struct suspicion){0};
}

void
suspicion_resume(struct suspicion *suspicion)
{
	suspicion->refused = 0;
}

/* The position of a suspect; count if it is none. */
static size_t
suspicion_find(const struct suspicion *suspicion, uint64_t event)
{
	size_t i = 0;

	while (i < suspicion->count && suspicion->suspects[i].event != event)
		i++;
	return i;
}

static void
suspicion_remove(struct suspicion *suspicion, size_t at)
{
	struct suspect *suspect = &suspicion->suspects[at];

	suspicion->count--;
	memmove(
	    suspect, suspect + 1, (suspicion->count - at) * sizeof(*suspect));
}

void
suspicion_accept(struct suspicion *suspicion, uint64_t event, int64_t mono_ms)
{
	size_t at = suspicion_find(suspicion, event);

	if (at < suspicion->count)
		suspicion_remove(suspicion, at);
	else
		suspicion->judged++;
	suspicion->accepted++;
	suspicion->accepted_ms = mono_ms;
}

uint64_t
suspicion_mark(const struct suspicion *suspicion)
{
	return suspicion->accepted;
}

void
suspicion_refuse(struct suspicion *suspicion, uint64_t event, uint64_t mark)
{
	if (suspicion_find(suspicion, event) < suspicion->count)
		return;
	if (suspicion->count == SUSPICION_SUSPECTS)
		suspicion_remove(suspicion, 0);
	suspicion->suspects[suspicion->count++] = (struct suspect){
	    .event = event,
	    .judged = ++suspicion->judged,
	    .mark = mark,
	};
	suspicion->refused++;
}

bool
suspicion_knows(const struct suspicion *suspicion, uint64_t event)
{
	return suspicion_find(suspicion, event) < suspicion->count;
}

size_t
suspicion_judged(const struct suspicion *suspicion)
{
	if (suspicion->judged < SUSPICION_JUDGED)
		return (size_t)suspicion->judged;
	return SUSPICION_JUDGED;
}

size_t
suspicion_refused(const struct suspicion *suspicion)
{
	uint64_t before = suspicion->judged - suspicion_judged(suspicion);
	size_t i = suspicion->count;

	while (i > 0 && suspicion->suspects[i - 1].judged > before)
		i--;
	return suspicion->count - i;
}

static bool
suspicion_share_high(uint64_t refused, uint64_t judged)
{
	return refused * 100 > judged * SUSPICION_PERCENT;
}

bool
suspicion_systematic(const struct suspicion *suspicion)
{
	return suspicion->refused >= SUSPICION_LEAST &&
	       suspicion_share_high(
		   suspicion_refused(suspicion), suspicion_judged(suspicion));
}

bool
suspicion_recent(const struct suspicion *suspicion, int64_t mono_ms)
{
	return suspicion->accepted > 0 &&
	       mono_ms - suspicion->accepted_ms <= SUSPICION_PROOF_MS;
}

bool
suspicion_proven(struct suspicion *suspicion, uint64_t event, int64_t mono_ms)
{
	size_t at = suspicion_find(suspicion, event);
	struct suspect *suspect = &suspicion->suspects[at];
	uint64_t accepted, refused = 0; /* since its request was refused */

	if (at == suspicion->count || !suspicion_recent(suspicion, mono_ms) ||
	    suspicion_share_high(
		suspicion_refused(suspicion), suspicion_judged(suspicion)))
		return false;
	accepted = suspicion->accepted - suspect->mark;
	for (size_t i = 0; i < suspicion->count; i++)
		refused += suspicion->suspects[i].mark >= suspect->mark;
	if (suspicion_share_high(refused, refused + accepted))
		return false;
	suspect->deferred = false;
	return true;
}

void
suspicion_defer(struct suspicion *suspicion, uint64_t event, int64_t due_ms)
{
	size_t at = suspicion_find(suspicion, event);

	if (at == suspicion->count)
		return; /* it was forgotten above the bound */
	suspicion->suspects[at].deferred = true;
	suspicion->suspects[at].due_ms = due_ms;
}

void
suspicion_defer_none(struct suspicion *suspicion)
{
	for (size_t i = 0; i < suspicion->count; i++)
		suspicion->suspects[i].deferred = false;
}

size_t
suspicion_deferred(const struct suspicion *suspicion, int64_t *ret_due_ms)
{
	size_t count = 0;

	*ret_due_ms = INT64_MAX;
	for (size_t i = 0; i < suspicion->count; i++) {
		const struct suspect *suspect = &suspicion->suspects[i];

		if (!suspect->deferred)
			continue;
		count++;
		if (suspect->due_ms < *ret_due_ms)
			*ret_due_ms = suspect->due_ms;
	}
	return count;
}
