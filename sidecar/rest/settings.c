/*
 * settings.c - the settings of pg_strata: showing them, and changing them by ALTER SYSTEM.
 *
 * Which settings may be changed where is said by the bodies in schemas.def, and what is shown beside them by
 * the lists here.
 *
 * ALTER SYSTEM is one setting a statement and cannot be rolled back, and a request must change all or
 * nothing. So every value is checked first against what pg_settings says of it; what only the server can
 * check (its check hooks, privileges) may still fail on the way, and then the settings written before are put
 * back to what postgresql.auto.conf had.
 *
 * ALTER SYSTEM takes no parameters.  Names come from a table of ours; values are rebuilt from what they were
 * parsed to: a number, a word of the setting's own list, on or off.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/mem.h"
#include "http/response.h"
#include "pg/pool.h"
#include "pg/result.h"
#include "rest/handlers.h"
#include "rest/schema.h"
#include "rest/sql.h"

/* More than any body has fields. */
#define CHANGES_MAX 24
#define VALUE_MAX	64

typedef struct SettingChange
{
	char name[64];		   /* strata.memory */
	char value[VALUE_MAX]; /* "" resets */
	char *before;		   /* in postgresql.auto.conf; NULL: not there */
	bool restart_needed;
} SettingChange;

typedef struct SettingChanges
{
	SettingChange item[CHANGES_MAX];
	int count;
	int applied;
	/* Why the rest was not applied, while those before are put back. */
	Status failure;
	char *message, *hint, *sqlstate;
} SettingChanges;

static void apply_next(Request *req);
static void undo_next(Request *req);

/* ---- GET ---- */

static void
config_rows(Request *req, const PGresult *result)
{
	JsonWriter json;

	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "node", req->app->config.node_name);
	jsonw_key(&json, "settings");
	jsonw_array_begin(&json);
	for (int row = 0; row < PQntuples(result); row++)
		result_write_row(&json, result, row);
	jsonw_array_end(&json);
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}

/* The settings that the body `schema` can change, and `more` ("strata.x", or NULL). */
static void
show_settings(Request *req, const char *schema, const char *more)
{
	int count;
	const SchemaField *fields = schema_fields(&count);
	Buf names = {0};
	Buf sql = {0};
	const char *params[1];

	buf_printf(&names, "{%s", more ? more : "");
	for (int i = 0; i < count; i++)
		if (strcmp(fields[i].schema, schema) == 0)
			buf_printf(&names, "%sstrata.%s", names.len > 1 ? "," : "", fields[i].name);
	buf_putc(&names, '}');
	params[0] = buf_text(&names);
	buf_puts(&sql, "SELECT ");
	schema_columns(&sql, "Setting");
	buf_puts(&sql, " FROM strata.settings WHERE name = ANY ($1::text[]) ORDER BY name");
	sql_run(req, buf_text(&sql), 1, params, config_rows);
	buf_free(&sql);
	buf_free(&names);
}

void
inmemory_config(Request *req)
{
	Buf sql = {0};

	buf_puts(&sql, "SELECT ");
	schema_columns(&sql, "Setting");
	buf_puts(&sql, " FROM strata.settings ORDER BY name");
	sql_run(req, buf_text(&sql), 0, NULL, config_rows);
	buf_free(&sql);
}

void
memory_config(Request *req)
{
	show_settings(req, "MemoryConfigBody", NULL);
}

/* strata.cold_path names a file of the server: who may log in there changes it, not who may ask stratad. */
void
buffer_config(Request *req)
{
	show_settings(req, "BufferConfigBody", "strata.cold_path");
}

void
buffer_prefetch_config(Request *req)
{
	show_settings(req, "PrefetchConfigBody", NULL);
}

/* ---- checking ---- */

/* Bytes of a memory unit as pg_settings and people write it ("kB", "8kB", "MB"); 0 when it is none. */
static double
unit_bytes(const char *unit)
{
	static const struct
	{
		const char *name;
		double bytes;
	} units[] = {{"B", 1}, {"kB", 1024}, {"MB", 1048576}, {"GB", 1073741824}, {"TB", 1099511627776.0}};
	char *rest;
	double times = strtod(unit, &rest);

	if (rest == unit)
		times = 1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(rest, units[i].name) == 0)
			return times * units[i].bytes;
	return 0;
}

/*
 * A number of the client: JSON numbers of a memory setting are bytes, text may name a unit and without one
 * has the setting's own, as in postgresql.conf.  Writes the text for ALTER SYSTEM.
 */
