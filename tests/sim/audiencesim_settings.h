#ifndef AUDIENCESIM_SETTINGS_H
#define AUDIENCESIM_SETTINGS_H

#include "tests/sim/sim_options.h"

enum audiencesim_limit_headers {
	AUDIENCESIM_HEADERS_UTC,
	AUDIENCESIM_HEADERS_LEFT,
	AUDIENCESIM_HEADERS_RETRY,
	AUDIENCESIM_HEADERS_NONE,
};

enum audiencesim_refuse {
	AUDIENCESIM_REFUSE_ITEM,
	AUDIENCESIM_REFUSE_REQUEST,
};

/* Without pointers: a copy is a snapshot. */
struct audiencesim_settings {
	int64_t port;
	int64_t seed;
	char report[4096];
	char memberships[4096];

	/* keys */
	char api_key[256];
	bool may_track;
	bool may_export;
	char partner[64];
	char partner_key[256];
	char import_key[256];

	/* limits */
	int64_t max_bytes;
	int64_t most_objects;
	int64_t most_ids;
	int64_t most_elements;
	int64_t track_limit;
	int64_t track_window_ms;
	int64_t cohorts_limit;
	int64_t cohorts_window_ms;
	int64_t export_limit;
	int64_t export_window_ms;
	int limit_headers;
	int64_t retry_after_s;

	/* profiles */
	char unknown[256];
	int64_t settle_ms;

	/* faults before anything is taken */
	int64_t refuse_all;
	int64_t refuse_all_ms;
	int64_t refuse_all_every_ms;
	double fail_percent;
	int64_t fail_status;
	double hang_percent;
	double reset_percent;

	/* faults amid and after taking */
	double amid_percent;
	double fail_after_percent;
	int64_t fail_after_status;
	double hang_after_percent;
	double reset_after_percent;
	double close_percent;
	int64_t delay_ms;

	/* refusals */
	int refuse;
	char refuse_person[256];
	char refuse_group[256];
	char refuse_type[256];
};

extern const struct sim_option audiencesim_options[];
extern const char audiencesim_about[];

void audiencesim_settings_init(struct audiencesim_settings *settings);
/* False and why if the settings contradict each other. */
bool audiencesim_settings_check(
    const struct audiencesim_settings *settings, struct sim_text *why);

#endif
