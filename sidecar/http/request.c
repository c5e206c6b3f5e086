/* request.c - see request.h. */
#include "http/request.h"

#include <string.h>

#include "core/mem.h"

const char *
request_param(const Request *req, const char *name)
{
	for (int i = 0; i < req->param_count; i++)
		if (strcmp(req->params[i].name, name) == 0)
			return req->params[i].value;
	return NULL;
}

void
request_free(Request *req)
{
	if (req->free_state)
		req->free_state(req->state);
	for (int i = 0; i < req->param_count; i++)
	{
		mem_free(req->params[i].name);
		mem_free(req->params[i].value);
	}
	json_object_put(req->json);
	mem_free(req->path);
	mem_free(req->path_arg);
	buf_free(&req->body);
	buf_free(&req->head_out);
	buf_free(&req->out);
	mem_free(req);
}
