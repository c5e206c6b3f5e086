/*
 * pressure_test.c - sensors of memory pressure over recorded, cut and hostile texts; the level machine
 * against its rules.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc/pressure_sense.h"
#include "tap.h"

static uint64_t random_state = 20261122;

static uint64_t
random_word(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

/* ---- recorded texts ---- */

static const char meminfo[] = "MemTotal:       24684084 kB\n"
							  "MemFree:        22316812 kB\n"
							  "MemAvailable:   24147144 kB\n"
							  "Buffers:           66656 kB\n"
							  "Cached:          1759004 kB\n"
							  "HugePages_Total:       0\n"
							  "Hugepagesize:       2048 kB\n";

static const char psi[] = "some avg10=12.34 avg60=3.00 avg300=0.50 total=48201994\n"
						  "full avg10=1.00 avg60=0.00 avg300=0.00 total=30182771\n";

static const char stat_v2[] =
	"anon 1056768\nfile 4730880\nkernel 372736\nshmem 0\nfile_mapped 4325376\n"
	"inactive_anon 1048576\nactive_anon 8192\ninactive_file 4730880\nactive_file 12288\n"
	"unevictable 0\nslab 188416\n";

static const char stat_v1[] =
	"cache 10534912\nrss 13066240\nshmem 9084928\ninactive_file 16384\nactive_file 1433600\n"
	"hierarchical_memory_limit 9223372036854771712\ntotal_cache 1852375040\n"
	"total_inactive_file 696979456\ntotal_active_file 1136824320\ntotal_unevictable 20619264\n";

/* A service of systemd with cgroup v2 only. */
static const char cgroup_systemd[] = "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n";
static const char mounts_systemd[] =
	"24 31 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n"
	"31 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
	"35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
	"rw,nsdelegate,memory_recursiveprot\n";

/* The same in a container with a cgroup namespace of its own. */
static const char cgroup_container[] = "0::/\n";

/* cgroup v1 beside v2, as on hosts in "hybrid" mode. */
static const char cgroup_hybrid[] = "9:name=systemd:/\n8:pids:/\n4:memory:/postgres/main\n3:cpuset:/\n"
									"2:cpuacct:/\n1:cpu:/\n0::/elsewhere\n";
static const char mounts_hybrid[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

/* A container of cgroup v1 without a namespace: the process sees the host's path, the mount is the
 * container's. */
static const char cgroup_docker[] =
	"11:cpu,cpuacct:/docker/abc\n10:hugetlb,memory:/docker/abc/worker\n1:name=systemd:/docker/abc\n";
static const char mounts_docker[] =
	"683 682 0:28 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:17 - cgroup cgroup rw,memory\n"
	"684 682 0:29 /docker/abc /sys/fs/cgroup/cpu ro,nosuid master:18 - cgroup cgroup rw,cpu,cpuacct\n";

/* ---- texts ---- */

static void
test_numbers(void)
{
	static const char *const bad[] = {"",
									  "\n",
									  " 1\n",
									  "-1\n",
									  "1",
									  "1 \n",
									  "1\n2\n",
									  "0x10\n",
									  "1.5\n",
									  "18446744073709551616\n",
									  "maxi\n",
									  "max",
									  "99999999999999999999999999999999999\n"};
	uint64_t n = 7;
	bool refused = true;

	ok(strata_sense_number("0\n", &n) && n == 0, "a number: 0");
	ok(strata_sense_number("18446744073709551615\n", &n) && n == UINT64_MAX, "a number: the largest");
	ok(strata_sense_limit("1073741824\n", &n) && n == 1073741824, "a limit");
	ok(strata_sense_limit("max\n", &n) && n == UINT64_MAX, "no limit in v2");
	ok(strata_sense_limit("9223372036854771712\n", &n) && n == UINT64_MAX, "no limit in v1");
	ok(strata_sense_limit("9223372036854710272\n", &n) && n == UINT64_MAX,
	   "no limit in v1 with pages of 64 kB");
	n = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strata_sense_number(bad[i], &n) || strata_sense_limit(bad[i], &n) || n != 7)
		{
			note("taken: \"%s\"", bad[i]);
			refused = false;
		}
	ok(refused, "what is no number is refused, and the result left alone");
}

