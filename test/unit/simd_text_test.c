/*
 * simd_text_test.c - hashes of strings against their authors' test vectors; LIKE against its definition.
 */
#include "simd/hash.h"
#include "simd/like.h"
#include "simd_testing.h"

/* ---- hashes ---- */

/* test_vector.cpp of wyhash: message i with seed i. */
static void
test_wyhash(void)
{
	static const struct
	{
		const char *text;
		uint64_t hash;
	} vectors[] = {
		{"", 0x93228a4de0eec5a2},
		{"a", 0xc5bac3db178713c4},
		{"abc", 0xa97f2f7b1d9b3314},
		{"message digest", 0x786d1f1df3801df4},
		{"abcdefghijklmnopqrstuvwxyz", 0xdca5a8138ad37c87},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xb9e734f117cfaf70},
		{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		 0x6cc5eab49a92d617},
	};
	unsigned right = 0, n = sizeof(vectors) / sizeof(vectors[0]);
	unsigned char bytes[300];
	uint64_t all = 0;

	for (unsigned i = 0; i < n; i++)
		right += strata_wyhash(vectors[i].text, strlen(vectors[i].text), i) == vectors[i].hash;
	is_int(right, n, "wyhash: the author's test vectors");
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	/* Every length, each hash the seed of the next; the value is the author's implementation's. */
	for (unsigned len = 0; len <= sizeof(bytes); len++)
		all = strata_wyhash(bytes, len, all);
	ok(all == UINT64_C(0x5f4c2b20558581a8), "wyhash: lengths 0 to 300");
}

/* The sanity check of xxHash: its generator of bytes, its seed, its values. */
static void
test_xxh3(void)
{
	static const struct
	{
		unsigned len;
		bool seeded;
		uint64_t hash;
	} vectors[] = {
		{0, false, 0x2D06800538D394C2},	   {0, true, 0xA8A6B918B2F0364A},
		{1, false, 0xC44BDFF4074EECDB},	   {1, true, 0x032BE332DD766EF8},
		{6, false, 0x27B56A84CD2D7325},	   {6, true, 0x84589C116AB59AB9},
		{12, false, 0xA713DAF0DFBB77E7},   {12, true, 0xE7303E1B2336DE0E},
		{24, false, 0xA3FE70BF9D3510EB},   {24, true, 0x850E80FC35BDD690},
		{48, false, 0x397DA259ECBA1F11},   {48, true, 0xADC2CBAA44ACC616},
		{80, false, 0xBCDEFBBB2C47C90A},   {80, true, 0xC6DD0CB699532E73},
		{195, false, 0xCD94217EE362EC3A},  {195, true, 0xBA68003D370CB3D9},
		{403, false, 0xCDEB804D65C6DEA4},  {403, true, 0x6259F6ECFD6443FD},
		{512, false, 0x617E49599013CB6B},  {512, true, 0x3CE457DE14C27708},
		{2048, false, 0xDD59E2C3A5F038E0}, {2048, true, 0x66F81670669ABABC},
		{2367, false, 0xCB37AEB9E5D361ED}, {2367, true, 0xD2DB3415B942B42A},
	};
	const uint64_t prime = UINT64_C(11400714785074694797);
	static unsigned char bytes[2400];
	uint64_t state = 2654435761;
	unsigned right = 0, n = sizeof(vectors) / sizeof(vectors[0]);

	for (unsigned i = 0; i < sizeof(bytes); i++)
	{
		bytes[i] = (unsigned char)(state >> 56);
		state *= prime;
	}
	for (unsigned i = 0; i < n; i++)
		right += strata_xxh3(bytes, vectors[i].len, vectors[i].seeded ? prime : 0) == vectors[i].hash;
	is_int(right, n, "XXH3: the authors' test vectors");
}

static void
test_batches(void)
{
	enum
	{
		N = 500
	};
	static const char *p[N];
	static uint32_t len[N];
	static uint64_t wy[N], xx[N];
	bool right = true;
	char *end = guarded(N * 70), *at = end;

	for (char *c = end - N * 70; c < end; c++)
		*c = (char)rng();
	for (unsigned i = N; i-- > 0;)
	{
		len[i] = rng() % 70;
		p[i] = at -= len[i];
	}
	strata_hash_bytes(p, len, N, 17, wy);
	strata_hash_bytes_xxh3(p, len, N, 17, xx);
	for (unsigned i = 0; i < N; i++)
		right &= wy[i] == strata_wyhash(p[i], len[i], 17) && xx[i] == strata_xxh3(p[i], len[i], 17);
	ok(right, "hashes of batches are those of the strings");
}

