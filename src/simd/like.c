/*
 * like.c - LIKE over batches of strings.
 *
 * A pattern is cut at its percent signs into parts.  A first part that no percent sign comes before must
 * stand at the beginning, a last one that none follows at the end, and the others somewhere between in this
 * order: each is looked for behind the one before it, and the leftmost place is always right, for it leaves
 * the most to the rest.
 *
 * In a batch the longest run of letters of the pattern is searched in all strings first, by the kernel that
 * takes them as one text; only strings that hold it are matched one by one.
 */
#include <string.h>

#include "simd/like.h"
#include "simd/simd.h"

/* A part: bytes `at` to `at + len` of the text, in which a byte whose flag is set is an underscore. */
typedef struct LikePart
{
	uint32_t at, len;
	bool plain; /* no underscore */
} LikePart;

struct StrataLike
{
	bool utf8;
	bool open_start, open_end; /* a percent sign begins, ends the pattern */
	uint32_t nparts;
	uint32_t run_at, run_len; /* the longest run of letters, of text */
	uint32_t parts;			  /* byte offsets from the start of this struct: LikePart[nparts], */
	uint32_t text;			  /* the letters of all parts, */
	uint32_t any;			  /* a byte a letter: 1 for an underscore */
};

static inline LikePart *
part_of(const StrataLike *like, uint32_t i)
{
	return (LikePart *)((char *)like + like->parts) + i;
}

static inline char *
text_of(const StrataLike *like)
{
	return (char *)like + like->text;
}

static inline char *
any_of(const StrataLike *like)
{
	return (char *)like + like->any;
}

/* Parts and percent signs take turns, so there are at most half as many parts as bytes, and one. */
size_t
strata_like_size(uint32_t pattern_len)
{
	return sizeof(StrataLike) + ((size_t)pattern_len / 2 + 1) * sizeof(LikePart) + 2 * (size_t)pattern_len;
}

/* Notes the run of letters that ends before `end` if it is the longest so far. */
static void
note_run(StrataLike *like, uint32_t begin, uint32_t end)
{
	if (end - begin > like->run_len)
	{
		like->run_at = begin;
		like->run_len = end - begin;
	}
}

bool
strata_like_compile(StrataLike *like, const char *pattern, uint32_t pattern_len, bool utf8)
{
	uint32_t used = 0, run = 0;
	LikePart *part = NULL;
	char *text, *any;

	memset(like, 0, sizeof(*like));
	like->utf8 = utf8;
	like->parts = sizeof(*like);
	like->text = like->parts + (uint32_t)((pattern_len / 2 + 1) * sizeof(LikePart));
	like->any = like->text + pattern_len;
	text = text_of(like);
	any = any_of(like);
	for (uint32_t i = 0; i < pattern_len; i++)
	{
		char c = pattern[i];
		bool wild = c == '_';

		if (c == '%')
		{
			like->open_start |= like->nparts == 0;
			note_run(like, run, used);
			run = used;
			part = NULL;
			continue;
		}
		if (c == '\\')
		{
			if (++i == pattern_len)
				return false;
			c = pattern[i];
		}
		if (!part)
		{
			part = part_of(like, like->nparts++);
			*part = (LikePart){used, 0, true};
		}
		text[used] = c;
		any[used++] = wild;
		part->len++;
		if (wild)
		{
			part->plain = false;
			note_run(like, run, used - 1);
			run = used;
		}
	}
	note_run(like, run, used);
	like->open_end = part == NULL && (like->nparts > 0 || like->open_start);
	return true;
}

/* Bytes of the character at p, as PostgreSQL takes its length from its first byte; never past the end. */
static inline uint32_t
char_len(const StrataLike *like, const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;
	uint32_t len = !like->utf8 || c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 1;

	return len <= (size_t)(end - p) ? len : (uint32_t)(end - p);
}

/* Where a part that stands at p ends, or NULL when it does not stand there. */
static const char *
match_at(const StrataLike *like, const LikePart *part, const char *p, const char *end)
{
	const char *text = text_of(like) + part->at;
	const char *any = any_of(like) + part->at;

	if ((size_t)(end - p) < part->len)
		return NULL;
	if (part->plain)
		return memcmp(p, text, part->len) == 0 ? p + part->len : NULL;
	for (uint32_t i = 0; i < part->len; i++)
	{
		if (p == end)
			return NULL;
		if (any[i])
			p += char_len(like, p, end);
		else if (*p++ != text[i])
			return NULL;
	}
	return p;
}

/* Where a part that ends at `end` begins, at `begin` or behind it, or NULL. */
static const char *
match_before(const StrataLike *like, const LikePart *part, const char *begin, const char *end)
{
	const char *text = text_of(like) + part->at;
	const char *any = any_of(like) + part->at;

	for (uint32_t i = part->len; i-- > 0;)
	{
		if (end == begin)
			return NULL;
		end--;
		if (!any[i])
		{
			if (*end != text[i])
				return NULL;
		}
		else if (like->utf8)
			while (end > begin && ((unsigned char)*end & 0xc0) == 0x80)
				end--;
	}
	return end;
}

