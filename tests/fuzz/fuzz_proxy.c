/*
 * The header of the PROXY protocol over any bytes: what it says of the first
 * bytes of a connection it does not take back when more arrive, and a header
 * has an end within them.
 */

#include "base/err.h"
#include "server/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its exact size, so that a step beyond it is seen. */
static enum proxy_state
read_exactly(const uint8_t *data, size_t size, size_t *ret_len)
{
	char *bytes = malloc(size > 0 ? size : 1);
	struct proxy_from from;
	enum proxy_state state;

	CHECK(bytes != NULL);
	if (size > 0)
		memcpy(bytes, data, size);
	state = proxy_read(str_bytes(bytes, size), ret_len, &from);
	free(bytes);
	CHECK(from.len <= sizeof(from.address));
	return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxy_state state, whole;
	size_t len = 0, whole_len = 0;

	if (size > PROXY_MOST)
		size = PROXY_MOST;
	whole = read_exactly(data, size, &whole_len);
	CHECK(whole != PROXY_WHOLE || (whole_len > 0 && whole_len <= size));
	CHECK(whole != PROXY_PART || size < PROXY_MOST);
	for (size_t cut = 0; cut < size; cut++) {
		state = read_exactly(data, cut, &len);
		if (state == PROXY_PART)
			continue;
		CHECK(state == whole);
		CHECK(state != PROXY_WHOLE || len == whole_len);
		break;
	}
	return 0;
}
