#ifndef SERVER_SOURCES_H
#define SERVER_SOURCES_H

/*
 * The sources: which one a request is for, which secrets may post to it, and
 * its health. Two more rows follow them: one for the requests for which no
 * source was found, and one for those that do not look like a source's at
 * all, which say nothing about the health of any.
 *
 * Sources react to our answers over days, so the queue keeps the status across
 * restarts, and it goes on when the settings are read again: then there are new
 * sources, while requests that began before keep to the old ones. Any thread.
 */

#include "base/str.h"
#include "server/server.h"

#include <stdatomic.h>

struct sources;

/* The source of that name that posts to this intake; if the name is empty the
 * first such source. `count` if there is none. */
size_t sources_find(const struct server_source *list, size_t count,
    const struct intake *intake, struct str name);

/* Does a decoded query parameter select this source? Quotes around a value do
 * not count: operators copy them from examples (?key="Brand A"). */
bool source_chosen(
    const struct server_source *source, const char *key, const char *value);

/* What the settings point to stays lent, until they are given back. With the
 * status of `before`, unless it is NULL. NULL: no memory. */
MUST_USE struct sources *
sources_new(const struct server_settings *settings, struct sources *before);

/* They are held once when they are made; the last sources_drop() frees them. */
struct sources *sources_hold(struct sources *sources);

/* From now on these are in use, and no longer those before: take over when the
 * tokens were used. */
void sources_succeed(struct sources *sources, const struct sources *before);

const struct server_settings *sources_settings(const struct sources *sources);

/* The tokens of the admin listener. */
const struct tokens *sources_tokens(const struct sources *sources, bool admin);

/* Does this Authorization header (NULL if there is none) let a request in? If
 * so, the request and the use of the token are noted. */
MUST_USE bool sources_authorise(struct sources *sources, size_t source,
    const char *header, int64_t wall_ms);

/* Of a request that was let in: what proves that we know its token, or that the
 * source is open (server_probe_proof()). */
void sources_prove(const struct sources *sources, size_t source,
    const char *header, const char *nonce, char ret_proof[SERVER_PROOF]);

/* Note a request that proved otherwise to be the source's. */
void
sources_note_request(struct sources *sources, size_t source, int64_t wall_ms);

/* Note the answer to a request; not to a probe. An answer that strands the
 * items of the source counts as a refusal; so does any but 2xx in the row of
 * strangers. Any other answer, but 2xx, to an authorised request makes the
 * source fail until the next 2xx. */
void sources_note_answer(struct sources *sources, size_t source,
    unsigned status, const char *why, bool authorised, int64_t wall_ms);

/* Note the items of a post that was answered 2xx. */
void sources_note_items(
    struct sources *sources, size_t source, size_t items, int64_t mono_ms);

/* What the requests hold that proved to be the source's. It stays the same as
 * long as any of its sources are held. */
struct source_load {
	atomic_size_t requests, body_bytes;
};
struct source_load *sources_load(struct sources *sources, size_t source);

/* Note how long a request took that proved to be the source's. */
void sources_note_time(struct sources *sources, size_t source, int64_t us);

/* Of a name, or of one of the two rows more; of an unknown one it is empty. */
void sources_status(struct sources *sources, const char *name,
    struct server_source_status *ret_status);
size_t sources_tokens_used(struct sources *sources, const char *name,
    int64_t *ret_used_ms, size_t most);

/* Save the status in the queue if it has changed; restore what was saved. A
 * failure is only logged, because it must not keep the server from serving. */
void sources_save(struct sources *sources, struct queue *queue);
void sources_restore(struct sources *sources, struct queue *queue);

#endif
