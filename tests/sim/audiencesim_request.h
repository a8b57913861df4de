#ifndef AUDIENCESIM_REQUEST_H
#define AUDIENCESIM_REQUEST_H

/*
 * Reads a request and finds all that Braze would refuse; each breach of a
 * rule is counted in the books.
 */

#include "tests/sim/audiencesim_books.h"

/* Starts as zeroes but for what stands first. */
struct audiencesim_request {
	struct audiencesim_books *books;
	const struct audiencesim_settings *settings;
	const struct sim_call *call;
	uint64_t number; /* of the request, from 1 */

	unsigned status; /* of the whole's refusal; 0: it is good */
	const char *why;
	uint64_t items; /* objects or ids */
	uint64_t good;	/* objects */
	json_t *errors; /* of single objects, or NULL */
	struct audiencesim_change *changes;
	size_t n;
	struct audiencesim_cohort *cohort;
	char *name;	  /* the cohort's, to be made */
	json_t *profiles; /* to be exported */
	json_t *missing;
	json_t *body;
};

void audiencesim_track_read(struct audiencesim_request *request);
void audiencesim_cohort_read(struct audiencesim_request *request);
void audiencesim_cohort_users_read(struct audiencesim_request *request);
void audiencesim_export_read(struct audiencesim_request *request);
void audiencesim_request_fini(struct audiencesim_request *request);

#endif
