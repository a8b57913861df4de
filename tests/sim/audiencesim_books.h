#ifndef AUDIENCESIM_BOOKS_H
#define AUDIENCESIM_BOOKS_H

/*
 * What has come and what is held: groups (an attribute, an element of one
 * that is an array, or a cohort), people, and the last value of each of the
 * two together. One thread at a time.
 */

#include "tests/sim/audiencesim_settings.h"
#include "tests/sim/sim_http.h"

#include <jansson.h>

enum audiencesim_count {
	AUDIENCESIM_REQUESTS,
	AUDIENCESIM_OBJECTS,	  /* of /users/track, well or badly made */
	AUDIENCESIM_IDS,	  /* of cohorts, likewise */
	AUDIENCESIM_WRITES,	  /* values that were taken */
	AUDIENCESIM_SAME,	  /* of them: changed nothing */
	AUDIENCESIM_OUT_OF_ORDER, /* of them: lost to an older one */
	AUDIENCESIM_FELL_OUT,	  /* elements, of a full array */
	AUDIENCESIM_PASSED_OVER,  /* values of people without a profile */
	AUDIENCESIM_MADE,	  /* profiles */
	AUDIENCESIM_REFUSED_OBJECTS,
	AUDIENCESIM_REFUSED,	  /* requests, for what is in them */
	AUDIENCESIM_LIMITED,	  /* requests over a limit */
	AUDIENCESIM_FAILED,	  /* answered by a fault, nothing taken */
	AUDIENCESIM_FAILED_AMID,  /* closed with half of it taken */
	AUDIENCESIM_FAILED_AFTER, /* answered by a fault, all taken */
	AUDIENCESIM_HUNG,
	AUDIENCESIM_RESET,
	AUDIENCESIM_CUT,
	AUDIENCESIM_COUNTS,
};

/* The interfaces, which have limits of their own. */
enum audiencesim_api {
	AUDIENCESIM_TRACK,
	AUDIENCESIM_COHORTS,
	AUDIENCESIM_EXPORT,
	AUDIENCESIM_APIS,
};

struct audiencesim_group {
	uint32_t index;
	const struct audiencesim_group *array; /* of an element, or NULL */
};

struct audiencesim_cohort {
	struct audiencesim_group *group;
	char *name; /* NULL until it is made */
	uint64_t made;
	uint64_t renamed;
	const struct sim_call *busy; /* the request in flight, or NULL */
};

struct audiencesim_person {
	const char *id;			  /* within the record's key, KIND:ID */
	bool made;			  /* a profile, though unknown */
	uint64_t request;		  /* the last that named them */
	struct audiencesim_value *values; /* by the group's index */
	uint32_t n;
};

enum audiencesim_kind {
	AUDIENCESIM_NEVER,
	AUDIENCESIM_REMOVED,
	AUDIENCESIM_BOOLEAN,
	AUDIENCESIM_DATE,
	AUDIENCESIM_MEMBER, /* of an array or a cohort */
};

struct audiencesim_change {
	struct audiencesim_group *group;
	struct audiencesim_person *person;
	enum audiencesim_kind kind;
	bool in;
	bool make; /* a profile if there is none */
	uint32_t date;
};

struct audiencesim_books;

struct audiencesim_books *audiencesim_books_new(void);
void audiencesim_books_free(struct audiencesim_books *books);

void audiencesim_books_count(
    struct audiencesim_books *books, enum audiencesim_count what, uint64_t n);
void
audiencesim_books_answered(struct audiencesim_books *books, unsigned status);
/* The sender broke a rule of Braze's. */
void
audiencesim_books_violated(struct audiencesim_books *books, const char *rule);

/* A request of that many objects or ids has come; false if over the limit. */
bool audiencesim_books_arrive(struct audiencesim_books *books,
    const struct audiencesim_settings *settings, enum audiencesim_api api,
    uint64_t items, uint64_t *ret_left);

/* Made if need be. */
struct audiencesim_group *audiencesim_group_get(struct audiencesim_books *books,
    const char *name, const struct audiencesim_group *array);
struct audiencesim_person *audiencesim_person_get(
    struct audiencesim_books *books, const char *kind, const char *id);
struct audiencesim_cohort *
audiencesim_cohort_get(struct audiencesim_books *books, const char *id);
/* The request is no longer in flight. */
void audiencesim_cohort_free(
    struct audiencesim_books *books, const struct sim_call *call);

/* The kind of what is held of them. */
enum audiencesim_kind
audiencesim_kind_of(const struct audiencesim_person *person,
    const struct audiencesim_group *group);
bool audiencesim_has_profile(const struct audiencesim_person *person,
    const struct audiencesim_settings *settings);
void audiencesim_books_apply(struct audiencesim_books *books,
    const struct audiencesim_settings *settings, struct sim_random *random,
    const struct audiencesim_change *change);

/* A person's custom attributes. */
json_t *audiencesim_person_json(const struct audiencesim_books *books,
    const struct audiencesim_person *person);
/* Append the report as JSON; the memberships as lines. */
void audiencesim_report_write(
    const struct audiencesim_books *books, struct sim_text *out);
void audiencesim_memberships_write(
    const struct audiencesim_books *books, struct sim_text *out);

#endif
