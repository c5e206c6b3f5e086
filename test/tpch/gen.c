/*
 * gen.c - writes the eight tables of TPC-H, or some of them, one file a table, fields separated by '|'.
 *
 * gen SCALE DIRECTORY [-s SEED] [TABLE...].  Own generator, written from the public specification (revision
 * 3, clauses 1.4 and 4.2): row counts, domains, sparse order keys, rules between dates, prices and suppliers,
 * and text made of the specification's words by its grammar.  The random numbers are not dbgen's, so answers
 * are not the official ones and times are not TPC-H results.
 *
 * Each field is a function of table, row, column and seed alone (draw()), so a table can be written without
 * the others, and agrees with them.  Money is in cents, a date is days since 1970-01-01.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array)	(sizeof(array) / sizeof(*(array)))
#define START_DATE		8035  /* 1992-01-01 */
#define LAST_ORDER_DATE 10440 /* 1998-08-02, 151 days before the end of 1998 */
#define CURRENT_DATE	9298  /* 1995-06-17: what ships later is open */
#define MAX_ROW			1024  /* bytes; the longest row, of partsupp, has some 250 */
#define LINES_MAX		7

typedef enum
{
	REGION,
	NATION,
	SUPPLIER,
	PART,
	PARTSUPP,
	CUSTOMER,
	ORDERS,
	LINEITEM
} Table;

/* Columns that are drawn; others follow from them. */
typedef enum
{
	ADDRESS = 1,
	NATIONKEY,
	PHONE,
	ACCTBAL,
	COMMENT,
	SPECIAL,
	NAME,
	BRAND,
	TYPE,
	SIZE,
	CONTAINER,
	AVAILQTY,
	SUPPLYCOST,
	SEGMENT,
	CUSTKEY,
	ORDERDATE,
	PRIORITY,
	CLERK,
	LINES,
	PARTKEY,
	SUPPKEY,
	QUANTITY,
	DISCOUNT,
	TAX,
	RETURNFLAG,
	SHIPDATE,
	COMMITDATE,
	RECEIPTDATE,
	INSTRUCT,
	MODE
} Column;

static uint64_t seed = 42;
static int64_t suppliers, parts, customers, orders, clerks;

/* ---- random numbers ---- */

/* A stream of numbers that belongs to one field. */
typedef struct
{
	uint64_t state;
} Field;

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* splitmix64 (Steele, Lea, Flood 2014), begun at a place that the field's coordinates choose. */
static Field
field(Table table, int64_t row, Column column)
{
	return (Field){mix(seed + mix((uint64_t)row * 4096 + (uint64_t)table * 128 + column))};
}

static uint32_t
next(Field *f)
{
	f->state += UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(mix(f->state) >> 32);
}

/* Both ends included; the bias of a multiplication instead of a division is below 2^-32 times the range. */
static int64_t
between(Field *f, int64_t low, int64_t high)
{
	return low + (int64_t)(((uint64_t)next(f) * (uint64_t)(high - low + 1)) >> 32);
}

static int64_t
draw(Table table, int64_t row, Column column, int64_t low, int64_t high)
{
	Field f = field(table, row, column);

	return between(&f, low, high);
}

/* ---- words (clause 4.2.2.13 and 4.2.2.14) ---- */

static const char *const nouns[] = {
	"foxes", "ideas", "theodolites", "pinto beans", "instructions", "dependencies", "excuses", "platelets",
	"asymptotes", "courts", "dolphins", "multipliers", "sauternes", "warthogs", "frets", "dinos",
	"attainments", "somas", "Tiresias'", "patterns", "forges", "braids", "hockey players", "frays",
	"warhorses", "dugouts", "notornis", "epitaphs", "pearls", "tithes", "waters", "orbits", "gifts",
	"sheaves", "depths", "sentiments", "decoys", "realms", "pains", "grouches", "escapades",
	/* Weighted: what the queries look for. */
	"packages", "packages", "requests", "requests", "requests", "accounts", "accounts", "deposits",
	"deposits"};