static bool
check_number(json_object *value, bool whole, const char *unit, const char *min, const char *max,
			 char out[VALUE_MAX])
{
	double base = unit ? unit_bytes(unit) : 0;
	double number;
	double scale = 1;

	if (json_object_is_type(value, json_type_string))
	{
		const char *text = json_object_get_string(value);
		char *rest;

		errno = 0;
		number = strtod(text, &rest);
		if (rest == text || errno != 0 || strspn(text, "0123456789.+-eE ") < (size_t)(rest - text))
			return false;
		while (*rest == ' ')
			rest++;
		if (*rest != '\0')
		{
			/* Without a unit of its own the setting counts something that has none. */
			if (base == 0 || isdigit((unsigned char)*rest) || unit_bytes(rest) == 0)
				return false;
			scale = unit_bytes(rest) / base;
		}
	}
	else
	{
		if (json_object_is_type(value, json_type_boolean))
			return false;
		number = json_object_get_double(value);
		if (base > 0)
			scale = 1 / base;
	}
	number *= scale;
	if (whole)
		number = nearbyint(number);
	if (!isfinite(number) || !min || !max || number < strtod(min, NULL) || number > strtod(max, NULL))
		return false;
	/* In the setting's own unit, which ALTER SYSTEM then assumes. */
	snprintf(out, VALUE_MAX, whole ? "%.0f" : "%.15g", number);
	return true;
}

static bool
check_bool(json_object *value, char out[VALUE_MAX])
{
	const char *text = json_object_get_string(value);

	if (strcasecmp(text, "true") == 0 || strcasecmp(text, "on") == 0)
		strcpy(out, "on");
	else if (strcasecmp(text, "false") == 0 || strcasecmp(text, "off") == 0)
		strcpy(out, "off");
	else
		return false;
	return true;
}

/* `enumvals` is an array literal; its words are made of letters, digits and '_'. */
static bool
check_enum(json_object *value, const char *enumvals, char out[VALUE_MAX])
{
	const char *text = json_object_get_string(value);
	size_t len = strlen(text);

	if (!enumvals || len == 0 || len >= VALUE_MAX ||
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != len)
		return false;
	for (const char *at = enumvals; *at; at++)
		if (strncasecmp(at, text, len) == 0 && (at[len] == ',' || at[len] == '}' || at[len] == '"') &&
			at > enumvals && (at[-1] == ',' || at[-1] == '{' || at[-1] == '"'))
		{
			strcpy(out, text);
			return true;
		}
	return false;
}

static bool
check_value(json_object *value, const PGresult *result, int row, char out[VALUE_MAX])
{
	const char *type = result_text(result, row, "type");

	if (!value)
		return out[0] = '\0', true;
	if (strcmp(type, "bool") == 0)
		return check_bool(value, out);
	if (strcmp(type, "enum") == 0)
		return check_enum(value, result_text(result, row, "enumvals"), out);
	if (strcmp(type, "integer") == 0 || strcmp(type, "real") == 0)
		return check_number(value, type[0] == 'i', result_text(result, row, "unit"),
							result_text(result, row, "min_val"), result_text(result, row, "max_val"), out);
	return false;
}

static void
reply_bad_setting(Request *req, const char *field, const PGresult *result, int row)
{
	const char *type = result_text(result, row, "type");
	const char *unit = result_text(result, row, "unit");

	if (strcmp(type, "enum") == 0)
		reply_problem(req, STATUS_INVALID_PARAMETER, "Field \"%s\" must be one of %s", field,
					  result_text(result, row, "enumvals"));
	else if (strcmp(type, "bool") == 0)
		reply_problem(req, STATUS_INVALID_PARAMETER, "Field \"%s\" must be true or false", field);
	else
		reply_problem(req, STATUS_INVALID_PARAMETER, "Field \"%s\" must be between %s and %s%s%s", field,
					  result_text(result, row, "min_val"), result_text(result, row, "max_val"),
					  unit ? " times " : "", unit ? unit : "");
}

static int
setting_row(const PGresult *result, const char *name)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(result_text(result, row, "name"), name) == 0)
			return row;
	return -1;
}

/* ---- applying ---- */

static void
changes_free(void *state)
{
	SettingChanges *changes = state;

	for (int i = 0; i < changes->count; i++)
		mem_free(changes->item[i].before);
	mem_free(changes->message);
	mem_free(changes->hint);
	mem_free(changes->sqlstate);
	mem_free(changes);
}

static void
changes_reply(Request *req, const PGresult *result)
{
	const SettingChanges *changes = req->state;
	JsonWriter json;

	(void)result;
	if (changes->failure != STATUS_OK)
	{
		reply_problem_full(req, &(Problem){.status = changes->failure,
										   .detail = changes->message,
										   .hint = changes->hint,
										   .sqlstate = changes->sqlstate});
		return;
	}
	reply_json_begin(req, &json);
	jsonw_object_begin(&json);
	jsonw_key_string(&json, "node", req->app->config.node_name);
	jsonw_key(&json, "changed");
	jsonw_array_begin(&json);
	for (int i = 0; i < changes->count; i++)
		jsonw_string(&json, changes->item[i].name);
	jsonw_array_end(&json);
	jsonw_key(&json, "restart_needed");
	jsonw_array_begin(&json);
	for (int i = 0; i < changes->count; i++)
		if (changes->item[i].restart_needed)
			jsonw_string(&json, changes->item[i].name);
	jsonw_array_end(&json);
	jsonw_object_end(&json);
	reply_json_send(req, 200);
}

