#ifndef CLI_PARTS_H
#define CLI_PARTS_H

/*
 * The parts of the daemon, made from the settings and joined: the forwarder
 * is the queue's wake, and the server shows what status and metrics render
 * from all of them.
 *
 * A command that runs without the daemon has the queue alone.
 */

#include "cli/settings.h"
#include "forwarder/forwarder.h"
#include "queue/queue.h"
#include "server/server.h"

#include <stdatomic.h>
#include <stdint.h>

struct parts {
	/* set before threads start */
	const struct settings *settings;
	struct queue *queue;
	int64_t started_mono_ms;
	struct server_source *sources;
	struct forwarder_destination *destinations;
	struct track_rules *rules; /* one per destination */

	/* of the main thread */
	const char *job; /* the long command that runs, or NULL */

	/* A rebuild or a check holds the queue: threads that wait for it are
	 * not stalled. */
	atomic_bool queue_held;

	/* read by the server's and the committer's threads; NULL while they
	 * are not there */
	_Atomic(struct forwarder *) forwarder;
	_Atomic(struct server *) server;
};

/* The settings stay lent. Fini takes what init or open made. */
void parts_init(struct parts *parts, const struct settings *settings);
void parts_fini(struct parts *parts);

/* The queue alone; `brief`: for one command. */
MUST_USE bool
parts_queue_open(struct parts *parts, bool brief, struct err *reterr);

/* Queue (if not open yet), forwarder, server, in this order. On failure
 * what was started is stopped. The settings are complete. */
MUST_USE bool parts_start(struct parts *parts, struct err *reterr);

/* Server, committer, forwarder; the queue stays open until parts_fini(). */
void parts_stop(struct parts *parts);

/* Has no thread stalled? */
bool parts_alive(struct parts *parts, int64_t mono_ms);

/* The modules' settings, out of ours. */
void parts_queue_settings(
    const struct settings *settings, struct queue_settings *ret_settings);
void parts_server_settings(
    const struct settings *settings, struct server_settings *ret_settings);
/* With private rules if `rules` (of its destination) are given and wanted. */
void parts_source_settings(const struct settings_source *source,
    const struct track_rules *rules, struct server_source *ret_source);
void parts_destination_settings(const struct settings_destination *destination,
    struct forwarder_destination *ret_settings, struct track_rules *ret_rules);

/* Seconds until a destination has nothing queued but deferred events, at its
 * present pace; -1 if unknown. */
int64_t parts_drain_s(const struct forwarder_destination_status *status,
    int64_t queued, int64_t now_ms);

/* When a destination last took something: as the forwarder knows, or from
 * before the start. */
int64_t parts_accepted_ms(
    struct parts *parts, const struct forwarder_destination_status *status);

/* For the admin listener: one JSON object; the Prometheus text format. */
void status_write(
    struct parts *parts, int64_t now_ms, int64_t mono_ms, struct buf *out);
void metrics_write(
    struct parts *parts, int64_t now_ms, int64_t mono_ms, struct buf *out);

#endif
