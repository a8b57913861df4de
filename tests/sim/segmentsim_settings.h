#ifndef SEGMENTSIM_SETTINGS_H
#define SEGMENTSIM_SETTINGS_H

#include "tests/sim/sim_options.h"

enum segmentsim_ids {
	SEGMENTSIM_STRINGS,
	SEGMENTSIM_INTEGERS,
};

enum segmentsim_unit {
	SEGMENTSIM_MS,
	SEGMENTSIM_S,
};

enum segmentsim_mac {
	SEGMENTSIM_BASE64,
	SEGMENTSIM_HEX,
};

enum segmentsim_repair {
	SEGMENTSIM_REPAIR_NONE,
	SEGMENTSIM_REPAIR_END,
	SEGMENTSIM_REPAIR_SIGNAL,
};

struct segmentsim_settings {
	/* what is sent */
	int64_t segments;
	int64_t people;
	int64_t changes;
	int64_t syncs;
	int64_t churn;
	double first_percent;
	int64_t page;
	int64_t odd;
	int64_t rename_every;
	int64_t empty_at;
	int64_t seed;

	/* how it is written */
	int ids;
	int segment_ids;
	char prefix[64];
	char id_token[64];
	bool sync_info;
	int unit;
	int mac;

	/* where and how it is sent */
	char url[4096];
	char secret[1024];
	bool insecure;
	int64_t connections;
	double rate;
	int64_t timeout_ms;
	int64_t backoff_first_ms;
	int64_t backoff_most_ms;
	double deadline_s;

	/* what Heap and the network do */
	int64_t spread_ms;
	double late_percent;
	int64_t late_syncs;
	double duplicate_percent;
	double replay_percent;
	double unknown_percent;
	int64_t lose_every;
	int repair;
	double bad_percent;

	char truth[4096];
};

/* Read the command line; exits with 2 on a bad one. */
void segmentsim_settings_read(
    struct segmentsim_settings *settings, int argc, char **argv);

#endif
