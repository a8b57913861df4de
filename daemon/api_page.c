/* /, /page.css, /page.js: the operator's page, which asks the other routes for
 * all that it shows; and /access, which tells it what its token is good for. */

#include "daemon/api_routes.h"
#include "daemon/page.h"

static bool
page_serve(struct api *api, const char *type, struct str file)
{
	api->call->type = type;
	api->call->coding = "gzip";
	(void)buf_append(&api->out, file.data, file.len);
	return true;
}

bool
api_page(struct api *api, struct err *reterr)
{
	(void)reterr;
	return page_serve(api, "text/html; charset=utf-8", page_html);
}

bool
api_page_css(struct api *api, struct err *reterr)
{
	(void)reterr;
	return page_serve(api, "text/css; charset=utf-8", page_css);
}

bool
api_page_js(struct api *api, struct err *reterr)
{
	(void)reterr;
	return page_serve(api, "text/javascript; charset=utf-8", page_js);
}

bool
api_access(struct api *api, struct err *reterr)
{
	(void)reterr;
	json_object_open(&api->json, NULL);
	json_text(&api->json, "caller", api->call->caller);
	json_object_close(&api->json);
	return true;
}
