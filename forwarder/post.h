#ifndef FORWARDER_POST_H
#define FORWARDER_POST_H

/*
 * Posts over HTTP, many at once on the calling thread: the only file that
 * calls libcurl. Everything but poster_wake() belongs to one thread.
 */

#include "base/err.h"
#include "forwarder/verdict.h"

#include <stddef.h>
#include <stdint.h>

struct poster;

enum { POST_WORDS_MAX = 1024 };

/* Where and how. Lent for as long as a post is in flight. */
struct post_target {
	const char *url;
	const char *ca_file; /* or NULL: the system's */
	const char *proxy;   /* or NULL: none, whatever the environment says */
	int64_t connect_timeout_ms;
	int64_t timeout_ms; /* of the whole */
};

/* What came of a post. */
struct post_answer {
	int curl_code;	     /* 0: the whole answer came */
	const char *trouble; /* what libcurl says of it, or "" */
	long status;	     /* 0 = none */
	long proxy_status;   /* of a proxy, to CONNECT; 0 = none */
	char retry_after[VERDICT_RETRY_AFTER];
	bool has_retry_after;
	char words[POST_WORDS_MAX]; /* the answer's first bytes */
	size_t words_len;
};

MUST_USE bool poster_new(struct poster **ret_poster, struct err *reterr);

/* Drops what is in flight without an answer. Takes NULL. */
void poster_free(struct poster *poster);

/* Start. The body stays lent until the answer; `owner` and `tag` come back
 * with it. */
MUST_USE bool
poster_send(struct poster *poster, const struct post_target *target,
    const char *body, size_t len, void *owner, void *tag, struct err *reterr);

/* Move on for at most timeout_ms, or until woken or something came; `fn` is
 * called for each answer, and may send more. */
typedef void poster_answer_fn(
    void *arg, void *owner, void *tag, const struct post_answer *answer);
MUST_USE bool poster_run(struct poster *poster, int64_t timeout_ms,
    poster_answer_fn *fn, void *arg, struct err *reterr);

/* Let poster_run() return now. Any thread. */
void poster_wake(struct poster *poster);

/* Drop what is in flight; no answer will come. */
void poster_drop_all(struct poster *poster);

#endif
