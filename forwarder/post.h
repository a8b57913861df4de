#ifndef FORWARDER_POST_H
#define FORWARDER_POST_H

/*
 * Posts over HTTP, many at once on the calling thread: the only file that
 * calls libcurl. Everything but poster_wake() belongs to one thread.
 */

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct poster;

enum { POST_ANSWER_MAX = 1024 };

/* Where and how. Lent for as long as a post is in flight. */
struct post_target {
	const char *url;
	const char *ca_file; /* or NULL: the system's */
	const char *proxy;   /* or NULL: none, whatever the environment says */
	int64_t connect_timeout_ms;
	int64_t timeout_ms; /* of the whole post */
};

/* The result of a post. All texts are lent for the call. */
struct post_answer {
	int curl_code;		 /* 0: the whole answer came */
	const char *error;	 /* libcurl's text for that code, or "" */
	long status;		 /* HTTP; 0 = none */
	long proxy_status;	 /* a proxy's answer to CONNECT; 0 = none */
	const char *retry_after; /* that header, or NULL */
	struct str body;	 /* its first POST_ANSWER_MAX bytes */
};

MUST_USE bool poster_new(struct poster **ret_poster, struct err *reterr);

/* Drops the posts in flight without an answer. Accepts NULL. */
void poster_free(struct poster *poster);

/* Start a post. The body stays lent until the answer; `owner` and `tag` come
 * back with it. */
MUST_USE bool
poster_send(struct poster *poster, const struct post_target *target,
    struct str body, void *owner, void *tag, struct err *reterr);

/* Let the posts move for at most timeout_ms, or until poster_wake() or an
 * answer; `fn` is called for each answer, and may send more. */
typedef void poster_answer_fn(
    void *arg, void *owner, void *tag, const struct post_answer *answer);
MUST_USE bool poster_run(struct poster *poster, int64_t timeout_ms,
    poster_answer_fn *fn, void *arg, struct err *reterr);

/* Let poster_run() return now. Any thread. */
void poster_wake(struct poster *poster);

/* Drop the posts in flight; no answer will come. */
void poster_drop_all(struct poster *poster);

#endif