static const char *const verbs[] = {
	"sleep",  "wake",	"are",		 "cajole",	 "haggle", "nag",	"use",	   "boost",
	"affix",  "detect", "integrate", "maintain", "nod",	   "was",	"lose",	   "sublate",
	"solve",  "thrash", "promise",	 "engage",	 "hinder", "print", "x-ray",   "breach",
	"eat",	  "grow",	"impress",	 "mold",	 "poach",  "serve", "run",	   "dazzle",
	"snooze", "doze",	"unwind",	 "kindle",	 "play",   "hang",	"believe", "doubt"};
static const char *const adjectives[] = {
	"furious",	"sly",	   "careful", "blithe",	 "quick",	"fluffy", "slow",	  "quiet",
	"ruthless", "thin",	   "close",	  "dogged",	 "daring",	"brave",  "stealthy", "permanent",
	"enticing", "idle",	   "busy",	  "regular", "final",	"ironic", "even",	  "bold",
	"silent",	"special", "special", "pending", "unusual", "express"};
static const char *const adverbs[] = {
	"sometimes", "always",	  "never",	 "furiously",  "slyly",		  "carefully",	"blithely",
	"quickly",	 "fluffily",  "slowly",	 "quietly",	   "ruthlessly",  "thinly",		"closely",
	"doggedly",	 "daringly",  "bravely", "stealthily", "permanently", "enticingly", "idly",
	"busily",	 "regularly", "finally", "ironically", "evenly",	  "boldly",		"silently"};
static const char *const prepositions[] = {
	"about",		"above",   "according to", "across",  "after",		 "against", "along",
	"alongside of", "among",   "around",	   "at",	  "atop",		 "before",	"behind",
	"beneath",		"beside",  "besides",	   "between", "beyond",		 "by",		"despite",
	"during",		"except",  "for",		   "from",	  "in place of", "inside",	"instead of",
	"into",			"near",	   "of",		   "on",	  "outside",	 "over",	"past",
	"since",		"through", "throughout",   "to",	  "toward",		 "under",	"until",
	"up",			"upon",	   "without",	   "with",	  "within"};
static const char *const auxiliaries[] = {
	"do",			"may",			"might",		 "shall",		  "will",
	"would",		"can",			"could",		 "should",		  "ought to",
	"must",			"will have to", "shall have to", "could have to", "should have to",
	"must have to", "need to",		"try to"};
static const char *const terminators[] = {".", ";", ":", "?", "!", "--"};
static const char *const colours[] = {
	"almond",	 "antique",	   "aquamarine", "azure",	  "beige",	   "bisque",	 "black",	  "blanched",
	"blue",		 "blush",	   "brown",		 "burlywood", "burnished", "chartreuse", "chiffon",	  "chocolate",
	"coral",	 "cornflower", "cornsilk",	 "cream",	  "cyan",	   "dark",		 "deep",	  "dim",
	"dodger",	 "drab",	   "firebrick",	 "floral",	  "forest",	   "frosted",	 "gainsboro", "ghost",
	"goldenrod", "green",	   "grey",		 "honeydew",  "hot",	   "indian",	 "ivory",	  "khaki",
	"lace",		 "lavender",   "lawn",		 "lemon",	  "light",	   "lime",		 "linen",	  "magenta",
	"maroon",	 "medium",	   "metallic",	 "midnight",  "mint",	   "misty",		 "moccasin",  "navajo",
	"navy",		 "olive",	   "orange",	 "orchid",	  "pale",	   "papaya",	 "peach",	  "peru",
	"pink",		 "plum",	   "powder",	 "puff",	  "purple",	   "red",		 "rose",	  "rosy",
	"royal",	 "saddle",	   "salmon",	 "sandy",	  "seashell",  "sienna",	 "sky",		  "slate",
	"smoke",	 "snow",	   "spring",	 "steel",	  "tan",	   "thistle",	 "tomato",	  "turquoise",
	"violet",	 "wheat",	   "white",		 "yellow"};