/* Where the first match of a part in [p, end) ends, or NULL. */
static const char *
search(const StrataLike *like, const LikePart *part, const char *p, const char *end)
{
	const char *text = text_of(like) + part->at;
	const char *found;

	if (part->plain)
	{
		found = strata_kernels->find(p, (size_t)(end - p), text, part->len);
		return found ? found + part->len : NULL;
	}
	for (; p < end; p += char_len(like, p, end))
		if ((found = match_at(like, part, p, end)) != NULL)
			return found;
	return NULL;
}

bool
strata_like_match(const StrataLike *like, const char *p, uint32_t len)
{
	const char *end = p + len;
	uint32_t first = 0, last = like->nparts;

	if (like->nparts == 0)
		return like->open_start || len == 0;
	if (!like->open_start)
	{
		p = match_at(like, part_of(like, first++), p, end);
		if (!p)
			return false;
		/* No percent sign at all? */
		if (first == last && !like->open_end)
			return p == end;
	}
	if (!like->open_end)
	{
		end = match_before(like, part_of(like, --last), p, end);
		if (!end)
			return false;
	}
	for (; first < last; first++)
	{
		p = search(like, part_of(like, first), p, end);
		if (!p)
			return false;
	}
	return true;
}

void
strata_like_match_batch(const StrataLike *like, const char *const *p, const uint32_t *len, unsigned n,
						uint64_t *mask)
{
	const LikePart *only = like->nparts == 1 ? part_of(like, 0) : NULL;
	const char *run = text_of(like) + like->run_at;

	if (only && only->plain && !like->open_start)
	{
		if (like->open_end)
			strata_kernels->match_prefix(p, len, n, run, only->len, mask);
		else
			strata_kernels->match_equal(p, len, n, run, only->len, mask);
		return;
	}
	/* With nothing to search for, all strings are candidates: every string holds the empty one. */
	strata_kernels->match_substring(p, len, n, run, like->run_len, mask);
	if ((only && only->plain && like->open_end) || (like->nparts == 0 && like->open_start))
		return;
	for (unsigned w = 0; w < (n + 63) / 64; w++)
		for (uint64_t bits = mask[w]; bits; bits &= bits - 1)
		{
			unsigned bit = (unsigned)__builtin_ctzll(bits);

			if (!strata_like_match(like, p[w * 64 + bit], len[w * 64 + bit]))
				mask[w] &= ~(UINT64_C(1) << bit);
		}
}

/* ---- automata ---- */

/*
 * The states of one part: `first` + how many of its letters the text up to here ends with, the most possible
 * (Knuth, Morris and Pratt 1977).  What completes it leads to `done`.  An anchored part must stand where it
 * is looked for: all else leads to `dead`.  Returns the state of a text that ends with the part and is to end
 * with it once more.
 */
static unsigned
add_part(StrataLikeAutomaton *a, const unsigned char *text, unsigned len, unsigned first, unsigned done,
		 bool anchored, unsigned dead)
{
	unsigned border = first; /* the state after all letters so far but the first one */

	for (unsigned j = 0; j < len; j++)
	{
		if (anchored)
			memset(a->next[first + j], (int)dead, 256);
		else if (j == 0)
			memset(a->next[first], (int)first, 256);
		else
			memcpy(a->next[first + j], a->next[border], 256);
		a->next[first + j][text[j]] = (uint8_t)(j + 1 == len ? done : first + j + 1);
		if (j > 0)
			border = a->next[border][text[j]];
	}
	return border;
}

bool
strata_like_automaton(const StrataLike *like, StrataLikeAutomaton *a)
{
	unsigned letters = 0, first = 0, border = 0;
	unsigned dead;

	for (uint32_t i = 0; i < like->nparts; i++)
	{
		if (!part_of(like, i)->plain || part_of(like, i)->len > STRATA_LIKE_STATES)
			return false;
		letters += part_of(like, i)->len;
	}
	if (letters == 0 || letters + 2 > STRATA_LIKE_STATES)
		return false;
	dead = letters + 1;
	memset(a, 0, sizeof(*a));
	a->nstates = letters + 2;
	memset(a->next[dead], (int)dead, 256);
	for (uint32_t i = 0; i < like->nparts; i++)
	{
		const LikePart *part = part_of(like, i);

		border = add_part(a, (const unsigned char *)text_of(like) + part->at, part->len, first,
						  first + part->len, i == 0 && !like->open_start, dead);
		first += part->len;
	}
	/* All parts were met: that is all, or what follows may be anything, or the last must come at the end. */
	a->accepts[letters] = true;
	if (like->open_end)
		memset(a->next[letters], (int)letters, 256);
	else if (like->nparts == 1 && !like->open_start)
		memset(a->next[letters], (int)dead, 256);
	else
		memcpy(a->next[letters], a->next[border], 256);
	return true;
}
