#include "server/call.h"

#include <string.h>

static bool
path_matches(const char *pattern, const char *path, struct str *ret_name)
{
	const char *star = strchr(pattern, '*');
	size_t len = strlen(path), before, after;

	*ret_name = str_bytes(NULL, 0);
	if (star == NULL)
		return strcmp(pattern, path) == 0;
	before = (size_t)(star - pattern);
	after = strlen(star + 1);
	if (len <= before + after || memcmp(pattern, path, before) != 0 ||
	    memcmp(star + 1, path + len - after, after) != 0)
		return false;
	*ret_name = str_bytes(path + before, len - before - after);
	return true;
}

const struct call_route *
call_route_find(const void *routes, size_t stride, const char *method,
    const char *path, struct str *ret_name, const char **ret_allow)
{
	const struct call_route *route = routes;

	*ret_allow = NULL;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (; route->path != NULL;
	     route = (const void *)((const char *)route + stride)) {
		if (!path_matches(route->path, path, ret_name))
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		*ret_allow = route->method;
	}
	return NULL;
}

void
call_init(struct call *call, const char *method)
{
	*call = (struct call){
	    .method = method,
	    .caller = "-",
	    .status = 200,
	    .type = "application/json",
	};
}

bool
call_param_add(struct call *call, const char *name, const char *value)
{
	if (call->param_count == CALL_PARAMS)
		return false;
	call->params[call->param_count++] = (struct call_param){name, value};
	return true;
}

const char *
call_param(const struct call *call, const char *name)
{
	for (size_t i = 0; i < call->param_count; i++) {
		if (strcmp(call->params[i].name, name) == 0)
			return call->params[i].value;
	}
	return NULL;
}

bool
call_write(struct call *call, const char *data, size_t len, struct err *reterr)
{
	call->begun |= len > 0;
	return call->write(call->arg, data, len, reterr);
}

unsigned
call_status(enum err_code code)
{
	switch (code) {
	case ERR_INPUT:
	case ERR_LIMIT:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_CONFIG:
		return 422;
	case ERR_FULL:
		return 507;
	case ERR_BUSY:
	case ERR_STOPPING:
		return 503;
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_DAMAGED:
		return 500;
	case ERR_NONE:
		break;
	}
	NEVER("an error has a code");
}
