#ifndef SCHEMA_COHORTS_COHORTS_H
#define SCHEMA_COHORTS_COHORTS_H

/*
 * The outgoing format of Braze's cohort API, which is for its partners: each
 * group is a cohort, announced before its members.
 */

#include "schema/dialect.h"

enum {
	COHORTS_IDS_MOST = 1000,   /* in one request (Braze) */
	COHORTS_LABEL_MOST = 1024, /* bytes; the limit is ours */
};

/* The settings of a destination of this kind. */
struct cohorts_settings {
	const char *url; /* the REST endpoint: https://rest.iad-01.braze.com */
	const char *partner;	 /* the partner's name, as in the path */
	const char *partner_key; /* the partner's: partner_api_key */
	const char *import_key;	 /* the customer's: client_secret */
	const char *match; /* external_id, alias:LABEL or device_id: what the
			    * members' ids are */
	/* Braze asks of partners: "partner-ORGANISATION-PRODUCT/VERSION"; NULL:
	 * the program's own. */
	const char *user_agent;
	unsigned requests_per_hour;  /* 0 = no limit */
	int64_t retry_after_most_ms; /* a longer one is not obeyed */
};

/* Defaults for everything but url, partner and the keys. */
void cohorts_settings_init(struct cohorts_settings *settings);

extern const struct outlet cohorts_outlet;

#endif
