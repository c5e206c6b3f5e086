/*
 * types.c - which types and relations can be stored, what their stored forms mean, and the names of statuses,
 * priorities and the like.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "column/column_internal.h"

/* The types that most columns have, without a look into the catalog. */
static bool
common_type(Oid type, StrataType *t)
{
	static const struct
	{
		Oid oid;
		StrataRep rep;
		int16 len;
		char align;
	} common[] = {
		{BOOLOID, STRATA_REP_BOOL, 1, TYPALIGN_CHAR},
		{INT2OID, STRATA_REP_INT2, 2, TYPALIGN_SHORT},
		{INT4OID, STRATA_REP_INT4, 4, TYPALIGN_INT},
		{DATEOID, STRATA_REP_INT4, 4, TYPALIGN_INT},
		{INT8OID, STRATA_REP_INT8, 8, TYPALIGN_DOUBLE},
		{TIMESTAMPOID, STRATA_REP_INT8, 8, TYPALIGN_DOUBLE},
		{TIMESTAMPTZOID, STRATA_REP_INT8, 8, TYPALIGN_DOUBLE},
		{FLOAT4OID, STRATA_REP_FLOAT4, 4, TYPALIGN_INT},
		{FLOAT8OID, STRATA_REP_FLOAT8, 8, TYPALIGN_DOUBLE},
		{NUMERICOID, STRATA_REP_NUMERIC, -1, TYPALIGN_INT},
		{TEXTOID, STRATA_REP_VARLENA, -1, TYPALIGN_INT},
		{VARCHAROID, STRATA_REP_VARLENA, -1, TYPALIGN_INT},
		{BPCHAROID, STRATA_REP_VARLENA, -1, TYPALIGN_INT},
	};

	for (int i = 0; i < lengthof(common); i++)
		if (common[i].oid == type)
		{
			*t = (StrataType){common[i].rep, type, common[i].len, common[i].align, true};
			return true;
		}
	return false;
}

/* Types of four bytes that are compared as oids are: without a sign. */
static bool
looks_like_oid(Form_pg_type form)
{
	switch (form->oid)
	{
		case OIDOID:
		case XIDOID:
		case CIDOID:
			return true;
		default:
			return form->typtype == TYPTYPE_ENUM || IsBinaryCoercible(form->oid, OIDOID);
	}
}

/* Any type by its shape.  Left in the heap: C strings, and what is no type of a value. */
static bool
type_by_shape(Form_pg_type form, StrataRep *rep)
{
	if (form->typtype == TYPTYPE_PSEUDO || form->typtype == TYPTYPE_DOMAIN || !form->typisdefined)
		return false;
	if (form->typlen == -1)
		*rep = STRATA_REP_VARLENA;
	else if (form->typlen <= 0)
		return false;
	else if (!form->typbyval)
		*rep = STRATA_REP_FIXED;
	else
		switch (form->typlen)
		{
			case 1:
				*rep = STRATA_REP_UINT1;
				break;
			case 2:
				*rep = STRATA_REP_INT2;
				break;
			case 4:
				*rep = looks_like_oid(form) ? STRATA_REP_UINT4 : STRATA_REP_INT4;
				break;
			case 8:
				*rep = STRATA_REP_INT8;
				break;
			default:
				return false;
		}
	return true;
}

bool
strata_column_type(Oid type, StrataType *t)
{
	Oid base = type;
	HeapTuple tuple;
	Form_pg_type form;
	bool known;

	if (common_type(type, t))
		return true;
	if (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		base = getBaseType(type);
		if (common_type(base, t))
			return true;
	}
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(base));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type)GETSTRUCT(tuple);
	known = type_by_shape(form, &t->rep);
	t->base = base;
	t->len = form->typlen;
	t->align = form->typalign;
	t->toastable = form->typstorage != TYPSTORAGE_PLAIN;
	ReleaseSysCache(tuple);
	return known;
}

bool
strata_column_rep(Oid type, StrataRep *rep)
{
	StrataType t;

	if (!strata_column_type(type, &t))
		return false;
	*rep = t.rep;
	return true;
}

