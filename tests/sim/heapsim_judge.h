#ifndef HEAPSIM_JUDGE_H
#define HEAPSIM_JUDGE_H

/*
 * The simulator without the network: what is done with a request, and what
 * is answered. Any thread.
 */

#include "tests/sim/heapsim_settings.h"

enum heapsim_manner {
	HEAPSIM_ANSWER,
	HEAPSIM_ANSWER_CUT, /* closed within it */
	HEAPSIM_CLOSE,	    /* no answer */
	HEAPSIM_HANG,	    /* no answer until the client goes */
};

struct heapsim_reply {
	enum heapsim_manner manner;
	unsigned status;
	const char *content_type;
	struct sim_text body; /* the caller frees it */
	char retry_after[64]; /* "" is none */
	int64_t delay_ms;
};

/* What came; body has a NUL behind it. */
struct heapsim_call {
	const char *path;
	const char *content_type;     /* or NULL */
	const char *content_encoding; /* or NULL */
	const char *key;	      /* the query's key=, or NULL */
	const char *body;
	size_t len;
	bool too_large; /* above max_bytes: the body is not here */
};

struct heapsim;

struct heapsim *heapsim_new(const struct heapsim_settings *settings);
void heapsim_free(struct heapsim *sim);
void heapsim_settings_copy(
    struct heapsim *sim, struct heapsim_settings *ret_settings);

/* One for each path of --help; they fill *reply, which begins as zeroes. */
void heapsim_track(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);
void heapsim_user_properties(struct heapsim *sim,
    const struct heapsim_call *call, struct heapsim_reply *reply);
void heapsim_control(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);
void heapsim_settings_show(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);
void heapsim_reset(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);
void heapsim_books_show(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);
void heapsim_keys_show(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);
void heapsim_event_show(struct heapsim *sim, const struct heapsim_call *call,
    struct heapsim_reply *reply);

#endif
