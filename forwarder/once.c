/* One event, now, past the queue: for trying the settings. */

#include "forwarder/forwarder.h"
#include "forwarder/post.h"

#include <stdio.h>
#include <string.h>

enum { ONCE_BYTES_MAX = 16 << 20 };

struct once_wait {
	struct forwarder_once *once;
	bool done;
};

static void
once_answered(
    void *arg, void *owner, void *tag, const struct post_answer *answer)
{
	struct once_wait *wait = arg;
	struct forwarder_once *once = wait->once;

	(void)owner, (void)tag;
	wait->done = true;
	once->status = answer->curl_code == 0 ? answer->status : 0;
	(void)snprintf(once->words, sizeof(once->words), "%.*s",
	    answer->curl_code == 0 ? (int)answer->words_len : 300,
	    answer->curl_code == 0 ? answer->words : answer->trouble);
}

static bool
once_post(const struct forwarder_destination *lane, struct forwarder_once *once,
    struct err *reterr)
{
	struct post_target target = {
	    .url = lane->url,
	    .ca_file = lane->ca_file,
	    .proxy = lane->proxy,
	    .connect_timeout_ms = lane->connect_timeout_ms,
	    .timeout_ms = lane->timeout_ms,
	};
	struct once_wait wait = {.once = once};
	struct poster *poster;
	bool ok;

	if (!poster_new(&poster, reterr))
		return false;
	ok = poster_send(poster, &target, once->body.data, once->body.len, NULL,
	    NULL, reterr);
	while (ok && !wait.done)
		ok = poster_run(poster, 1000, once_answered, &wait, reterr);
	poster_free(poster);
	return ok;
}

bool
forwarder_send_once(const struct forwarder_destination *lane, const char *event,
    size_t len, struct forwarder_once *ret_once, struct err *reterr)
{
	struct forwarder_once *once = ret_once;

	once->status = 0;
	once->words[0] = '\0';
	buf_init(&once->body, ONCE_BYTES_MAX);
	track_head_write(&once->body, lane->app_id);
	if (!track_write(
		lane->rules, event, len, &once->body, &once->result, reterr))
		return false;
	track_tail_write(&once->body);
	if (!buf_ok(&once->body, reterr))
		return false;
	return once->result.fate != TRACK_SEND || once_post(lane, once, reterr);
}