Datum
strata_int_datum(StrataRep rep, int64 value)
{
	/* Narrow types as fetch_att() makes them: with the sign that their bits have. */
	switch (rep)
	{
		case STRATA_REP_BOOL:
			return BoolGetDatum(value != 0);
		case STRATA_REP_UINT1:
			return CharGetDatum((char)value);
		case STRATA_REP_INT2:
			return Int16GetDatum((int16)value);
		case STRATA_REP_INT4:
		case STRATA_REP_UINT4:
			return Int32GetDatum((int32)value);
		default:
			return Int64GetDatum(value);
	}
}

int64
strata_datum_int(StrataRep rep, Datum d)
{
	switch (rep)
	{
		case STRATA_REP_BOOL:
			return DatumGetBool(d);
		case STRATA_REP_UINT1:
			return (uint8)DatumGetChar(d);
		case STRATA_REP_INT2:
			return DatumGetInt16(d);
		case STRATA_REP_INT4:
			return DatumGetInt32(d);
		case STRATA_REP_UINT4:
			return DatumGetUInt32(d);
		default:
			return DatumGetInt64(d);
	}
}

Datum
strata_copy_image(const StrataType *t, const char *image, MemoryContext context)
{
	uint32 len;
	const char *value = image;
	char *copy;

	if (t->rep == STRATA_REP_FIXED)
	{
		value = strata_bytes_key(image, VARSIZE_ANY(image), &len);
		Assert(len == (uint32)t->len);
		if (t->align == TYPALIGN_CHAR)
			return PointerGetDatum(value);
	}
	else
		len = VARSIZE_ANY(image);
	copy = MemoryContextAlloc(context, len);
	memcpy(copy, value, len);
	return PointerGetDatum(copy);
}

/* ---- order and equality of stored forms ---- */

bool
strata_type_ordered_as_int(Oid type)
{
	switch (getBaseType(type))
	{
		case BOOLOID:
		case CHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case CASHOID:
		case OIDOID:
			return true;
		default:
			return false;
	}
}

bool
strata_type_ordered_as_bytes(Oid type, Oid collation)
{
	switch (getBaseType(type))
	{
		case BYTEAOID:
		case UUIDOID:
		case MACADDROID:
		case MACADDR8OID:
			return true;
		case TEXTOID:
		case VARCHAROID:
		case NAMEOID: /* what is behind the first zero byte only refines the order */
			return OidIsValid(collation) && lc_collate_is_c(collation);
		default:
			return false;
	}
}

bool
strata_type_image_equal(Oid type, Oid collation)
{
	Oid base = getBaseType(type);
	TypeCacheEntry *cache;
	Oid proc;

	switch (base)
	{
		case BPCHAROID:	  /* trailing blanks do not count, and without a length they vary */
		case INTERVALOID: /* 1 month = 30 days; 15's catalog says otherwise */
			return false;
	}
	cache = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
	/* Without a collation such a type has no equality, but an error. */
	if (!OidIsValid(cache->btree_opf) || (type_is_collatable(base) && !OidIsValid(collation)))
		return false;
	/* What btree asks before it keeps equal keys once. */
	proc =
		get_opfamily_proc(cache->btree_opf, cache->btree_opintype, cache->btree_opintype, BTEQUALIMAGE_PROC);
	return OidIsValid(proc) &&
		   DatumGetBool(OidFunctionCall1Coll(proc, collation, ObjectIdGetDatum(cache->btree_opintype)));
}