static void
test_recorded(void)
{
	uint64_t total, available, n;
	double avg10;

	ok(strata_sense_meminfo(meminfo, &total, &available) && total == UINT64_C(24684084) * 1024 &&
		   available == UINT64_C(24147144) * 1024,
	   "/proc/meminfo");
	ok(!strata_sense_meminfo("MemTotal:       24684084 kB\nMemFree:  1 kB\n", &total, &available),
	   "a kernel without MemAvailable");
	ok(strata_sense_meminfo("MemTotal: 10 kB\nMemAvailable: 20 kB\n", &total, &available) &&
		   available == total,
	   "no more available than there is");
	ok(!strata_sense_meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n", &total, &available),
	   "no memory at all is a lie");
	ok(!strata_sense_meminfo("MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n", &total, &available),
	   "more than an address space is one too");
	ok(strata_sense_psi(psi, &avg10) && fabs(avg10 - 12.34) < 1e-9, "PSI");
	ok(strata_sense_psi("some avg10=100.00 avg60=0.00\n", &avg10) && avg10 == 100,
	   "PSI: stalled all the time");
	ok(!strata_sense_psi("some avg10=101.00 avg60=0.00\n", &avg10), "PSI: no more than all the time");
	ok(!strata_sense_psi("some avg10=nan avg60=0.00\n", &avg10) &&
		   !strata_sense_psi("some avg10=1e9 \n", &avg10) &&
		   !strata_sense_psi("full avg10=1.00 avg60=0.00\n", &avg10),
	   "PSI: no number, or another line");
	ok(strata_sense_stat(stat_v2, "inactive_file", &n) && n == 4730880, "memory.stat of v2");
	ok(strata_sense_stat(stat_v1, "total_inactive_file", &n) && n == 696979456, "memory.stat of v1");
	ok(strata_sense_stat(stat_v1, "inactive_file", &n) && n == 16384, "a key is matched whole");
	ok(!strata_sense_stat(stat_v1, "file", &n) && !strata_sense_stat(stat_v1, "total_inactive", &n),
	   "a part of a key is none");
}

/* Whatever of a text is missing at its end: the right number or none, never a part of one. */
static void
test_cut(void)
{
	bool right = true;

	for (size_t length = 0; length < sizeof(meminfo); length++)
	{
		char text[sizeof(meminfo)];
		uint64_t total, available;

		memcpy(text, meminfo, length);
		text[length] = '\0';
		if (strata_sense_meminfo(text, &total, &available))
			right = right && total == UINT64_C(24684084) * 1024 && available == UINT64_C(24147144) * 1024;
	}
	for (size_t length = 0; length < sizeof(stat_v1); length++)
	{
		char text[sizeof(stat_v1)];
		uint64_t n;

		memcpy(text, stat_v1, length);
		text[length] = '\0';
		if (strata_sense_stat(text, "total_inactive_file", &n))
			right = right && n == 696979456;
	}
	for (size_t length = 0; length < sizeof(psi); length++)
	{
		char text[sizeof(psi)];
		double avg10;

		memcpy(text, psi, length);
		text[length] = '\0';
		if (strata_sense_psi(text, &avg10))
			right = right && fabs(avg10 - 12.34) < 1e-9;
	}
	ok(right, "a text that is cut gives the right number or none");
}

/* ---- where the cgroup is ---- */

static void
located(const char *cgroup, const char *mounts, int version, const char *path, size_t top, const char *name)
{
	StrataCgroup out;
	bool found = strata_cgroup_locate(cgroup, mounts, &out);

	if (!ok(found == (version != 0) && out.version == version &&
				(!found || (strcmp(out.path, path) == 0 && out.top == top)),
			"%s", name))
		note("found version %d, \"%s\", top %zu", out.version, out.path, out.top);
}

