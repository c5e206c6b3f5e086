/* parse.c - see parse.h. */
#include "json/parse.h"

bool
json_parse_text(const char *text, size_t len, json_object **value, const char **error)
{
	json_tokener *tokener = json_tokener_new_ex(JSON_PARSE_DEPTH_MAX);
	enum json_tokener_error state;
	size_t end;

	*value = NULL;
	*error = NULL;
	if (!tokener)
	{
		*error = "out of memory";
		return false;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*value = json_tokener_parse_ex(tokener, text, (int)len);
	state = json_tokener_get_error(tokener);
	if (state == json_tokener_continue)
	{
		/* A bare number has no end of its own: a NUL byte ends it. */
		*value = json_tokener_parse_ex(tokener, "", 1);
		state = json_tokener_get_error(tokener);
		end = len;
	}
	else
		end = json_tokener_get_parse_end(tokener);
	while (end < len && (text[end] == ' ' || text[end] == '\t' || text[end] == '\r' || text[end] == '\n'))
		end++;
	if (state != json_tokener_success)
		*error =
			state == json_tokener_continue ? "the JSON text ends too early" : json_tokener_error_desc(state);
	else if (end < len)
		*error = "there are bytes after the JSON value";
	json_tokener_free(tokener);
	if (*error == NULL)
		return true;
	json_object_put(*value);
	*value = NULL;
	return false;
}
