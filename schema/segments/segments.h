#ifndef SCHEMA_SEGMENTS_SEGMENTS_H
#define SCHEMA_SEGMENTS_SEGMENTS_H

/*
 * The incoming format of Heap's segment webhook: who entered a segment, and who
 * left it, page by page of a sync.
 */

#include "schema/dialect.h"

enum {
	SEGMENTS_SECRETS_MOST = 8, /* of one source, valid at once */
	SEGMENTS_ID_MOST = 987, /* bytes of a member's id: the longest user id
				 * that Braze accepts */
	SEGMENTS_TEXT_MOST = 1024, /* bytes of a segment's id or name, or of a
				    * sync's id, as in the body */
};

/* The settings of a source of this kind. */
struct segments_settings {
	int64_t window_ms; /* how far the time of a signature may be from ours,
			    * in either direction */

	/* Ids that name no one, beside the built-in ones; NULL-terminated, or
	 * NULL. */
	const char *const *placeholders;
};

void segments_settings_init(struct segments_settings *settings);

extern const struct intake segments_intake;

#endif