static void
test_locate(void)
{
	char *long_path = malloc(6000), *mutant = malloc(4096);
	StrataCgroup out;
	bool sane = true;

	located(cgroup_systemd, mounts_systemd, 2,
			"/sys/fs/cgroup/system.slice/system-postgresql.slice/postgresql@15-main.service", 14,
			"a service of systemd, v2");
	located(cgroup_container, mounts_systemd, 2, "/sys/fs/cgroup", 14,
			"a container with its own namespace, v2");
	located(cgroup_hybrid, mounts_hybrid, 1, "/sys/fs/cgroup/memory/postgres/main", 21,
			"v1 where v1 has the memory controller");
	located(cgroup_docker, mounts_docker, 1, "/sys/fs/cgroup/memory/worker", 21,
			"a container without a namespace, v1");
	located("4:memory:/elsewhere\n", mounts_docker, 1, "/sys/fs/cgroup/memory", 21,
			"a cgroup that is not mounted: the mount point");
	located("0::/../../init.scope\n", mounts_systemd, 2, "/sys/fs/cgroup", 14,
			"a cgroup outside of the namespace: the mount point");
	located("0::/a\n", "35 24 0:30 / /mnt/c\\040g\\134x rw shared:9 - cgroup2 none rw\n", 2, "/mnt/c g\\x/a",
			10, "a mount point with a blank and a backslash");
	located("0::/a/b\n",
			"1 1 0:1 / /one rw - cgroup2 c rw\n2 1 0:1 /a /two rw - cgroup2 c rw\n3 1 0:1 /ab /three rw - "
			"cgroup2 c rw\n",
			2, "/two/b", 4, "the mount with the longest root that leads there");
	located("0::/a:b\n", mounts_systemd, 2, "/sys/fs/cgroup/a:b", 14, "a colon in the name");
	located(cgroup_hybrid, mounts_systemd, 0, "", 0, "v1 that is not mounted");
	located("", mounts_systemd, 0, "", 0, "no cgroup");
	located(cgroup_systemd, "", 0, "", 0, "no mount");
	located("5:memoryx:/a\n7:xmemory:/b\n", mounts_hybrid, 0, "", 0, "another controller");
	located("0:/x\n:::\n0::\n0::relative\n", mounts_systemd, 0, "", 0, "lines that are none");
	located("0::/a", mounts_systemd, 0, "", 0, "a line without an end");

	memset(long_path, 'a', 5998);
	memcpy(long_path, "0::/", 4);
	strcpy(long_path + 5997, "\n");
	located(long_path, mounts_systemd, 0, "", 0, "a path that is too long");

	/* Mutations of the recorded texts: whatever comes out is a directory below its mount point. */
	for (int i = 0; i < 200000; i++)
	{
		static const char *const sources[] = {mounts_systemd, mounts_hybrid, mounts_docker};
		static const char *const groups[] = {cgroup_systemd, cgroup_hybrid, cgroup_docker, cgroup_container};
		const char *source = sources[random_word() % 3];
		const char *group = groups[random_word() % 4];
		char text[256];

		strcpy(mutant, source);
		strcpy(text, group);
		for (int k = (int)(random_word() % 4); k > 0; k--)
		{
			mutant[random_word() % strlen(source)] = (char)random_word();
			text[random_word() % strlen(group)] = (char)random_word();
		}
		if (strata_cgroup_locate(text, mutant, &out))
			sane = sane && out.path[0] == '/' && out.top <= strlen(out.path) && out.top > 0 &&
				   strlen(out.path) < STRATA_SENSE_PATH && strstr(out.path + out.top, "/../") == NULL;
	}
	ok(sane, "damaged texts lead nowhere else");
	ok(strata_cgroup_self(&out) || out.version == 0, "this process: version %d, %s", out.version, out.path);
	free(long_path);
	free(mutant);
}

