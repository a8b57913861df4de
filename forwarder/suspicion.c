/*
 * When is a refused event to blame? One that is refused among many is bad; if
 * many are refused, the mapping or the destination is, and burying them would
 * bury everything. So an event that was refused alone is dead only if all
 * of this holds, and else is set aside and tried again beside others:
 *
 *	1. Of the last 1000 judged events at most 5% were refused, few or
 *	   many: with one refused at least 19 others were accepted.
 *	2. The same of all that were judged since the request was refused
 *	   that it was first found in. What was accepted before proves
 *	   nothing: the destination may have changed its mind since.
 *	3. Something was accepted within the last hour.
 *	4. The lane is not stopped (lane_settle.c sees to that).
 *
 * The other events of a refused request mostly give the proof at once: the
 * halves that are accepted count. An event that is alone waits for what comes
 * after it, and holds up no one.
 *
 * An event counts once, by its last verdict: refused again it is no second
 * refusal, and accepted later it never was one. So a fault of the destination
 * leaves no trace once what it refused was taken.
 *
 * A lane stops when 1. is broken by 20 or more refused since it last went on.
 * A probe that is accepted lets it go on, for what is good shall not wait
 * behind what is not (nor does a probe ask for deferred while there is
 * anything else); but it wipes nothing out: below 5% comes of acceptance
 * alone. Only a restart judges anew, for it may have brought other settings.
 *
 * Refused events are few, or the lane stops: they are kept in a list, and
 * those above its bound are erased, the oldest first. One that comes back
 * is then refused for the first time, which errs towards setting aside.
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

/* Its place; count if it is none. */
static size_t
suspicion_find(const struct suspicion *suspicion, uint64_t event)
{
	size_t i = 0;

	while (i < suspicion->count && suspicion->deferred[i].event != event)
		i++;
	return i;
}

static void
suspicion_remove(struct suspicion *suspicion, size_t at)
{
	struct suspect *suspect = &suspicion->deferred[at];

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
	suspicion->deferred[suspicion->count++] = (struct suspect){
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

	while (i > 0 && suspicion->deferred[i - 1].judged > before)
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

/* Of what was judged since then, were too many refused? */
static bool
suspicion_around_high(const struct suspicion *suspicion, uint64_t mark)
{
	uint64_t accepted = suspicion->accepted - mark, refused = 0;
	size_t i;

	for (i = 0; i < suspicion->count; i++)
		refused += suspicion->deferred[i].mark >= mark;
	return suspicion_share_high(refused, refused + accepted);
}

bool
suspicion_bury(struct suspicion *suspicion, uint64_t event, int64_t mono_ms)
{
	size_t at = suspicion_find(suspicion, event);

	if (at == suspicion->count || !suspicion_recent(suspicion, mono_ms) ||
	    suspicion_share_high(
		suspicion_refused(suspicion), suspicion_judged(suspicion)) ||
	    suspicion_around_high(suspicion, suspicion->deferred[at].mark))
		return false;
	suspicion->deferred[at].aside = false;
	return true;
}

void
suspicion_aside(struct suspicion *suspicion, uint64_t event, int64_t due_ms)
{
	size_t at = suspicion_find(suspicion, event);

	if (at == suspicion->count)
		return; /* above the bound */
	suspicion->deferred[at].aside = true;
	suspicion->deferred[at].due_ms = due_ms;
}

void
suspicion_aside_none(struct suspicion *suspicion)
{
	size_t i;

	for (i = 0; i < suspicion->count; i++)
		suspicion->deferred[i].aside = false;
}

size_t
suspicion_waiting(const struct suspicion *suspicion, int64_t *ret_due_ms)
{
	size_t i, count = 0;

	*ret_due_ms = INT64_MAX;
	for (i = 0; i < suspicion->count; i++) {
		const struct suspect *suspect = &suspicion->deferred[i];

		if (!suspect->aside)
			continue;
		count++;
		if (suspect->due_ms < *ret_due_ms)
			*ret_due_ms = suspect->due_ms;
	}
	return count;
}
