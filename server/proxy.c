#include "server/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static void
proxy_set_v4(struct proxy_from *ret_from, const void *address, in_port_t port)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = port};

	memcpy(&name.sin_addr, address, sizeof(name.sin_addr));
	memcpy(&ret_from->address, &name, sizeof(name));
	ret_from->len = sizeof(name);
}

static void
proxy_set_v6(struct proxy_from *ret_from, const void *address, in_port_t port)
{
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = port};

	memcpy(&name.sin6_addr, address, sizeof(name.sin6_addr));
	memcpy(&ret_from->address, &name, sizeof(name));
	ret_from->len = sizeof(name);
}

/* ---- version 1: a line of text ---- */

static const char v1_start[] = "PROXY ";

enum { V1_FIELDS = 5, V1_FIELD = 40 }; /* bytes, with the NUL */

/* Split at single spaces; false unless there are so many fields. */
static bool
v1_split(struct str line, char ret_fields[V1_FIELDS][V1_FIELD])
{
	size_t field = 0, len = 0;

	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] != ' ') {
			if (line.data[i] == '\0' || len == V1_FIELD - 1)
				return false;
			ret_fields[field][len++] = line.data[i];
			continue;
		}
		ret_fields[field++][len] = '\0';
		len = 0;
		if (field == V1_FIELDS)
			return false;
	}
	ret_fields[field][len] = '\0';
	return field == V1_FIELDS - 1;
}

static bool
v1_port(const char *text, in_port_t *ret_port)
{
	unsigned value = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len ||
	    (text[0] == '0' && len > 1))
		return false;
	for (; *text != '\0'; text++)
		value = value * 10 + (unsigned)(*text - '0');
	*ret_port = htons((uint16_t)value);
	return value <= 65535;
}

/* What stands between "PROXY " and the end of the line. */
static bool
v1_read_line(struct str line, struct proxy_from *ret_from)
{
	static const char unknown[] = "UNKNOWN";
	char fields[V1_FIELDS][V1_FIELD];
	unsigned char source[16], target[16];
	in_port_t port, target_port;
	int family;

	if (line.len >= strlen(unknown) &&
	    memcmp(line.data, unknown, strlen(unknown)) == 0)
		return line.len == strlen(unknown) ||
		       line.data[strlen(unknown)] == ' ';
	if (!v1_split(line, fields))
		return false;
	if (strcmp(fields[0], "TCP4") == 0)
		family = AF_INET;
	else if (strcmp(fields[0], "TCP6") == 0)
		family = AF_INET6;
	else
		return false;
	if (inet_pton(family, fields[1], source) != 1 ||
	    inet_pton(family, fields[2], target) != 1 ||
	    !v1_port(fields[3], &port) || !v1_port(fields[4], &target_port))
		return false;
	if (family == AF_INET)
		proxy_set_v4(ret_from, source, port);
	else
		proxy_set_v6(ret_from, source, port);
	return true;
}

static enum proxy_state
v1_read(struct str bytes, size_t *ret_len, struct proxy_from *ret_from)
{
	size_t most = bytes.len < PROXY_V1_MOST ? bytes.len : PROXY_V1_MOST;
	size_t start = strlen(v1_start);
	const char *end = memchr(bytes.data, '\n', most);
	struct str line;

	if (end == NULL)
		return bytes.len < PROXY_V1_MOST ? PROXY_PART : PROXY_BAD;
	line = str_bytes(bytes.data, (size_t)(end - bytes.data));
	if (line.data[line.len - 1] != '\r')
		return PROXY_BAD;
	*ret_len = line.len + 1;
	line = str_bytes(line.data + start, line.len - 1 - start);
	return v1_read_line(line, ret_from) ? PROXY_WHOLE : PROXY_BAD;
}

/* ---- version 2: binary ---- */

static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	V2_HEAD = 16, /* bytes, before the addresses */
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
};

static enum proxy_state
v2_read(struct str bytes, size_t *ret_len, struct proxy_from *ret_from)
{
	const unsigned char *head = (const unsigned char *)bytes.data;
	const unsigned char *body = head + V2_HEAD;
	in_port_t port;
	size_t len;

	if (bytes.len < V2_HEAD)
		return PROXY_PART;
	len = (size_t)head[14] * 256 + head[15];
	if ((head[12] != V2_LOCAL && head[12] != V2_PROXY) ||
	    V2_HEAD + len > PROXY_MOST)
		return PROXY_BAD;
	if (bytes.len < V2_HEAD + len)
		return PROXY_PART;
	*ret_len = V2_HEAD + len;
	/* What follows the addresses is of no interest here. */
	if (head[12] == V2_PROXY && head[13] == V2_TCP4) {
		if (len < 12)
			return PROXY_BAD;
		memcpy(&port, body + 8, sizeof(port));
		proxy_set_v4(ret_from, body, port);
	} else if (head[12] == V2_PROXY && head[13] == V2_TCP6) {
		if (len < 36)
			return PROXY_BAD;
		memcpy(&port, body + 32, sizeof(port));
		proxy_set_v6(ret_from, body, port);
	}
	return PROXY_WHOLE;
}

/* Do they begin so? PART: as far as there are any. */
static enum proxy_state
proxy_begins(struct str bytes, const char *start, size_t len)
{
	size_t common = bytes.len < len ? bytes.len : len;

	if (memcmp(bytes.data, start, common) != 0)
		return PROXY_NONE;
	return common < len ? PROXY_PART : PROXY_WHOLE;
}

enum proxy_state
proxy_read(struct str bytes, size_t *ret_len, struct proxy_from *ret_from)
{
	enum proxy_state state;

	ret_from->len = 0;
	if (bytes.len == 0)
		return PROXY_PART;
	state = proxy_begins(bytes, v1_start, strlen(v1_start));
	if (state == PROXY_WHOLE)
		return v1_read(bytes, ret_len, ret_from);
	if (state == PROXY_NONE)
		state = proxy_begins(bytes, v2_start, sizeof(v2_start) - 1);
	if (state == PROXY_WHOLE)
		return v2_read(bytes, ret_len, ret_from);
	return state;
}