/* ---- directories ---- */

static char tree[] = "/tmp/strata-pressure-XXXXXX";
static char *made[64];
static int nmade;

/* Makes a file, or a directory when content is NULL, below the tree. */
static void
make(const char *name, const char *content)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	if (content == NULL)
		mkdir(path, 0700);
	else if ((f = fopen(path, "w")) != NULL)
	{
		fputs(content, f);
		fclose(f);
	}
	for (int i = 0; i < nmade; i++)
		if (strcmp(made[i], path) == 0)
			return;
	made[nmade++] = strdup(path);
}

static StrataPressureReading
read_named(const char *name, size_t top)
{
	StrataCgroup cgroup;
	StrataPressureReading reading;
	char path[512];

	snprintf(path, sizeof(path), "%s%s", tree, name);
	strata_cgroup_named(path, &cgroup);
	cgroup.top = top;
	strata_cgroup_read(&cgroup, &reading);
	return reading;
}

static void
test_read(void)
{
	StrataPressureReading r;
	StrataCgroup cgroup;

	if (mkdtemp(tree) == NULL)
	{
		ok(false, "a directory under /tmp");
		return;
	}
	make("v2", NULL);
	make("v2/memory.current", "900\n");
	make("v2/memory.max", "1000\n");
	make("v2/memory.high", "max\n");
	make("v2/memory.stat", "anon 1\ninactive_file 60\nactive_file 40\n");
	make("v2/a", NULL);
	make("v2/a/memory.current", "400\n");
	make("v2/a/memory.max", "800\n");
	make("v2/a/memory.stat", "inactive_file 0\n");
	make("v2/a/memory.pressure", psi);
	make("v2/a/b", NULL);
	make("v2/a/b/memory.current", "300\n");
	make("v2/a/b/memory.max", "max\n");
	make("v2/a/leaf", NULL);
	make("v2/a/leaf/other", "1\n");

	r = read_named("/v2/a/b", 0);
	ok(r.known && r.total == 1000 && r.used == 800 && r.available == 200 && r.percent == 80,
	   "v2: the fullest of all above counts, without its page cache");
	ok(r.psi_some_avg10 == -1, "v2: PSI is that of the cgroup itself, which has no such file");
	make("v2/a/memory.high", "420\n");
	r = read_named("/v2/a", 0);
	ok(r.total == 420 && r.used == 400 && r.available == 20, "v2: memory.high is a limit");
	ok(fabs(r.psi_some_avg10 - 12.34) < 1e-9, "v2: PSI");
	make("v2/a/b/memory.max", "300\n");
	make("v2/a/b/memory.stat", "inactive_file 1000\n");
	r = read_named("/v2/a/b", 0);
	ok(r.total == 420, "v2: no less than nothing is used");
	make("v2/a/b/memory.stat", "inactive_file 10");
	r = read_named("/v2/a/b", 0);
	ok(r.total == 300 && r.used == 300 && r.percent == 100,
	   "v2: a memory.stat that is cut off counts for nothing");
	make("v2/a/b/memory.max", "0\n");
	r = read_named("/v2/a/b", 0);
	ok(r.known && r.percent >= 100 && r.available == 0, "v2: a limit of 0");
	make("v2/a/b/memory.max", "garbage\n");
	r = read_named("/v2/a/b", strlen(tree) + strlen("/v2/a/b"));
	ok(!r.known, "v2: garbage is not known");

	make("v1", NULL);
	make("v1/memory.usage_in_bytes", "5000\n");
	make("v1/memory.limit_in_bytes", "9223372036854771712\n");
	make("v1/memory.stat", stat_v1);
	make("v1/x", NULL);
	make("v1/x/memory.usage_in_bytes", "2700000000\n");
	make("v1/x/memory.limit_in_bytes", "3000000000\n");
	make("v1/x/memory.stat", stat_v1);
	r = read_named("/v1", 0);
	ok(!r.known, "v1: no limit");
	r = read_named("/v1/x", 0);
	ok(r.known && r.total == 3000000000 && r.used == 2700000000 - 696979456 - 1136824320,
	   "v1: without its page cache");

	/* Located, not named: a directory without files is passed on the way up, the mount point is the end. */
	memset(&cgroup, 0, sizeof(cgroup));
	cgroup.version = 2;
	snprintf(cgroup.path, sizeof(cgroup.path), "%s/v2/a/leaf", tree);
	cgroup.top = strlen(tree) + strlen("/v2");
	strata_cgroup_read(&cgroup, &r);
	ok(r.total == 420, "the controller may end above");
	cgroup.top = strlen(tree) + strlen("/v2/a/leaf");
	strata_cgroup_read(&cgroup, &r);
	ok(!r.known, "nothing above the mount point is read");
	ok(!strata_cgroup_named(tree, &cgroup) && !strata_cgroup_named("", &cgroup) &&
		   !strata_cgroup_named("/nowhere/x", &cgroup),
	   "a directory that is no cgroup");
	strata_system_read(&r);
	ok(!r.known || (r.total > 0 && r.used <= r.total && r.percent <= 100), "this machine: %.1f %% used",
	   r.percent);

	while (nmade > 0)
	{
		remove(made[--nmade]);
		free(made[nmade]);
	}
	rmdir(tree);
}

