/* The defaults and the names: what settings and status need of a forwarder
 * without starting one. */

#include "forwarder/forwarder.h"

void
forwarder_destination_init(struct forwarder_destination *settings)
{
	*settings = (struct forwarder_destination){
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
	    .defer_ms = 60 * 1000,
	};
}

const char *
forwarder_state_name(enum forwarder_state state)
{
	switch (state) {
	case FORWARDER_RUNNING:
		return "running";
	case FORWARDER_BACKING_OFF:
		return "backing_off";
	case FORWARDER_HALTED:
		return "halted";
	case FORWARDER_PAUSED:
		return "paused";
	case FORWARDER_COOLING_DOWN:
		return "cooling_down";
	case FORWARDER_TRIAL:
		return "trial";
	}
	return "unknown";
}
