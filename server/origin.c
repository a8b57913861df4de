#include "server/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	ORIGIN_MAPPED = 96, /* bits of ::ffff:0:0/96, where IPv4 is */
	ORIGIN_BITS = 128,
};

static const char origin_local[] = "unix";

/* An address without anything around it. */
static bool
address_read(const char *text, struct in6_addr *ret_address)
{
	unsigned char *bytes = ret_address->s6_addr;

	if (inet_pton(AF_INET6, text, bytes) == 1)
		return true;
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	return inet_pton(AF_INET, text, bytes + 12) == 1;
}

struct origin
origin_of(const struct sockaddr *address)
{
	struct origin origin = {.local = true};
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (address != NULL && address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		origin = (struct origin){v6.sin6_addr, v6.sin6_port, false};
	} else if (address != NULL && address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		origin = (struct origin){.port = v4.sin_port};
		memset(origin.address.s6_addr + 10, 0xff, 2);
		memcpy(origin.address.s6_addr + 12, &v4.sin_addr, 4);
	}
	return origin;
}

void
origin_write(const struct origin *origin, char ret_text[ORIGIN_TEXT])
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&origin->address);
	char host[INET6_ADDRSTRLEN] = "";
	unsigned port = ntohs(origin->port);

	(void)inet_ntop(v4 ? AF_INET : AF_INET6,
	    origin->address.s6_addr + (v4 ? 12 : 0), host, sizeof(host));
	if (origin->local)
		(void)snprintf(ret_text, ORIGIN_TEXT, "%s", origin_local);
	else if (port == 0)
		(void)snprintf(ret_text, ORIGIN_TEXT, "%s", host);
	else
		(void)snprintf(ret_text, ORIGIN_TEXT, v4 ? "%s:%u" : "[%s]:%u",
		    host, port);
}

/* ---- networks ---- */

struct network {
	struct in6_addr address;
	unsigned bits; /* of it that count */
	bool local;
};

struct networks {
	size_t count;
	struct network rows[];
};

/* Digits, and nothing else, that are at most so much. */
static bool
number_read(const char *text, unsigned most, unsigned *ret_number)
{
	size_t len = strlen(text);

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return false;
	*ret_number = (unsigned)strtoul(text, NULL, 10);
	return *ret_number <= most;
}

static bool
network_read(const char *text, struct network *ret_network)
{
	size_t len = strcspn(text, "/");
	char host[INET6_ADDRSTRLEN];
	unsigned before = 0;

	*ret_network = (struct network){.bits = ORIGIN_BITS};
	if (strcmp(text, origin_local) == 0) {
		ret_network->local = true;
		return true;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!address_read(host, &ret_network->address))
		return false;
	if (text[len] == '\0')
		return true;
	if (strchr(host, ':') == NULL)
		before = ORIGIN_MAPPED;
	if (!number_read(
		text + len + 1, ORIGIN_BITS - before, &ret_network->bits))
		return false;
	ret_network->bits += before;
	return true;
}

bool
network_valid(const char *text)
{
	struct network network;

	return network_read(text, &network);
}

bool
networks_new(
    const char *const *list, struct networks **ret_networks, struct err *reterr)
{
	struct networks *networks;
	size_t count = 0;

	while (list[count] != NULL)
		count++;
	networks =
	    malloc(sizeof(*networks) + count * sizeof(networks->rows[0]));
	if (networks == NULL)
		return err_set_nomem(reterr);
	networks->count = count;
	for (size_t i = 0; i < count; i++)
		CHECK(network_read(list[i], &networks->rows[i]));
	*ret_networks = networks;
	return true;
}

void
networks_free(struct networks *networks)
{
	free(networks);
}

static bool
network_has(const struct network *network, const struct origin *origin)
{
	const unsigned char *a = network->address.s6_addr;
	const unsigned char *b = origin->address.s6_addr;
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (network->local || origin->local)
		return network->local && origin->local;
	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool
networks_have(const struct networks *networks, const struct origin *origin)
{
	for (size_t i = 0; i < networks->count; i++) {
		if (network_has(&networks->rows[i], origin))
			return true;
	}
	return false;
}

/* ---- the headers ---- */

/* An address with or without a port: "192.0.2.1:80", "[2001:db8::1]:80". A
 * port may be a made-up name, too, which says nothing. */
static bool
origin_read(char *text, struct origin *ret_origin)
{
	char *host = text, *colon = strchr(text, ':'), *port = NULL;
	unsigned number = 0;

	if (text[0] == '[') {
		host = text + 1;
		port = strchr(host, ']');
		if (port == NULL)
			return false;
		*port++ = '\0';
		if (*port != '\0' && *port != ':')
			return false;
		port = *port == ':' ? port + 1 : NULL;
		if (strchr(host, ':') == NULL)
			return false;
	} else if (colon != NULL && colon == strrchr(text, ':')) {
		*colon = '\0';
		port = colon + 1;
	}
	if (port != NULL && *port != '_' && !number_read(port, 65535, &number))
		return false;
	*ret_origin = (struct origin){.port = htons((uint16_t)number)};
	return address_read(host, &ret_origin->address);
}

/* The next entry, from the left. The address in it wrote what stands before it,
 * so one that is not trusted makes that worthless; and so does an entry that is
 * no address. */
static void
walk_take(struct origin_walk *walk, char *text)
{
	struct origin origin;

	if (!origin_read(text, &origin)) {
		walk->found = false;
	} else if (!walk->found || !networks_have(walk->trusted, &origin)) {
		walk->client = origin;
		walk->found = true;
	}
}

/* A part of an entry, in room that any address fits into. */
struct part {
	char text[ORIGIN_TEXT];
	size_t len;
};

static void
part_add(struct part *part, char c)
{
	/* Blanks around a part do not count, and none is in an address. */
	if (c == ' ' || c == '\t')
		return;
	if (part->len < sizeof(part->text) - 1)
		part->text[part->len++] = c;
	else
		part->text[0] = '?'; /* too long for an address */
	part->text[part->len] = '\0';
}

void
origin_walk_list(struct origin_walk *walk, const char *value)
{
	struct part part = {.len = 0};

	walk->present = true;
	for (;; value++) {
		if (*value != ',' && *value != '\0') {
			part_add(&part, *value);
			continue;
		}
		if (part.len > 0)
			walk_take(walk, part.text);
		part = (struct part){.len = 0};
		if (*value == '\0')
			return;
	}
}

/* for="[2001:db8::1]:80";proto=https, for=192.0.2.1: a comma or a semicolon in
 * quotes ends nothing. */
void
origin_walk_forwarded(struct origin_walk *walk, const char *value)
{
	static const char key[] = "for=";
	struct part part = {.len = 0}, client = {.len = 0};
	bool quoted = false, any = false;

	walk->present = true;
	for (;; value++) {
		bool ends = *value == '\0' || (*value == ',' && !quoted);

		if (!ends && (quoted || *value != ';')) {
			if (*value == '"')
				quoted = !quoted;
			else if (quoted && *value == '\\' && value[1] != '\0')
				part_add(&part, *++value);
			else
				part_add(&part, *value);
			any |= *value != ' ' && *value != '\t';
			continue;
		}
		if (strncasecmp(part.text, key, strlen(key)) == 0)
			client = part;
		part = (struct part){.len = 0};
		if (!ends)
			continue;
		/* quotes that do not end may hide what another proxy wrote */
		if (quoted)
			client.len = 0;
		if (client.len > 0)
			walk_take(walk, client.text + strlen(key));
		else if (any)
			walk->found = false;
		if (*value == '\0')
			return;
		client = part;
		any = false;
	}
}