/* ---- LIKE ---- */

static unsigned
char_len(const char *s, bool utf8)
{
	unsigned char c = (unsigned char)*s;

	return !utf8 || c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* LIKE by its definition, one character of the pattern at a time. */
static bool
like(const char *s, unsigned slen, const char *p, unsigned plen, bool utf8)
{
	unsigned l;

	if (plen == 0)
		return slen == 0;
	if (*p == '%')
	{
		for (;; s += l, slen -= l)
		{
			if (like(s, slen, p + 1, plen - 1, utf8))
				return true;
			if (slen == 0)
				return false;
			l = char_len(s, utf8);
		}
	}
	if (slen == 0)
		return false;
	if (*p == '_')
	{
		l = char_len(s, utf8);
		return like(s + l, slen - l, p + 1, plen - 1, utf8);
	}
	if (*p == '\\')
		p++, plen--;
	return *s == *p && like(s + 1, slen - 1, p + 1, plen - 1, utf8);
}

static bool
matches(const char *text, const char *pattern, bool utf8)
{
	static uint64_t memory[200];
	StrataLike *l = (StrataLike *)memory;
	const char *p = text;
	uint32_t len = (uint32_t)strlen(text);
	uint64_t mask = 99;
	bool one;

	if (strata_like_size((uint32_t)strlen(pattern)) > sizeof(memory) ||
		!strata_like_compile(l, pattern, (uint32_t)strlen(pattern), utf8))
		return false;
	one = strata_like_match(l, text, len);
	strata_like_match_batch(l, &p, &len, 1, &mask);
	expect(mask == (uint64_t)one, "batch and single disagree on %s", pattern);
	return one;
}

static void
test_like_cases(void)
{
	static const struct
	{
		const char *text, *pattern;
		bool match;
	} cases[] = {
		{"", "", true},
		{"a", "", false},
		{"", "%", true},
		{"", "%%", true},
		{"abc", "%", true},
		{"abc", "abc", true},
		{"abc", "ab", false},
		{"abc", "ab%", true},
		{"abc", "%bc", true},
		{"abc", "%b%", true},
		{"abc", "a%c", true},
		{"aba", "ab%ba", false},
		{"abba", "ab%ba", true},
		{"ab", "a%b%", true},
		{"ab", "%%a%%b%%", true},
		{"", "_", false},
		{"a", "_", true},
		{"ab", "_", false},
		{"ab", "__", true},
		{"ab", "%_", true},
		{"ab", "_%_", true},
		{"a", "_%_", false},
		{"a%b", "a\\%b", true},
		{"axb", "a\\%b", false},
		{"a_b", "a\\_b", true},
		{"axb", "a\\_b", false},
		{"a\\b", "a\\\\b", true},
		{"ab", "a\\b", true},
		{"xaby", "%a_y", true},
		{"mississippi", "%iss%ip%", true},
		{"mississippi", "%iss%iss%iss%", false},
		{"mississippi", "m%i%i%i%i", true},
	};
	char pattern[] = "abc\\";
	uint64_t memory[50];
	bool right = true;

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (int utf8 = 0; utf8 < 2; utf8++)
			if (matches(cases[c].text, cases[c].pattern, utf8) != cases[c].match)
			{
				note("'%s' LIKE '%s'", cases[c].text, cases[c].pattern);
				right = false;
			}
	ok(right, "LIKE: cases");
	ok(matches("\xc3\xa9", "_", true) && !matches("\xc3\xa9", "_", false) &&
		   matches("\xc3\xa9", "__", false) &&
		   matches("x\xe2\x82\xac"
				   "y",
				   "%x_y", true) &&
		   matches("\xe2\x82\xac\xc3\xa9", "%__", true) && !matches("\xe2\x82\xac\xc3\xa9", "___", true) &&
		   matches("a\xf0\x9f\x98\x80z", "a_z", true),
	   "LIKE: an underscore is a character of UTF-8, or a byte");
	ok(!strata_like_compile((StrataLike *)memory, pattern, 4, true),
	   "LIKE: a pattern that ends with its escape");
}

/* Pieces of patterns and strings: near misses abound. */
static unsigned
random_text(char *out, unsigned pieces, bool pattern)
{
	static const char *const letters[] = {"a", "b", "ab", "\xc3\xa9", "\xc3\xaa", "\xe2\x82\xac", "c"};
	static const char *const others[] = {"%", "%", "_", "%_", "\\a", "\\%", "\\_", "\\\\", "\\\xc3\xa9"};
	unsigned len = 0;

	for (unsigned i = 0; i < pieces; i++)
	{
		const char *piece = pattern && rng() % 2 ? others[rng() % 9]
							: rng() % 12 == 0	 ? "%_\\"
												 : letters[rng() % 7];

		if (pattern && piece[0] == '%' && piece[1] == '_' && piece[2] == '\\')
			piece = "a";
		memcpy(out + len, piece, strlen(piece));
		len += (unsigned)strlen(piece);
	}
	return len;
}

/* By the pattern's automaton, a byte at a time. */
static bool
automaton_accepts(const StrataLikeAutomaton *a, const char *s, unsigned len)
{
	unsigned state = a->start;

	for (unsigned i = 0; i < len; i++)
		state = a->next[state][(unsigned char)s[i]];
	expect(state < a->nstates, "state %u of %u", state, a->nstates);
	return a->accepts[state];
}

static void
test_like_random(const StrataKernels *k)
{
	enum
	{
		STRINGS = 130
	};
	static uint64_t memory[200];
	StrataLike *l = (StrataLike *)memory;
	char *end = guarded(STRINGS * 64);
	static StrataLikeAutomaton automaton;
	unsigned hits = 0, misses = 0, automata = 0;

	for (unsigned round = 0; round < 3000; round++)
	{
		const char *p[STRINGS];
		uint32_t len[STRINGS];
		uint64_t mask[STRINGS / 64 + 1];
		char pattern[100], text[64];
		unsigned plen = random_text(pattern, rng() % 7, true), n = rng() % (STRINGS + 1);
		bool utf8 = rng() % 2, has_automaton;
		char *at = end;

		for (unsigned i = n; i-- > 0;)
		{
			len[i] = random_text(text, rng() % 12, false);
			at -= len[i] + (i + 1 < n ? rng() % 3 : 0);
			memcpy(at, text, len[i]);
			p[i] = at;
		}
		expect(strata_like_size(plen) <= sizeof(memory), "pattern too long");
		expect(strata_like_compile(l, pattern, plen, utf8), "does not compile: %.*s", plen, pattern);
		strata_like_match_batch(l, p, len, n, mask);
		has_automaton = strata_like_automaton(l, &automaton);
		automata += has_automaton;
		for (unsigned i = 0; i < n; i++)
		{
			bool want = like(p[i], len[i], pattern, plen, utf8);

			expect((mask[i / 64] >> i % 64 & 1) == (uint64_t)want, "'%.*s' LIKE '%.*s'", (int)len[i], p[i],
				   (int)plen, pattern);
			expect(!has_automaton || automaton_accepts(&automaton, p[i], len[i]) == want,
				   "'%.*s' LIKE '%.*s' by an automaton", (int)len[i], p[i], (int)plen, pattern);
			hits += want;
			misses += !want;
		}
		expect(n % 64 == 0 || mask[n / 64] >> n % 64 == 0, "bits past %u", n);
	}
	expect(hits > 10000 && misses > 10000, "the test is lopsided: %u match, %u do not", hits, misses);
	expect(automata > 500, "only %u patterns have an automaton", automata);
	verdict(k->name, "LIKE");
}

int
main(void)
{
	simd_testing_begin();
	test_wyhash();
	test_xxh3();
	test_batches();
	test_like_cases();
	for (int level = 0; level < STRATA_SIMD_NLEVELS; level++)
	{
		const StrataKernels *k = strata_simd_table((StrataSimdLevel)level);

		if (!k)
		{
			tap_skip(1, "%s: not on this machine", level_names[level]);
			continue;
		}
		strata_simd_choose((StrataSimdLevel)level);
		test_like_random(k);
	}
	return tap_done();
}