static void
alter_system(Buf *sql, const char *name, const char *value)
{
	if (!value || value[0] == '\0')
	{
		buf_printf(sql, "ALTER SYSTEM RESET %s", name);
		return;
	}
	buf_printf(sql, "ALTER SYSTEM SET %s = '", name);
	for (; *value; value++)
	{
		/* Only what stood in the file before can hold either. */
		if (*value == '\'' || *value == '\\')
			buf_putc(sql, *value);
		buf_putc(sql, *value);
	}
	buf_putc(sql, '\'');
}

static void
reload(Request *req)
{
	sql_run(req, "SELECT pg_catalog.pg_reload_conf()", 0, NULL, changes_reply);
}

static void
undone_one(Request *req, const PGresult *result)
{
	SettingChanges *changes = req->state;

	(void)result;
	changes->applied--;
	undo_next(req);
}

static void
undo_failed(Request *req, const PgOutcome *outcome)
{
	SettingChanges *changes = req->state;
	const char *name = changes->item[changes->applied - 1].name;

	log_error("%s was changed and could not be put back: %s", name, outcome->message);
	reply_problem(req, changes->failure, "%s; and %s was changed and could not be put back: %s",
				  changes->message, name, outcome->message);
}

static void
undo_next(Request *req)
{
	SettingChanges *changes = req->state;
	Buf sql = {0};

	if (changes->applied == 0)
	{
		changes_reply(req, NULL);
		return;
	}
	alter_system(&sql, changes->item[changes->applied - 1].name, changes->item[changes->applied - 1].before);
	sql_run_or(req, buf_text(&sql), 0, NULL, undone_one, undo_failed);
	buf_free(&sql);
}

static void
apply_failed(Request *req, const PgOutcome *outcome)
{
	SettingChanges *changes = req->state;

	changes->failure = outcome->status;
	changes->message = mem_strdup(outcome->message);
	changes->hint = mem_strdup(outcome->hint);
	changes->sqlstate = outcome->sqlstate[0] ? mem_strdup(outcome->sqlstate) : NULL;
	undo_next(req);
}

static void
applied_one(Request *req, const PGresult *result)
{
	SettingChanges *changes = req->state;

	(void)result;
	changes->applied++;
	apply_next(req);
}

static void
apply_next(Request *req)
{
	SettingChanges *changes = req->state;
	Buf sql = {0};

	if (changes->applied == changes->count)
	{
		reload(req);
		return;
	}
	alter_system(&sql, changes->item[changes->applied].name, changes->item[changes->applied].value);
	sql_run_or(req, buf_text(&sql), 0, NULL, applied_one, apply_failed);
	buf_free(&sql);
}

static void
before_rows(Request *req, const PGresult *result)
{
	SettingChanges *changes = req->state;

	/* The last line of a name is the one in force. */
	for (int row = 0; row < PQntuples(result); row++)
		for (int i = 0; i < changes->count; i++)
			if (strcmp(changes->item[i].name, result_text(result, row, "name")) == 0)
			{
				mem_free(changes->item[i].before);
				changes->item[i].before = mem_strdup(result_text(result, row, "setting"));
			}
	apply_next(req);
}

static void
change_rows(Request *req, const PGresult *result)
{
	SettingChanges *changes = mem_alloc(sizeof(SettingChanges));

	req->state = changes;
	req->free_state = changes_free;
	json_object_object_foreach(req->json, field, value)
	{
		SettingChange *change = &changes->item[changes->count];
		int row;

		snprintf(change->name, sizeof(change->name), "strata.%s", field);
		row = setting_row(result, change->name);
		if (row < 0)
		{
			reply_problem(req, STATUS_UNKNOWN_PARAMETER, "This server has no setting %s", change->name);
			return;
		}
		if (!check_value(value, result, row, change->value))
		{
			reply_bad_setting(req, field, result, row);
			return;
		}
		change->restart_needed = result_text(result, row, "restart_needed")[0] == 't';
		changes->count++;
	}
	sql_run(req,
			"SELECT name, setting FROM pg_catalog.pg_file_settings "
			"WHERE sourcefile LIKE '%postgresql.auto.conf' AND name LIKE 'strata.%' ORDER BY seqno",
			0, NULL, before_rows);
}

static void
change_settings(Request *req)
{
	if (json_object_object_length(req->json) == 0)
	{
		reply_problem(req, STATUS_INVALID_PARAMETER, "Name at least one setting");
		return;
	}
	sql_run(req, "SELECT name, type, unit, min_val, max_val, enumvals, restart_needed FROM strata.settings",
			0, NULL, change_rows);
}

void
inmemory_config_change(Request *req)
{
	change_settings(req);
}

void
memory_config_change(Request *req)
{
	change_settings(req);
}

void
buffer_config_change(Request *req)
{
	change_settings(req);
}

void
buffer_prefetch_config_change(Request *req)
{
	change_settings(req);
}
