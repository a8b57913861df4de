#ifndef SCHEMA_ATTRIBUTES_ATTRIBUTES_H
#define SCHEMA_ATTRIBUTES_ATTRIBUTES_H

/*
 * The outgoing format of Braze's /users/track, which any customer may use: each
 * group is a boolean custom attribute, true for those who are in it, false for
 * those who left. Or one array attribute has the groups that a profile is in.
 */

#include "schema/dialect.h"

enum {
	ATTRIBUTES_OBJECTS_MOST = 75,	/* in one request (Braze) */
	ATTRIBUTES_LABEL_MOST = 200,	/* bytes */
	ATTRIBUTES_TEMPLATE_MOST = 100, /* bytes */
};

enum attributes_value { ATTRIBUTES_BOOLEAN, ATTRIBUTES_ARRAY };

/* The settings of a destination of this kind. */
struct attributes_settings {
	const char *url; /* the REST endpoint: https://rest.iad-01.braze.com */
	const char *api_key; /* with the permission users.track */
	const char *match; /* external_id, alias:LABEL, braze_id or email: what
			    * the members' ids are */

	/* What a group is called, with {name} and {id}. It begins with a
	 * letter, so that it is none of Braze's own attributes, and {id} is a
	 * word of its own, so that no two groups share an attribute. */
	const char *attribute;
	enum attributes_value value;
	const char *array; /* ARRAY: the attribute that has the groups */
	bool since; /* also send when someone entered, as NAME_since. That is
		     * the time of sending: when it happened is not known. */
	bool create_profiles; /* for those who enter, and have none */

	/* Our part of what the whole company may send; 0: all of that. */
	unsigned requests_per_minute;
	int64_t hold_ms; /* Braze may apply two changes of a profile in the
			  * wrong order if less time is between them */
	int64_t retry_after_most_ms; /* a longer one is not obeyed */
};

/* Defaults for everything but url and api_key. */
void attributes_settings_init(struct attributes_settings *settings);

extern const struct outlet attributes_outlet;

#endif
