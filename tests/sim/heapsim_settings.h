#ifndef HEAPSIM_SETTINGS_H
#define HEAPSIM_SETTINGS_H

#include "tests/sim/sim_options.h"

enum heapsim_over_quota {
	HEAPSIM_OVER_REFUSE,
	HEAPSIM_OVER_DROP,
};

enum heapsim_refuse {
	HEAPSIM_REFUSE_REQUEST,
	HEAPSIM_REFUSE_EVENT,
	HEAPSIM_REFUSE_RESET,
	HEAPSIM_REFUSE_HANG,
};

/* Without pointers: a copy is a snapshot. */
struct heapsim_settings {
	int64_t port;
	int64_t seed;
	char books[4096];

	/* limits */
	bool strict;
	int64_t max_bytes;
	int64_t max_events;
	bool quota;
	int64_t app_quota;
	int64_t user_quota;
	int64_t quota_window_ms;
	int over_quota;
	char retry_after[64];

	/* faults before the events are stored */
	double fail_percent;
	int64_t fail_status;
	double hang_percent;
	double reset_percent;
	int64_t refuse_all;
	int64_t refuse_all_ms;
	int64_t refuse_all_every_ms;

	/* faults after the events are stored */
	double fail_after_percent;
	int64_t fail_after_status;
	double hang_after_percent;
	double reset_after_percent;
	double close_percent;
	int64_t delay_ms;

	/* poison */
	int refuse;
	int64_t refuse_status;
	char refuse_key[256];
	char refuse_identity[256];
	char refuse_event[256];
	char refuse_property[256];

	/* memory */
	int64_t keep_events;
	bool forget_bodies;
};

extern const struct sim_option heapsim_options[];
extern const char heapsim_about[];

void heapsim_settings_init(struct heapsim_settings *settings);

/* Merge a JSON text; false and why if anything in it is bad, and then
 * nothing is changed. */
bool heapsim_settings_merge(struct heapsim_settings *settings, const char *json,
    size_t len, struct sim_text *why);

/* False and why if the settings contradict each other. */
bool heapsim_settings_check(
    const struct heapsim_settings *settings, struct sim_text *why);

#endif
