#ifndef SCHEMA_CURRENTS_EVENT_H
#define SCHEMA_CURRENTS_EVENT_H

/* The half of currents.h that reads and judges one event. Internal to it. */

#include "schema/catalogue.h"
#include "schema/currents.h"
#include "schema/scan.h"

/* What was seen of one catalogue property in the event at hand. */
struct currents_property {
	uint64_t event; /* the number of the event it was seen in */
	const char *at;
	uint8_t fits; /* a bit for each catalogue_kind that the value is */
};

enum {
	CURRENTS_FITS_NULL = 1 << 7, /* beside the bits of the kinds */
	CURRENTS_FITS_ANY = CURRENTS_FITS_NULL - 1,
	CURRENTS_USERS = 4,
	CURRENTS_UNKNOWN_MAX = 64,   /* remembered of one event */
	CURRENTS_DRIFT_SLOTS = 1024, /* a power of two, far above the notes */
};

/* The members of "user" that are checked, for unknown types too. */
struct currents_user {
	const char *name;
	size_t len;
	const char *field, *want; /* for the flaw */
	bool number;		  /* a number is as good as its text */
};

extern const struct currents_user currents_users[CURRENTS_USERS];

/* A member that nobody asked for. */
struct currents_unknown {
	enum currents_drift_kind what;
	struct scan_value key;
	const char *at; /* as scan_value.data */
};

/* The members of an event; what is absent looks like null. */
struct currents_draft {
	struct scan_value type, id, time, user, properties;
	const char *user_wrong[CURRENTS_USERS]; /* where, or NULL */
	const char *user_at[CURRENTS_USERS];	/* where, if seen */
	unsigned user_seen; /* their bits in catalogue_type.user */
};

struct currents_reader {
	const char *body;
	struct scan scan;
	struct currents_batch *batch;
	size_t max_events;
	bool no_room; /* why a function is false if the scan has no error */

	unsigned user_bits[CURRENTS_USERS]; /* in catalogue_type.user */

	/* of the event at hand */
	size_t unknown_count;
	struct currents_unknown unknown[CURRENTS_UNKNOWN_MAX];

	/* properties of the event at hand, by catalogue index */
	uint64_t event; /* counts up: no clearing from event to event */
	size_t seen_count;
	uint16_t seen[CATALOGUE_PROPERTIES_MAX]; /* in order of sight */
	struct currents_property properties[CATALOGUE_PROPERTIES_MAX];
};

/*
 * Read the value at reader->scan as one event and add it to the batch. False
 * if its end cannot be found (the scan has the error), or on no_room.
 */
MUST_USE bool currents_event_read(struct currents_reader *reader);

/* Remember a member that is not known, until the event is judged. */
void currents_unknown_add(struct currents_reader *reader,
    enum currents_drift_kind what, const struct scan_value *key,
    const char *at);

/* Which bits the members have. */
void currents_users_find(struct currents_reader *reader);

/*
 * Note what is new in an event that was judged; its type is NULL if that is
 * not known. A property that is known, but
 * not to this type, or is required and blank, is noted by the judge himself.
 */
void currents_event_note(struct currents_reader *reader,
    const struct currents_draft *draft, const struct currents_event *event,
    const struct catalogue_type *type);
void currents_property_note(struct currents_reader *reader,
    const struct currents_event *event, enum currents_drift_kind what,
    size_t property);

/* Set the flaw of an event, its time, and whether its type is known. */
void currents_judge(struct currents_reader *reader,
    const struct currents_draft *draft, struct currents_event *event);

/* Put the blame on a field, or on no one's in particular: NULL. */
void currents_blame(struct currents_event *event, enum currents_defect flaw,
    const char *field, const char *want, size_t at);

/* Is it a string and not empty? */
bool currents_usable(const struct scan_value *value);

/* Room for one event more; false if there is no memory, or enough of them. */
MUST_USE bool
currents_batch_grow(struct currents_batch *batch, size_t max_events);

/* Room for the notes of a batch, with all slots free if it has none. */
MUST_USE bool currents_batch_notes_make(struct currents_batch *batch);

/* Text of a string that was scanned; copied to the arena if it is escaped. */
MUST_USE bool currents_text(struct currents_batch *batch,
    const struct scan_value *string, struct str *ret);

#endif