const char *
strata_store_check_relation(Relation rel, int *sqlstate)
{
	*sqlstate = ERRCODE_WRONG_OBJECT_TYPE;
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			break;
		case RELKIND_MATVIEW:
			if (rel->rd_rel->relispopulated)
				break;
			*sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
			return "a materialized view must be populated first";
		case RELKIND_PARTITIONED_TABLE:
			return "a partitioned table has no rows of its own";
		case RELKIND_VIEW:
			return "a view cannot be stored in columns";
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table cannot be stored in columns";
		case RELKIND_TOASTVALUE:
			return "a TOAST table cannot be stored in columns";
		default:
			return "only tables and materialized views can be stored in columns";
	}
	if (IsCatalogRelation(rel))
	{
		*sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
		return "a system catalog cannot be stored in columns";
	}
	*sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "a temporary table cannot be stored in columns: its pages carry no LSN";
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		return "an unlogged table cannot be stored in columns: its pages carry no LSN";
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		return "only tables of access method heap can be stored in columns";
	return NULL;
}

/* ---- names ---- */

static const char *const status_names[] = {
	[STRATA_TABLE_DISABLED] = "disabled",
	[STRATA_TABLE_QUEUED] = "queued",
	[STRATA_TABLE_POPULATING] = "populating",
	[STRATA_TABLE_POPULATED] = "populated",
	[STRATA_TABLE_PARTIAL] = "partial",
	[STRATA_TABLE_STALE] = "stale",
	[STRATA_TABLE_OUT_OF_MEMORY] = "out_of_memory",
};

static const char *const priority_names[] = {
	[STRATA_PRIORITY_LOW] = "low",
	[STRATA_PRIORITY_MEDIUM] = "medium",
	[STRATA_PRIORITY_HIGH] = "high",
	[STRATA_PRIORITY_CRITICAL] = "critical",
};

static const char *const reason_names[] = {
	[STRATA_EVICT_MEMORY_PRESSURE] = "memory_pressure",
	[STRATA_EVICT_POLICY] = "policy",
	[STRATA_EVICT_MANUAL] = "manual",
	[STRATA_EVICT_DDL] = "ddl",
};

static const struct
{
	const char *name;
	int value;
} compressions[] = {
	{"auto", -1},
	{"dictionary", STRATA_ENC_DICT},
	{"rle", STRATA_ENC_RLE},
	{"for", STRATA_ENC_FOR},
	{"delta", STRATA_ENC_DELTA},
	{"raw", STRATA_ENC_RAW},
	{"fsst", STRATA_ENC_FSST},
};

const char *
strata_status_name(StrataTableStatus status)
{
	return status_names[status];
}

const char *
strata_priority_name(StrataPriority priority)
{
	return priority_names[priority];
}

const char *
strata_evict_reason_name(StrataEvictReason reason)
{
	return reason_names[reason];
}

bool
strata_priority_parse(const char *name, StrataPriority *priority)
{
	for (int i = 0; i < lengthof(priority_names); i++)
		if (pg_strcasecmp(name, priority_names[i]) == 0)
		{
			*priority = (StrataPriority)i;
			return true;
		}
	return false;
}

bool
strata_compression_parse(const char *name, int *compression)
{
	for (int i = 0; i < lengthof(compressions); i++)
		if (pg_strcasecmp(name, compressions[i].name) == 0)
		{
			*compression = compressions[i].value;
			return true;
		}
	return false;
}

const char *
strata_compression_name(int compression)
{
	for (int i = 0; i < lengthof(compressions); i++)
		if (compressions[i].value == compression)
			return compressions[i].name;
	return "auto";
}

const char *
strata_populate_result_text(StrataPopulateResult result)
{
	switch (result)
	{
		case STRATA_POPULATE_NO_MEMORY:
			return "strata.memory is exhausted";
		case STRATA_POPULATE_TOO_LARGE:
			return "a unit holds more than 256 MB of values and stays in the heap";
		case STRATA_POPULATE_NO_LSN:
			return "the table was loaded under wal_level = minimal, so that its visibility map carries no "
				   "LSN; "
				   "rewrite it (VACUUM FULL) under a higher level";
		case STRATA_POPULATE_GONE:
			return "the table was disabled, evicted or rewritten meanwhile";
		case STRATA_POPULATE_NOTHING:
			return "its rows are too new: not every snapshot sees them yet";
		case STRATA_POPULATE_DONE:
		case STRATA_POPULATE_UNCHANGED:
			break;
	}
	return NULL;
}
