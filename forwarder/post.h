#ifndef FORWARDER_POST_H
#define FORWARDER_POST_H

/*
 * Posts over HTTP, many at once on the calling thread: the only file that
 * calls libcurl. Everything but poster_wake() belongs to one thread.
 *
 * A post is sent at most once: if a connection that was used before dies
 * under it, that is a failure, and not, as libcurl likes to have it, a silent
 * second send.
 */

#include "base/err.h"
#include "base/str.h"
#include "schema/dialect.h"

#include <stddef.h>
#include <stdint.h>

struct poster;

/* Where and how. Lent for as long as a post is in flight. */
struct post_target {
	struct outlet_address address;
	const char *ca_file; /* or NULL: the system's */
	const char *proxy;   /* or NULL: none, whatever the environment says */
	int64_t connect_timeout_ms;
	int64_t timeout_ms; /* of the whole post */
	size_t answer_max;  /* bytes of an answer's body that are kept */
};

MUST_USE bool poster_new(struct poster **ret_poster, struct err *reterr);

/* Drops the posts in flight without an answer. Takes NULL. */
void poster_free(struct poster *poster);

/* Start a post, with these headers, too; NULL-terminated, or NULL. The body
 * stays lent until the answer; `owner` and `tag` come back with it. */
MUST_USE bool poster_send(struct poster *poster,
    const struct post_target *target, const char *const *headers,
    struct str body, void *owner, void *tag, struct err *reterr);

/* Let the posts move for at most timeout_ms, or until poster_wake() or an
 * answer; `fn` is called for each answer, and may send more. All in an answer
 * is lent for the call; its now_ms is for the caller to set. */
typedef void poster_answer_fn(
    void *arg, void *owner, void *tag, struct outlet_answer *answer);
MUST_USE bool poster_run(struct poster *poster, int64_t timeout_ms,
    poster_answer_fn *fn, void *arg, struct err *reterr);

/* Let poster_run() return now. Any thread. */
void poster_wake(struct poster *poster);

/* Drop the posts in flight; no answer will come. */
void poster_drop_all(struct poster *poster);

#endif