static const char *const regions[] = {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"};
static const struct
{
	const char *name;
	int region;
} nations[] = {
	{"ALGERIA", 0},		 {"ARGENTINA", 1},	{"BRAZIL", 1},	{"CANADA", 1},		   {"EGYPT", 4},
	{"ETHIOPIA", 0},	 {"FRANCE", 3},		{"GERMANY", 3}, {"INDIA", 2},		   {"INDONESIA", 2},
	{"IRAN", 4},		 {"IRAQ", 4},		{"JAPAN", 2},	{"JORDAN", 4},		   {"KENYA", 0},
	{"MOROCCO", 0},		 {"MOZAMBIQUE", 0}, {"PERU", 1},	{"CHINA", 2},		   {"ROMANIA", 3},
	{"SAUDI ARABIA", 4}, {"VIETNAM", 2},	{"RUSSIA", 3},	{"UNITED KINGDOM", 3}, {"UNITED STATES", 1}};
static const char *const type_1[] = {"STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"};
static const char *const type_2[] = {"ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"};
static const char *const type_3[] = {"TIN", "NICKEL", "BRASS", "STEEL", "COPPER"};
static const char *const container_1[] = {"SM", "LG", "MED", "JUMBO", "WRAP"};
static const char *const container_2[] = {"CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"};
static const char *const segments[] = {"AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"};
static const char *const priorities[] = {"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"};
static const char *const instructions[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"};
static const char *const modes[] = {"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"};

#define ANY(f, words) ((words)[between(f, 0, LENGTH(words) - 1)])

/* ---- writing ---- */

static char *
put(char *p, const char *text)
{
	size_t n = strlen(text);

	memcpy(p, text, n);
	return p + n;
}

static char *
put_int(char *p, int64_t value)
{
	char digits[24];
	int n = 0;
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	if (value < 0)
		*p++ = '-';
	do
		digits[n++] = '0' + left % 10;
	while (left /= 10);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

/* With leading zeros. */
static char *
put_padded(char *p, int64_t value, int width)
{
	for (int i = width; i-- > 0; value /= 10)
		p[i] = '0' + value % 10;
	return p + width;
}

static char *
put_cents(char *p, int64_t cents)
{
	if (cents < 0)
	{
		*p++ = '-';
		cents = -cents;
	}
	p = put_int(p, cents / 100);
	*p++ = '.';
	return put_padded(p, cents % 100, 2);
}

/* Howard Hinnant's civil_from_days, for days of our years. */
static char *
put_date(char *p, int day)
{
	unsigned z = (unsigned)day + 719468, era = z / 146097, doe = z - era * 146097;
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	unsigned d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);

	p = put_padded(p, y, 4);
	*p++ = '-';
	p = put_padded(p, m, 2);
	*p++ = '-';
	return put_padded(p, d, 2);
}

static char *
word(char *p, const char *text)
{
	return put(put(p, text), " ");
}

static char *
noun_phrase(char *p, Field *f)
{
	switch (between(f, 0, 3))
	{
		case 1:
			p = word(p, ANY(f, adjectives));
			break;
		case 2:
			p = word(put(put(p, ANY(f, adjectives)), ", "), ANY(f, adjectives));
			break;
		case 3:
			p = word(word(p, ANY(f, adverbs)), ANY(f, adjectives));
			break;
	}
	return word(p, ANY(f, nouns));
}

static char *
verb_phrase(char *p, Field *f)
{
	int64_t kind = between(f, 0, 3);

	if (kind & 1)
		p = word(p, ANY(f, auxiliaries));
	p = word(p, ANY(f, verbs));
	return kind & 2 ? word(p, ANY(f, adverbs)) : p;
}

static char *
prepositional_phrase(char *p, Field *f)
{
	return noun_phrase(put(word(p, ANY(f, prepositions)), "the "), f);
}

static char *
sentence(char *p, Field *f)
{
	int64_t kind = between(f, 0, 4);

	p = noun_phrase(p, f);
	if (kind >= 3)
		p = prepositional_phrase(p, f);
	p = verb_phrase(p, f);
	if (kind == 1 || kind == 4)
		p = prepositional_phrase(p, f);
	else if (kind >= 2)
		p = noun_phrase(p, f);
	return word(put(p - 1, ANY(f, terminators)), "");
}

/* A piece of a text, so it may begin and end within a word; low to high characters. */
static char *
put_text(char *p, Field f, int low, int high)
{
	char text[1024], *end = text;
	int64_t skip = between(&f, 0, 11), length = between(&f, low, high);

	while (end - text < skip + length)
		end = sentence(end, &f);
	memcpy(p, text + skip, (size_t)length);
	return p + length;
}

static char *
put_address(char *p, Field f)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ,.";
	int64_t length = between(&f, 10, 40);

	while (length-- > 0)
		*p++ = alphabet[between(&f, 0, sizeof(alphabet) - 2)];
	return p;
}

static char *
put_phone(char *p, Field f, int64_t nation)
{
	p = put_int(p, nation + 10);
	*p++ = '-';
	p = put_int(p, between(&f, 100, 999));
	*p++ = '-';
	p = put_int(p, between(&f, 100, 999));
	*p++ = '-';
	return put_int(p, between(&f, 1000, 9999));
}

/* ---- rules between fields ---- */

static int64_t
retail_price(int64_t part)
{
	return 90000 + (part / 10) % 20001 + 100 * (part % 1000);
}

/* The i-th, of 0 to 3, of the four suppliers of a part (clause 4.2.3). */
static int64_t
supplier_of(int64_t part, int64_t i)
{
	return (part + i * (suppliers / 4 + (part - 1) / suppliers)) % suppliers + 1;
}

/* Eight keys of each 32 are used. */
static int64_t
order_key(int64_t order)
{
	return (order - 1) / 8 * 32 + (order - 1) % 8 + 1;
}

static int
order_date(int64_t order)
{
	return (int)draw(ORDERS, order, ORDERDATE, START_DATE, LAST_ORDER_DATE);
}

static int
order_lines(int64_t order)
{
	return (int)draw(ORDERS, order, LINES, 1, LINES_MAX);
}

/* What orders and lineitem must agree on. */
typedef struct
{
	int64_t id, part, supplier, quantity, price;
	int discount, tax, shipped;
} Line;

static Line
order_line(int64_t order, int line)
{
	int64_t id = order * 8 + line;
	Line l = {.id = id,
			  .part = draw(LINEITEM, id, PARTKEY, 1, parts),
			  .quantity = draw(LINEITEM, id, QUANTITY, 1, 50)};

	l.supplier = supplier_of(l.part, draw(LINEITEM, id, SUPPKEY, 0, 3));
	l.price = l.quantity * retail_price(l.part);
	l.discount = (int)draw(LINEITEM, id, DISCOUNT, 0, 10);
	l.tax = (int)draw(LINEITEM, id, TAX, 0, 8);
	l.shipped = order_date(order) + (int)draw(LINEITEM, id, SHIPDATE, 1, 121);
	return l;
}

/* ---- tables: each function appends row number `row`, from 1, without the newline ---- */

#define BAR (*p++ = '|')

static char *
put_region(char *p, int64_t row)
{
	p = put_int(p, row - 1), BAR;
	p = put(p, regions[row - 1]), BAR;
	return put_text(p, field(REGION, row, COMMENT), 31, 115);
}

static char *
put_nation(char *p, int64_t row)
{
	p = put_int(p, row - 1), BAR;
	p = put(p, nations[row - 1].name), BAR;
	p = put_int(p, nations[row - 1].region), BAR;
	return put_text(p, field(NATION, row, COMMENT), 31, 114);
}

static char *
put_contact(char *p, Table table, int64_t row)
{
	int64_t nation = draw(table, row, NATIONKEY, 0, LENGTH(nations) - 1);

	p = put_address(p, field(table, row, ADDRESS)), BAR;
	p = put_int(p, nation), BAR;
	p = put_phone(p, field(table, row, PHONE), nation), BAR;
	return put_cents(p, draw(table, row, ACCTBAL, -99999, 999999));
}

/*
 * Five suppliers of each 10,000 have customers that complain, five others customers that recommend them; of
 * fewer than 2000, one each.
 */
static char *
put_supplier(char *p, int64_t row)
{
	int64_t block = suppliers < 2000 ? suppliers : 2000,
			chosen = draw(SUPPLIER, (row - 1) / block, SPECIAL, 0, block - 1);
	int64_t place = (row - 1) % block;
	const char *what = place == chosen						   ? "Complaints"
					   : place == (chosen + block / 2) % block ? "Recommends"
															   : NULL;
	char *comment;

	p = put_int(p, row), BAR;
	p = put_padded(put(p, "Supplier#"), row, 9), BAR;
	p = put_contact(p, SUPPLIER, row), BAR;
	comment = p;
	p = put_text(p, field(SUPPLIER, row, COMMENT), 25, 100);
	if (what)
	{
		memcpy(comment, "Customer ", 9);
		memcpy(comment + 12, what, 10);
	}
	return p;
}

/* Five different colours. */
static char *
put_part_name(char *p, int64_t row)
{
	Field f = field(PART, row, NAME);
	int64_t used[5];

	for (int i = 0; i < 5; i++)
	{
		bool again;

		do
		{
			used[i] = between(&f, 0, LENGTH(colours) - 1);
			again = false;
			for (int j = 0; j < i; j++)
				again |= used[j] == used[i];
		} while (again);
		if (i)
			*p++ = ' ';
		p = put(p, colours[used[i]]);
	}
	return p;
}

static char *
put_part(char *p, int64_t row)
{
	int64_t brand = draw(PART, row, BRAND, 0, 24);
	Field type = field(PART, row, TYPE), container = field(PART, row, CONTAINER);

	p = put_int(p, row), BAR;
	p = put_part_name(p, row), BAR;
	p = put_int(put(p, "Manufacturer#"), brand / 5 + 1), BAR;
	p = put_int(put_int(put(p, "Brand#"), brand / 5 + 1), brand % 5 + 1), BAR;
	p = word(p, ANY(&type, type_1));
	p = word(p, ANY(&type, type_2));
	p = put(p, ANY(&type, type_3)), BAR;
	p = put_int(p, draw(PART, row, SIZE, 1, 50)), BAR;
	p = word(p, ANY(&container, container_1));
	p = put(p, ANY(&container, container_2)), BAR;
	p = put_cents(p, retail_price(row)), BAR;
	return put_text(p, field(PART, row, COMMENT), 5, 22);
}

static char *
put_partsupp(char *p, int64_t row)
{
	int64_t part = (row - 1) / 4 + 1;

	p = put_int(p, part), BAR;
	p = put_int(p, supplier_of(part, (row - 1) % 4)), BAR;
	p = put_int(p, draw(PARTSUPP, row, AVAILQTY, 1, 9999)), BAR;
	p = put_cents(p, draw(PARTSUPP, row, SUPPLYCOST, 100, 100000)), BAR;
	return put_text(p, field(PARTSUPP, row, COMMENT), 49, 198);
}

static char *
put_customer(char *p, int64_t row)
{
	p = put_int(p, row), BAR;
	p = put_padded(put(p, "Customer#"), row, 9), BAR;
	p = put_contact(p, CUSTOMER, row), BAR;
	p = put(p, segments[draw(CUSTOMER, row, SEGMENT, 0, LENGTH(segments) - 1)]), BAR;
	return put_text(p, field(CUSTOMER, row, COMMENT), 29, 116);
}

static char *
put_order(char *p, int64_t row)
{
	int64_t total = 0, customer = draw(ORDERS, row, CUSTKEY, 0, customers / 3 * 2 - 1);
	int lines = order_lines(row), open = 0;

	/* Rounded line by line, as the price of a line is money. */
	for (int i = 1; i <= lines; i++)
	{
		Line l = order_line(row, i);

		total += (l.price * (100 + l.tax) / 100) * (100 - l.discount) / 100;
		open += l.shipped > CURRENT_DATE;
	}
	p = put_int(p, order_key(row)), BAR;
	/* A third of the customers, those whose key divides by three, have no orders. */
	p = put_int(p, customer / 2 * 3 + customer % 2 + 1), BAR;
	*p++ = open == 0 ? 'F' : open == lines ? 'O' : 'P', BAR;
	p = put_cents(p, total), BAR;
	p = put_date(p, order_date(row)), BAR;
	p = put(p, priorities[draw(ORDERS, row, PRIORITY, 0, LENGTH(priorities) - 1)]), BAR;
	p = put_padded(put(p, "Clerk#"), draw(ORDERS, row, CLERK, 1, clerks), 9), BAR;
	p = put(p, "0"), BAR;
	return put_text(p, field(ORDERS, row, COMMENT), 19, 78);
}

static char *
put_line(char *p, int64_t order, int number)
{
	Line l = order_line(order, number);
	int committed = order_date(order) + (int)draw(LINEITEM, l.id, COMMITDATE, 30, 90);
	int received = l.shipped + (int)draw(LINEITEM, l.id, RECEIPTDATE, 1, 30);

	p = put_int(p, order_key(order)), BAR;
	p = put_int(p, l.part), BAR;
	p = put_int(p, l.supplier), BAR;
	p = put_int(p, number), BAR;
	p = put_int(p, l.quantity), BAR;
	p = put_cents(p, l.price), BAR;
	p = put_cents(p, l.discount), BAR;
	p = put_cents(p, l.tax), BAR;
	*p++ = received > CURRENT_DATE ? 'N' : draw(LINEITEM, l.id, RETURNFLAG, 0, 1) ? 'R' : 'A', BAR;
	*p++ = l.shipped > CURRENT_DATE ? 'O' : 'F', BAR;
	p = put_date(p, l.shipped), BAR;
	p = put_date(p, committed), BAR;
	p = put_date(p, received), BAR;
	p = put(p, instructions[draw(LINEITEM, l.id, INSTRUCT, 0, LENGTH(instructions) - 1)]), BAR;
	p = put(p, modes[draw(LINEITEM, l.id, MODE, 0, LENGTH(modes) - 1)]), BAR;
	return put_text(p, field(LINEITEM, l.id, COMMENT), 10, 43);
}

/* All lines of an order at once. */
static char *
put_lines(char *p, int64_t order)
{
	int lines = order_lines(order);

	for (int i = 1; i <= lines; i++)
	{
		p = put_line(p, order, i);
		if (i < lines)
			*p++ = '\n';
	}
	return p;
}

static const struct
{
	const char *name;
	char *(*put)(char *p, int64_t row);
	int rows_at_1; /* 0: not scaled */
	int rows;
} tables[] = {
	[REGION] = {"region", put_region, 0, LENGTH(regions)},
	[NATION] = {"nation", put_nation, 0, LENGTH(nations)},
	[SUPPLIER] = {"supplier", put_supplier, 10000, 0},
	[PART] = {"part", put_part, 200000, 0},
	[PARTSUPP] = {"partsupp", put_partsupp, 800000, 0},
	[CUSTOMER] = {"customer", put_customer, 150000, 0},
	[ORDERS] = {"orders", put_order, 1500000, 0},
	[LINEITEM] = {"lineitem", put_lines, 1500000, 0},
};

static void
write_table(Table table, const char *directory, double scale)
{
	char path[4096], rows[MAX_ROW * LINES_MAX];
	int64_t n =
		tables[table].rows_at_1 ? (int64_t)(tables[table].rows_at_1 * scale + 0.5) : tables[table].rows;
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.tbl", directory, tables[table].name);
	out = fopen(path, "w");
	if (out)
	{
		setvbuf(out, NULL, _IOFBF, 1 << 20);
		for (int64_t row = 1; row <= n; row++)
		{
			char *end = tables[table].put(rows, row);

			*end++ = '\n';
			fwrite(rows, 1, (size_t)(end - rows), out);
		}
	}
	if (!out || ferror(out) || fclose(out))
	{
		fprintf(stderr, "gen: %s: %s\n", path, strerror(errno));
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	double scale = argc > 2 ? atof(argv[1]) : 0;
	bool wanted[LENGTH(tables)] = {false}, any = false, bad = scale < 0.001 || scale > 1000;

	for (int i = 3; i < argc; i++)
	{
		bool known = false;

		if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
		{
			seed = strtoull(argv[++i], NULL, 10);
			continue;
		}
		for (size_t t = 0; t < LENGTH(tables); t++)
			if (strcmp(argv[i], tables[t].name) == 0)
				known = any = wanted[t] = true;
		bad |= !known;
	}
	if (bad)
	{
		fprintf(stderr, "usage: gen SCALE DIRECTORY [-s SEED] [TABLE...]   (SCALE: 0.001 to 1000)\n");
		return 2;
	}
	suppliers = (int64_t)(10000 * scale + 0.5);
	parts = (int64_t)(200000 * scale + 0.5);
	customers = (int64_t)(150000 * scale + 0.5);
	orders = (int64_t)(1500000 * scale + 0.5);
	clerks = scale < 1 ? 1000 : (int64_t)(1000 * scale + 0.5);
	for (size_t t = 0; t < LENGTH(tables); t++)
		if (wanted[t] || !any)
			write_table((Table)t, argv[2], scale);
	return 0;
}
