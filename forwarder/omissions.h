#ifndef FORWARDER_OMISSIONS_H
#define FORWARDER_OMISSIONS_H

/* What of items was not sent as it came, counted by property. */

#include "base/table.h"
#include "forwarder/forwarder.h"

struct omissions {
	struct forwarder_omission *rows; /* owned */
	size_t count, cap;
	struct table table;
	uint64_t lost; /* there was no room for them */
	uint64_t changes;
};

void omissions_fini(struct omissions *omissions);

/* A copy of the rows; the caller frees it. False without memory. */
MUST_USE bool omissions_copy(
    const struct omissions *omissions, struct forwarder_omission **ret_rows);

void omissions_add(
    struct omissions *omissions, const struct outlet_prepared *prepared);

#endif
