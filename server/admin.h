#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

/*
 * A request of the admin interface: what its route does at each step (struct
 * route), from the check of its credentials to the end of its answer.
 */

#include "server/request.h"

void admin_begin(struct request *request, const struct headers *headers);
void admin_add(struct request *request, const char *data, size_t len);
enum MHD_Result admin_complete(struct request *request);
enum MHD_Result admin_done(struct request *request);
void admin_free(struct request *request);

#endif
