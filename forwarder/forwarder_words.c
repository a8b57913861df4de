/* The defaults and the names: what settings and status need of a forwarder
 * without starting one. */

#include "forwarder/forwarder.h"

void
forwarder_lane_settings_init(struct forwarder_lane_settings *settings)
{
	*settings = (struct forwarder_lane_settings){
	    .events_per_minute = 15000,
	    .identity_per_minute = 1000,
	    .share_percent = 95,
	    .request_events = TRACK_EVENTS_MAX,
	    .request_bytes = 1000000,
	    .in_flight = 4,
	    .linger_ms = 1000,
	    .connect_timeout_ms = 5000,
	    .timeout_ms = 30000,
	    .backoff_first_ms = 1000,
	    .backoff_most_ms = 60 * 1000,
	    .retry_after_most_ms = 15 * 60 * 1000,
	    .probe_ms = 60 * 1000,
	    .set_aside_ms = 60 * 1000,
	};
}

const char *
forwarder_state_name(enum forwarder_state state)
{
	switch (state) {
	case FORWARDER_RUNNING:
		return "running";
	case FORWARDER_WAITING:
		return "waiting";
	case FORWARDER_STOPPED:
		return "stopped";
	case FORWARDER_PAUSED:
		return "paused";
	case FORWARDER_RESTING:
		return "resting";
	case FORWARDER_DRY:
		return "dry-run";
	}
	return "unknown";
}