/* ---- levels ---- */

static const int usual[STRATA_PRESSURE_THRESHOLDS] = {70, 80, 90, 95};

static StrataPressureLevel
step(StrataPressureMachine *m, double percent)
{
	StrataPressureReading r = {.known = true, .percent = percent, .psi_some_avg10 = -1};

	return strata_pressure_step(m, &r, usual);
}

static void
test_levels(void)
{
	static const int wrong[][STRATA_PRESSURE_THRESHOLDS] = {
		{80, 80, 90, 95}, {70, 90, 80, 95}, {95, 90, 80, 70}, {70, 80, 95, 95}};
	StrataPressureMachine m = {0};
	StrataPressureReading r = {.known = true, .percent = 85, .psi_some_avg10 = 10};

	ok(strata_pressure_valid(usual), "the defaults ascend");
	ok(!strata_pressure_valid(wrong[0]) && !strata_pressure_valid(wrong[1]) &&
		   !strata_pressure_valid(wrong[2]) && !strata_pressure_valid(wrong[3]),
	   "others do not");
	is_int(step(&m, 69.9), STRATA_PRESSURE_NORMAL, "below the first threshold");
	is_int(step(&m, 70), STRATA_PRESSURE_LOW, "a threshold is reached, not passed");
	is_int(step(&m, 99), STRATA_PRESSURE_CRITICAL, "it rises at once");
	step(&m, 85);
	step(&m, 85);
	is_int(m.level, STRATA_PRESSURE_CRITICAL, "it does not fall at once");
	is_int(step(&m, 85), STRATA_PRESSURE_HIGH, "and then only to what keeps up: 85 is less than 5 below 90");
	step(&m, 84.9);
	step(&m, 84.9);
	step(&m, 85.1);
	step(&m, 84.9);
	is_int(step(&m, 84.9), STRATA_PRESSURE_HIGH, "a reading in between that is not calm begins anew");
	is_int(step(&m, 84.9), STRATA_PRESSURE_MEDIUM, "third calm reading");
	step(&m, 10);
	step(&m, 66);
	is_int(step(&m, 10), STRATA_PRESSURE_LOW, "falls to the highest that one of the three would have kept");
	r.known = false;
	strata_pressure_step(&m, &r, usual);
	strata_pressure_step(&m, &r, usual);
	is_int(strata_pressure_step(&m, &r, usual), STRATA_PRESSURE_NORMAL, "a source that went away is calm");

	memset(&m, 0, sizeof(m));
	r.known = true;
	is_int(strata_pressure_step(&m, &r, usual), STRATA_PRESSURE_HIGH, "stalls raise the level by one");
	r.percent = 69;
	memset(&m, 0, sizeof(m));
	is_int(strata_pressure_step(&m, &r, usual), STRATA_PRESSURE_NORMAL, "but not where there is memory left");
	r.percent = 99;
	is_int(strata_pressure_step(&m, &r, usual), STRATA_PRESSURE_CRITICAL, "and not beyond critical");
}

