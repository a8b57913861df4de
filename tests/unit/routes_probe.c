/*
 * Prints the routes of the admin interface, a line of JSON each, for
 * tests/daemon/test_openapi.py.
 */

#include "base/json.h"
#include "daemon/api.h"

#include <stdio.h>

enum { ROOM = 1 << 20 };

static const char *
right_name(enum call_right right)
{
	switch (right) {
	case CALL_COUNTS:
		return "counts";
	case CALL_VIEW:
		return "view";
	case CALL_CHANGE:
		return "change";
	}
	NEVER("no right");
}

int
main(void)
{
	struct json json;
	struct buf out;

	buf_init(&out, ROOM);
	for (const struct api_route *route = api_routes;
	     route->call.path != NULL; route++) {
		json_init(&json, &out);
		json_object_open(&json, NULL);
		json_text(&json, "method", route->call.method);
		json_text(&json, "path", route->call.path);
		json_text(&json, "right", right_name(route->call.right));
		json_int(&json, "body_max", (int64_t)route->call.body_max);
		json_text(&json, "params", route->params);
		json_object_close(&json);
		(void)buf_char(&out, '\n');
	}
	CHECK(buf_ok(&out, NULL));
	(void)fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	return 0;
}
