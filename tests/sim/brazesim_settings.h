#ifndef BRAZESIM_SETTINGS_H
#define BRAZESIM_SETTINGS_H

#include "tests/sim/sim_options.h"

enum brazesim_mix {
	BRAZESIM_MIX_TYPE, /* a batch holds one type, as Braze's do */
	BRAZESIM_MIX_ANY,
};

struct brazesim_settings {
	/* what is sent */
	char input[4096]; /* "" if sample is set */
	char sample[4096];
	int64_t count;
	int64_t batch;
	int mix;
	int64_t seed;

	/* where and how */
	char url[4096];
	char token[1024];
	bool gzip;
	bool insecure;
	int64_t connections;
	double rate;
	int64_t timeout_ms;
	char backoff[64];
	int64_t backoff_base_ms; /* read from backoff */
	int64_t backoff_cap_ms;
	double deadline_s;
	double duplicate_percent;
	double unknown_percent;

	/* what is written */
	char acked[4096];
	char deleted[4096];
	char stranded[4096];
	char unresolved[4096];
};

/* Read the command line; exits with 2 on a bad one. */
void brazesim_settings_read(
    struct brazesim_settings *settings, int argc, char **argv);

#endif
