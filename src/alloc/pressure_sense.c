/*
 * pressure_sense.c - reading what the kernel says of memory; the level machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/pressure_sense.h"

/* cgroup v1 writes PAGE_COUNTER_MAX, some 2^63, for "no limit". */
#define UNLIMITED (UINT64_C(1) << 62)
/* memory.stat has some 1.5 kB; mountinfo a line of some 100 bytes a mount, of which container hosts have
 * thousands. */
#define STAT_MAX	  16384
#define MOUNTINFO_MAX (1024 * 1024)
#define NUMBER_MAX	  64

/* ---- texts ---- */

/* Digits, and then a byte that is none; past them.  NULL: not so. */
static const char *
digits(const char *text, uint64_t *value)
{
	uint64_t n = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
	{
		unsigned digit = (unsigned)(*at - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return NULL;
		n = n * 10 + digit;
	}
	if (at == text || *at == '\0')
		return NULL;
	*value = n;
	return at;
}

bool
strata_sense_number(const char *text, uint64_t *value)
{
	uint64_t n;
	const char *end = digits(text, &n);

	if (end == NULL || strcmp(end, "\n") != 0)
		return false;
	*value = n;
	return true;
}

bool
strata_sense_limit(const char *text, uint64_t *limit)
{
	if (strcmp(text, "max\n") == 0)
		*limit = UINT64_MAX;
	else if (!strata_sense_number(text, limit))
		return false;
	if (*limit >= UNLIMITED)
		*limit = UINT64_MAX;
	return true;
}

/* The start of the next line; NULL when there is none. */
static const char *
next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : NULL;
}

bool
strata_sense_stat(const char *text, const char *key, uint64_t *value)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = next_line(line))
	{
		uint64_t n;
		const char *end;

		if (strncmp(line, key, length) != 0 || line[length] != ' ')
			continue;
		end = digits(line + length + 1, &n);
		if (end == NULL || *end != '\n')
			return false;
		*value = n;
		return true;
	}
	return false;
}

/* "key:   number kB" */
static bool
meminfo_line(const char *text, const char *key, uint64_t *bytes)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = next_line(line))
	{
		uint64_t kilobytes;
		const char *end;

		if (strncmp(line, key, length) != 0 || line[length] != ':')
			continue;
		line += length + 1;
		end = digits(line + strspn(line, " \t"), &kilobytes);
		if (end == NULL || strncmp(end, " kB\n", 4) != 0 || kilobytes >= UNLIMITED / 1024)
			return false;
		*bytes = kilobytes * 1024;
		return true;
	}
	return false;
}

bool
strata_sense_meminfo(const char *text, uint64_t *total, uint64_t *available)
{
	uint64_t t, a;

	if (!meminfo_line(text, "MemTotal", &t) || !meminfo_line(text, "MemAvailable", &a) || t == 0)
		return false;
	*total = t;
	*available = a < t ? a : t;
	return true;
}

bool
strata_sense_psi(const char *text, double *some_avg10)
{
	static const char head[] = "some avg10=";

	for (const char *line = text; line; line = next_line(line))
	{
		uint64_t whole, hundredths;
		const char *end;

		if (strncmp(line, head, sizeof(head) - 1) != 0)
			continue;
		end = digits(line + sizeof(head) - 1, &whole);
		if (end == NULL || *end != '.')
			return false;
		line = end + 1;
		end = digits(line, &hundredths);
		if (end == NULL || end - line != 2 || *end != ' ' || whole > 100)
			return false;
		*some_avg10 = fmin((double)whole + (double)hundredths / 100, 100);
		return true;
	}
	return false;
}

void
strata_sense_fill(StrataPressureReading *out, uint64_t total, uint64_t used)
{
	out->known = total > 0;
	out->total = total;
	out->used = used;
	out->available = used < total ? total - used : 0;
	out->percent = total > 0 ? 100.0 * (double)used / (double)total : 0;
	out->psi_some_avg10 = -1;
	out->level = STRATA_PRESSURE_NORMAL;
}

/* ---- files ---- */

