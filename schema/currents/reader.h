#ifndef SCHEMA_CURRENTS_READER_H
#define SCHEMA_CURRENTS_READER_H

/*
 * The state of reading one body. Internal to this folder:
 *
 *	currents.c  reads the body and its events
 *	judge.c     judges an event that was read, words what is wrong with
 *		    it, and observes drift
 *	batch.c     keeps the events and the drift of a body
 */

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"
#include "schema/json/scan.h"

/* A property of the catalogue, as seen in the current event. */
struct currents_property {
	uint64_t event; /* the number of the event it was seen in */
	const char *at;
	uint8_t fits; /* a bit for each catalogue_kind that fits the value */
};

enum {
	CURRENTS_FITS_NULL = 1 << 7, /* beside the bits of the kinds */
	CURRENTS_FITS_ANY = CURRENTS_FITS_NULL - 1,
	CURRENTS_USERS = 4,
	CURRENTS_UNKNOWN_MAX = 64, /* remembered for one event */
};

/* The members of "user" that are checked, whatever the type. */
struct currents_user {
	struct str name;
	const char *field, *want; /* for the defect */
	bool number;		  /* a number is accepted like its text */
};

extern const struct currents_user currents_users[CURRENTS_USERS];

/* A member that is neither checked nor in the catalogue. */
struct currents_unknown {
	enum currents_drift_kind what;
	struct scan_value key;
	const char *at; /* as scan_value.text */
};

/* The members of the current event; an absent one looks like null. */
struct currents_members {
	struct scan_value type, id, time, user, properties;
	const char *user_wrong[CURRENTS_USERS]; /* where, or NULL */
	const char *user_at[CURRENTS_USERS];	/* where, if seen */
	unsigned user_seen;	      /* their bits in catalogue_type.user */
	unsigned users, propertieses; /* how often they came */
};

struct currents_reader {
	const struct catalogue *catalogue;
	const char *body;
	struct scan scan;
	struct currents_batch *batch;
	size_t max_events;
	bool no_room; /* why a function failed, if the scan has no error */

	unsigned user_bits[CURRENTS_USERS]; /* in catalogue_type.user */
	size_t orphaned; /* the property that has an id of a person */

	/* of the event at hand */
	struct currents_members members;
	size_t unknown_count;
	struct currents_unknown unknown[CURRENTS_UNKNOWN_MAX];

	/* properties of the event at hand, by catalogue index */
	uint64_t event; /* counts up, so nothing must be cleared between
			 * events */
	size_t seen_count;
	uint16_t seen[CATALOGUE_PROPERTIES_MAX]; /* in order of appearance */
	struct currents_property properties[CATALOGUE_PROPERTIES_MAX];
};

/* ---- judge.c ---- */

/* Set the defect of the event that was read, its time, and whether its type is
 * known; add the drift in it to the batch. */
void
currents_judge(struct currents_reader *reader, struct currents_event *event);

/* Is it a string and not empty? */
bool currents_usable(const struct scan_value *value);

/* ---- batch.c ---- */

/* Drop the last body, but keep the memory for its events. */
void currents_batch_reset(struct currents_batch *batch);

/* Make room for one more event; false without memory, or at max_events. */
MUST_USE bool
currents_batch_grow(struct currents_batch *batch, size_t max_events);

/* The decoded text of a scanned string; copied if it is escaped. */
MUST_USE bool currents_batch_text(struct currents_batch *batch,
    const struct scan_value *string, struct str *ret);

/* The names of the kinds of drift, NULL-ended. */
extern const char *const currents_drift_kinds[];

/* Add a drift of one event, or count it once more. */
void currents_batch_drift(
    struct currents_batch *batch, const struct currents_drift *drift);

#endif
