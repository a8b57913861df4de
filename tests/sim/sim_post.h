#ifndef SIM_POST_H
#define SIM_POST_H

/* Posts bodies over a connection of its own: libcurl, kept alive between
 * requests as long as the server keeps it. One thread each. */

#include "tests/sim/sim_base.h"

struct curl_slist;

struct sim_post_settings {
	const char *url;
	int64_t timeout_ms;
	bool insecure; /* do not check the server's certificate */
	/* Asked while a request is under way: true breaks it off. */
	bool (*stopped)(void *context);
	void *context;
};

struct sim_outcome {
	long status; /* 0: no answer */
	bool left;   /* we left before the answer */
	int64_t took_us;
};

struct sim_post;

struct sim_post *sim_post_new(const struct sim_post_settings *settings);
void sim_post_free(struct sim_post *post);

/* With leave, goes away once all is sent and before the answer is read. */
void sim_post_send(struct sim_post *post, struct curl_slist *headers,
    const struct sim_text *body, bool leave, struct sim_outcome *ret_outcome);

#endif
