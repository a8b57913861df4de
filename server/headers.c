#include "server/headers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum MHD_Result
headers_take(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct headers *headers = cls;
	const struct {
		const char *name;
		const char **value;
		unsigned *count;
	} wanted[] = {
	    {"Authorization", &headers->authorization, NULL},
	    {"Braze-Currents-Version", &headers->version, NULL},
	    {"Content-Encoding", &headers->coding, &headers->codings},
	    {"Content-Length", &headers->length, &headers->lengths},
	    {"Expect", &headers->expect, NULL},
	    {"Transfer-Encoding", &headers->transfer, &headers->transfers},
	};

	(void)kind;
	headers->bytes += strlen(name) + strlen(": \r\n") +
			  (value != NULL ? strlen(value) : 0);
	/* "Content-Length : 2" is none to the library, and may be one to a
	 * proxy (RFC 9112, 5.1). */
	if (name[0] != '\0' && strchr(" \t", name[strlen(name) - 1]) != NULL)
		headers->mangled = true;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (strcasecmp(name, wanted[i].name) != 0)
			continue;
		if (*wanted[i].value == NULL)
			*wanted[i].value = value != NULL ? value : "";
		if (wanted[i].count != NULL)
			++*wanted[i].count;
	}
	return MHD_YES;
}

void
headers_read(struct MHD_Connection *connection, struct headers *ret_headers)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	*ret_headers = (struct headers){
	    .came = info != NULL ? info->header_size : 0,
	};
	(void)MHD_get_connection_values(
	    connection, MHD_HEADER_KIND, headers_take, ret_headers);
}

bool
headers_unexplained(const struct headers *headers, size_t line)
{
	return headers->came > line + headers->bytes + strlen("\r\n");
}

bool
headers_framed(const struct headers *headers)
{
	if (headers->mangled)
		return false;
	if (headers->transfers == 0)
		return headers->lengths <= 1;
	return headers->lengths == 0 && headers->transfers == 1 &&
	       strcasecmp(headers->transfer, "chunked") == 0;
}

uint64_t
headers_length(const struct headers *headers)
{
	unsigned long long length;

	if (headers->length == NULL)
		return 0;
	errno = 0;
	length = strtoull(headers->length, NULL, 10);
	return errno == 0 ? length : UINT64_MAX;
}

bool
headers_expect_continue(const struct headers *headers)
{
	return headers->expect != NULL &&
	       strcasecmp(headers->expect, "100-continue") == 0;
}
