/*
 * An event has few notes and mostly the same: a hash by name, open to the
 * next free row, finds each at once.
 */

#include "forwarder/tally.h"

#include <string.h>

/* FNV-1a. Names that are the same text are the same property, wherever the
 * text is. */
static size_t
tally_place(const struct track_omission *note)
{
	uint32_t hash = 0x811c9dc5u ^ (uint32_t)note->kind;
	const char *at;

	for (at = note->property; *at != '\0'; at++)
		hash = (hash ^ (unsigned char)*at) * 0x01000193u;
	return hash % FORWARDER_OMISSIONS_MAX;
}

static struct forwarder_omission *
tally_find(struct tally *tally, const struct track_omission *note)
{
	size_t at = tally_place(note), i;

	for (i = 0; i < FORWARDER_OMISSIONS_MAX; i++) {
		struct forwarder_omission *row =
		    &tally->notes[(at + i) % FORWARDER_OMISSIONS_MAX];

		if (row->property == NULL ||
		    (row->kind == note->kind &&
			strcmp(row->property, note->property) == 0))
			return row;
	}
	return NULL;
}

void
tally_add(struct tally *tally, const struct track_result *result)
{
	unsigned i;

	tally->lost += result->notes_lost;
	for (i = 0; i < result->note_count; i++) {
		const struct track_omission *note = &result->notes[i];
		struct forwarder_omission *row = tally_find(tally, note);

		if (row == NULL) {
			tally->lost += note->count;
			continue;
		}
		if (row->property == NULL) {
			row->property = note->property;
			row->kind = note->kind;
		}
		row->count += note->count;
	}
}

size_t
tally_copy(const struct tally *tally,
    struct forwarder_omission ret_notes[FORWARDER_OMISSIONS_MAX])
{
	size_t count = 0, i;

	for (i = 0; i < FORWARDER_OMISSIONS_MAX; i++) {
		if (tally->notes[i].property != NULL)
			ret_notes[count++] = tally->notes[i];
	}
	return count;
}
