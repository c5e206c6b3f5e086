/* parse.c - see parse.h. */
#include "json/parse.h"

#include <string.h>

/*
 * json-c's strict mode still takes names in single quotes, NaN and Infinity, and control characters in
 * strings. None of them can be without a character that JSON has no use for at that place.
 */
static bool
json_has_strange_bytes(const char *text, size_t len)
{
	bool in_string = false;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char)text[i];

		if (in_string)
		{
			if (c < 0x20)
				return true;
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '\0' || !strchr("{}[],: \t\r\n0123456789+-.eEtrufalsn", c))
			return true;
	}
	return false;
}

bool
json_parse_text(const char *text, size_t len, json_object **value, const char **error)
{
	json_tokener *tokener;
	enum json_tokener_error state;
	size_t end;

	*value = NULL;
	*error = NULL;
	if (json_has_strange_bytes(text, len))
	{
		*error = "unexpected character";
		return false;
	}
	tokener = json_tokener_new_ex(JSON_PARSE_DEPTH_MAX);
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
