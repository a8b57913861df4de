/*
 * What is told of an event: its fate, what was cut or left out of it, and,
 * to who explains, each decision.
 */
#include "schema/track_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char track_other[] = "other";

const char *
track_omission_name(enum track_omission_kind kind)
{
	static const char *const names[TRACK_OMISSIONS] = {"blank", "private",
	    "cut", "elements", "too_long", "key_cut", "repeated"};

	return names[kind];
}

/* The last places are for what has no place under its own name. */
void
track_omissions(struct track_job *job, const char *property,
    enum track_omission_kind kind, unsigned count)
{
	struct track_result *result = job->result;
	struct track_omission *note;

	for (unsigned i = 0; i < result->note_count; i++) {
		note = &result->notes[i];
		if (note->kind == kind && note->property == property) {
			note->count += count;
			return;
		}
	}
	if (result->note_count >= TRACK_OMISSIONS_MAX - TRACK_OMISSIONS &&
	    property != track_other) {
		result->notes_lost += count;
		track_omissions(job, track_other, kind, count);
		return;
	}
	note = &result->notes[result->note_count++];
	*note = (struct track_omission){property, kind, count};
}

void
track_omission(
    struct track_job *job, const char *property, enum track_omission_kind kind)
{
	track_omissions(job, property, kind, 1);
}

void
track_say(const struct track_job *job, const char *subject, size_t subject_len,
    const char *format, ...)
{
	char decision[256];
	va_list args;

	if (job->rules->tell == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(decision, sizeof(decision), format, args);
	va_end(args);
	job->rules->tell(job->rules->tell_arg, subject, subject_len, decision);
}

bool
track_dead(struct track_job *job, const char *reason)
{
	job->result->fate = TRACK_DEAD;
	job->result->reason = reason;
	return false;
}

bool
track_drop(struct track_job *job, const char *rule)
{
	job->result->fate = TRACK_DROP;
	job->result->reason = rule;
	return false;
}
