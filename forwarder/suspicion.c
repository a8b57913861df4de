#include "forwarder/suspicion.h"

void
suspicion_init(struct suspicion *suspicion)
{
	*suspicion = (struct suspicion){0};
}

static void
suspicion_judge(struct suspicion *suspicion, bool refused)
{
	bool *place = &suspicion->refused[suspicion->next];

	if (suspicion->judged < SUSPICION_JUDGED)
		suspicion->judged++;
	else if (*place)
		suspicion->refusals--;
	*place = refused;
	if (refused)
		suspicion->refusals++;
	suspicion->next = (suspicion->next + 1) % SUSPICION_JUDGED;
}

/* All of a request's events at once: they stand for themselves, so that a
 * thousand good ones outweigh what came before. */
void
suspicion_accept(struct suspicion *suspicion, size_t events, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < events; i++)
		suspicion_judge(suspicion, false);
	suspicion->accepted_ever = true;
	suspicion->accepted_ms = mono_ms;
}

void
suspicion_refuse(struct suspicion *suspicion)
{
	suspicion_judge(suspicion, true);
}

bool
suspicion_systematic(const struct suspicion *suspicion)
{
	return suspicion->refusals >= SUSPICION_LEAST &&
	       suspicion->refusals * 100 >
		   suspicion->judged * SUSPICION_PERCENT;
}

bool
suspicion_proof(const struct suspicion *suspicion, int64_t mono_ms)
{
	return suspicion->accepted_ever &&
	       mono_ms - suspicion->accepted_ms <= SUSPICION_PROOF_MS;
}