static int
plain_level(double percent, const int t[STRATA_PRESSURE_THRESHOLDS])
{
	return (percent >= t[0]) + (percent >= t[1]) + (percent >= t[2]) + (percent >= t[3]);
}

/*
 * Random walks.  At every step: not below what the reading reaches; a rise is to exactly that; a fall comes
 * only after three readings each 5 points below the threshold of the level left, and not below what each of
 * them would have kept.  A reading that stays is followed within three steps.  Readings within 5 points
 * change the level upwards only.
 */
static void
test_properties(void)
{
	bool floor = true, rise = true, fall = true, follows = true, quiet = true;

	for (int walk = 0; walk < 2000; walk++)
	{
		StrataPressureMachine m = {0};
		int t[STRATA_PRESSURE_THRESHOLDS];
		double last[3] = {0, 0, 0};
		double percent = (double)(random_word() % 100);
		double base;
		int falls = 0;

		do
			for (int i = 0; i < STRATA_PRESSURE_THRESHOLDS; i++)
				t[i] = 10 + (int)(random_word() % 91);
		while (!strata_pressure_valid(t));
		for (int i = 0; i < 300; i++)
		{
			StrataPressureReading r = {.known = true, .psi_some_avg10 = -1};
			int before = (int)m.level;
			int after;

			if (random_word() % 20 == 0)
				percent = (double)(random_word() % 12000) / 100;
			else
				percent = fmax(0, percent + (double)(random_word() % 1000) / 100 - 5);
			r.percent = percent;
			last[2] = last[1];
			last[1] = last[0];
			last[0] = percent;
			after = (int)strata_pressure_step(&m, &r, t);
			floor = floor && after >= plain_level(percent, t);
			if (after > before)
				rise = rise && after == plain_level(percent, t);
			if (after < before)
				for (int k = 0; k < 3; k++)
					fall = fall && i >= 2 && last[k] + STRATA_PRESSURE_MARGIN < t[before - 1] &&
						   after >= plain_level(last[k] + STRATA_PRESSURE_MARGIN, t);
		}
		for (int k = 0; k < 3; k++)
			strata_pressure_step(
				&m, &(StrataPressureReading){.known = true, .percent = percent, .psi_some_avg10 = -1}, t);
		/* Three more, for the calm that the walk had begun may have ended above. */
		for (int k = 0; k < 3; k++)
			strata_pressure_step(
				&m, &(StrataPressureReading){.known = true, .percent = percent, .psi_some_avg10 = -1}, t);
		follows = follows && (int)m.level >= plain_level(percent, t) &&
				  (int)m.level <= plain_level(percent + STRATA_PRESSURE_MARGIN, t);

		base = (double)(random_word() % 95);
		memset(&m, 0, sizeof(m));
		for (int i = 0; i < 100; i++)
		{
			StrataPressureReading r = {.known = true, .psi_some_avg10 = -1};
			int before = (int)m.level;

			r.percent = base + (double)(random_word() % 500) / 100;
			if ((int)strata_pressure_step(&m, &r, t) < before)
				falls++;
		}
		quiet = quiet && falls == 0;
	}
	ok(floor, "the level is never below what the reading reaches");
	ok(rise, "a rise is to exactly that");
	ok(fall, "a fall is earned by three readings");
	ok(follows, "a reading that stays is followed");
	ok(quiet, "readings that move by less than 5 points make it rise only");
}

int
main(void)
{
	test_numbers();
	test_recorded();
	test_cut();
	test_locate();
	test_read();
	test_levels();
	test_properties();
	return tap_done();
}