/* A whole file as text; false when it cannot be read or is longer. */
static bool
read_file(const char *path, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	while (length < size)
	{
		n = read(fd, text + length, size - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	close(fd);
	if (n != 0 || length >= size)
		return false;
	text[length] = '\0';
	return true;
}

/* A file of the directory whose name is the first `length` bytes of `directory`. */
static bool
read_in(const char *directory, size_t length, const char *name, char *text, size_t size)
{
	char path[STRATA_SENSE_PATH + 64];

	if (snprintf(path, sizeof(path), "%.*s/%s", (int)length, directory, name) >= (int)sizeof(path))
		return false;
	return read_file(path, text, size);
}

static void
read_psi(const char *directory, size_t length, const char *name, StrataPressureReading *out)
{
	char text[NUMBER_MAX * 8];

	if (!read_in(directory, length, name, text, sizeof(text)) ||
		!strata_sense_psi(text, &out->psi_some_avg10))
		out->psi_some_avg10 = -1;
}

void
strata_system_read(StrataPressureReading *out)
{
	char text[STAT_MAX];
	uint64_t total, available;

	strata_sense_fill(out, 0, 0);
	if (!read_file("/proc/meminfo", text, sizeof(text)) || !strata_sense_meminfo(text, &total, &available))
		return;
	strata_sense_fill(out, total, total - available);
	read_psi("/proc/pressure", strlen("/proc/pressure"), "memory", out);
}

/* ---- cgroups ---- */

/* The path of the process's memory cgroup in its hierarchy, from /proc/PID/cgroup ("ID:CONTROLLERS:PATH").  A
 * controller is in one hierarchy only: where v1 has the memory controller, v2 has not. */
static int
cgroup_of_process(const char *text, char path[STRATA_SENSE_PATH])
{
	int version = 0;

	for (const char *line = text; line && *line; line = next_line(line))
	{
		const char *controllers = strchr(line, ':');
		const char *end = strchr(line, '\n');
		const char *name, *colon;
		bool has_memory = false;

		if (end == NULL)
			break; /* cut off */
		if (controllers == NULL || controllers > end)
			continue;
		controllers++;
		colon = memchr(controllers, ':', (size_t)(end - controllers));
		if (colon == NULL || colon[1] != '/' || (size_t)(end - colon) > STRATA_SENSE_PATH)
			continue;
		for (name = controllers; name < colon && !has_memory;)
		{
			size_t length = strcspn(name, ",:");

			has_memory = length == 6 && memcmp(name, "memory", 6) == 0;
			name += length + 1;
		}
		if (!has_memory && !(colon == controllers && line[0] == '0' && version == 0))
			continue;
		version = has_memory ? 1 : 2;
		memcpy(path, colon + 1, (size_t)(end - colon - 1));
		path[end - colon - 1] = '\0';
	}
	return version;
}

/* A field of mountinfo, where blank, tab, newline and backslash are written \ooo.  False: too long. */
static bool
mount_field(const char *at, size_t length, char out[STRATA_SENSE_PATH])
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
	{
		char c = at[i];

		if (c == '\\' && length - i > 3 && at[i + 1] >= '0' && at[i + 1] <= '3' && at[i + 2] >= '0' &&
			at[i + 2] <= '7' && at[i + 3] >= '0' && at[i + 3] <= '7')
		{
			c = (char)((at[i + 1] - '0') * 64 + (at[i + 2] - '0') * 8 + (at[i + 3] - '0'));
			i += 3;
		}
		if (n + 1 >= STRATA_SENSE_PATH || c == '\0')
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* The fields of one line of mountinfo that matter here. */
typedef struct Mount
{
	char root[STRATA_SENSE_PATH];
	char point[STRATA_SENSE_PATH];
	bool wanted; /* is of the hierarchy asked for */
} Mount;

static bool
word_in(const char *word, const char *list, size_t length)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= length; i++)
		if ((i == 0 || list[i - 1] == ',') && memcmp(list + i, word, n) == 0 &&
			(i + n == length || list[i + n] == ','))
			return true;
	return false;
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPEROPTIONS" */
static bool
mount_parse(const char *line, size_t length, int version, Mount *out)
{
	const char *field[64];
	size_t size[64];
	int n = 0, dash = 0;

	for (size_t i = 0; i < length && n < 64;)
	{
		size_t end = i;

		while (end < length && line[end] != ' ')
			end++;
		field[n] = line + i;
		size[n] = end - i;
		if (n >= 6 && dash == 0 && size[n] == 1 && *field[n] == '-')
			dash = n;
		n++;
		i = end + 1;
	}
	if (dash == 0 || dash + 3 >= n)
		return false;
	out->wanted = version == 2 ? size[dash + 1] == 7 && memcmp(field[dash + 1], "cgroup2", 7) == 0
							   : size[dash + 1] == 6 && memcmp(field[dash + 1], "cgroup", 6) == 0 &&
									 word_in("memory", field[dash + 3], size[dash + 3]);
	return mount_field(field[3], size[3], out->root) && mount_field(field[4], size[4], out->point) &&
		   out->root[0] == '/' && out->point[0] == '/';
}

static bool
has_dots(const char *path)
{
	size_t n = strlen(path);

	return strstr(path, "/../") != NULL || (n >= 3 && strcmp(path + n - 3, "/..") == 0);
}

/* What of `path` lies below `root`: "" or "/...".  NULL: it does not. */
static const char *
below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (has_dots(path) || strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return strcmp(path + n, "/") == 0 ? "" : path + n;
}

bool
strata_cgroup_locate(const char *cgroup, const char *mountinfo, StrataCgroup *out)
{
	char path[STRATA_SENSE_PATH];
	size_t best = 0; /* of the root, + 1 */
	Mount mount;
	int version = cgroup_of_process(cgroup, path);

	memset(out, 0, sizeof(*out));
	if (version == 0)
		return false;
	for (const char *line = mountinfo; line && *line; line = next_line(line))
	{
		const char *end = strchr(line, '\n');
		const char *rest;

		if (end == NULL)
			break;
		if (!mount_parse(line, (size_t)(end - line), version, &mount) || !mount.wanted)
			continue;
		rest = below(path, mount.root);
		/* The mount with the longest root that the path is below of; else any. */
		if (out->version != 0 && (rest == NULL || strlen(mount.root) + 1 <= best))
			continue;
		if (strlen(mount.point) + (rest ? strlen(rest) : 0) >= sizeof(out->path))
			continue;
		best = rest ? strlen(mount.root) + 1 : 0;
		out->version = version;
		out->top = strlen(mount.point);
		memcpy(out->path, mount.point, out->top + 1);
		if (rest)
			strcat(out->path, rest);
	}
	return out->version != 0;
}

bool
strata_cgroup_self(StrataCgroup *out)
{
	char cgroup[STAT_MAX];
	char *mountinfo = malloc(MOUNTINFO_MAX);
	bool found = mountinfo && read_file("/proc/self/cgroup", cgroup, sizeof(cgroup)) &&
				 read_file("/proc/self/mountinfo", mountinfo, MOUNTINFO_MAX) &&
				 strata_cgroup_locate(cgroup, mountinfo, out);

	free(mountinfo);
	if (!found)
		memset(out, 0, sizeof(*out));
	return found;
}

bool
strata_cgroup_named(const char *directory, StrataCgroup *out)
{
	size_t n = strlen(directory);
	char text[NUMBER_MAX];

	memset(out, 0, sizeof(*out));
	while (n > 1 && directory[n - 1] == '/')
		n--;
	if (n == 0 || n >= sizeof(out->path))
		return false;
	memcpy(out->path, directory, n);
	if (read_in(out->path, n, "memory.current", text, sizeof(text)))
		out->version = 2;
	else if (read_in(out->path, n, "memory.usage_in_bytes", text, sizeof(text)))
		out->version = 1;
	return out->version != 0;
}

/* Limit and usage of one directory.  1: read; 0: it has no limit; -1: it has no such files. */
static int
cgroup_read_one(int version, const char *path, size_t length, uint64_t *limit, uint64_t *used)
{
	static const char *const cache[2][2] = {{"total_inactive_file", "total_active_file"},
											{"inactive_file", "active_file"}};
	char text[STAT_MAX];
	uint64_t high, bytes;

	if (!read_in(path, length, version == 2 ? "memory.current" : "memory.usage_in_bytes", text,
				 sizeof(text)) ||
		!strata_sense_number(text, used))
		return -1;
	if (!read_in(path, length, version == 2 ? "memory.max" : "memory.limit_in_bytes", text, sizeof(text)) ||
		!strata_sense_limit(text, limit))
		return -1;
	if (version == 2 && read_in(path, length, "memory.high", text, sizeof(text)) &&
		strata_sense_limit(text, &high) && high < *limit)
		*limit = high;
	if (*limit == UINT64_MAX)
		return 0;
	if (read_in(path, length, "memory.stat", text, sizeof(text)))
		for (int i = 0; i < 2; i++)
			if (strata_sense_stat(text, cache[version - 1][i], &bytes))
				*used -= bytes < *used ? bytes : *used;
	return 1;
}

void
strata_cgroup_read(const StrataCgroup *cgroup, StrataPressureReading *out)
{
	size_t length = strlen(cgroup->path);
	StrataPressureReading one;

	strata_sense_fill(out, 0, 0);
	if (cgroup->version == 0)
		return;
	for (;;)
	{
		uint64_t limit, used;
		int result = cgroup_read_one(cgroup->version, cgroup->path, length, &limit, &used);

		/* A limit of 0 is reached by whoever lives there. */
		if (result == 1)
		{
			strata_sense_fill(&one, limit > 0 ? limit : 1, used);
			if (!out->known || one.percent > out->percent)
				*out = one;
		}
		/* v2 has no files where the controller is not handed down; those above may have. */
		if (result < 0 && cgroup->top == 0)
			break;
		if (length <= cgroup->top)
			break;
		while (length > cgroup->top && cgroup->path[length - 1] != '/')
			length--;
		while (length > cgroup->top && length > 1 && cgroup->path[length - 1] == '/')
			length--;
		if (length <= 1)
			break;
	}
	if (out->known && cgroup->version == 2)
		read_psi(cgroup->path, strlen(cgroup->path), "memory.pressure", out);
}

/* ---- levels ---- */

bool
strata_pressure_valid(const int thresholds[STRATA_PRESSURE_THRESHOLDS])
{
	for (int i = 1; i < STRATA_PRESSURE_THRESHOLDS; i++)
		if (thresholds[i - 1] >= thresholds[i])
			return false;
	return true;
}

/* The level of a percentage, one higher when stalled. */
static StrataPressureLevel
level_of(double percent, bool stalled, const int thresholds[STRATA_PRESSURE_THRESHOLDS])
{
	int level = STRATA_PRESSURE_NORMAL;

	while (level < STRATA_PRESSURE_THRESHOLDS && percent >= thresholds[level])
		level++;
	if (stalled && level > STRATA_PRESSURE_NORMAL && level < STRATA_PRESSURE_CRITICAL)
		level++;
	return (StrataPressureLevel)level;
}

StrataPressureLevel
strata_pressure_step(StrataPressureMachine *machine, const StrataPressureReading *reading,
					 const int thresholds[STRATA_PRESSURE_THRESHOLDS])
{
	double percent = reading->known ? reading->percent : 0;
	double psi = reading->known ? reading->psi_some_avg10 : 0;
	StrataPressureLevel reached = level_of(percent, psi >= STRATA_PRESSURE_STALL, thresholds);
	StrataPressureLevel kept =
		level_of(percent + STRATA_PRESSURE_MARGIN, psi >= STRATA_PRESSURE_STALL_KEPT, thresholds);

	if (reached > machine->level)
		machine->level = reached;
	if (kept >= machine->level)
		machine->calm = 0;
	else
	{
		if (machine->calm++ == 0 || kept > machine->calm_level)
			machine->calm_level = kept;
		if (machine->calm >= STRATA_PRESSURE_CALM)
		{
			machine->level = machine->calm_level;
			machine->calm = 0;
		}
	}
	return machine->level;
}
