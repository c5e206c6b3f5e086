/*
 * like.h - LIKE over batches of strings.
 *
 * Included by: exec/, unit tests (plain C11; no postgres.h).
 * Memory: a compiled pattern is one block that the caller provides, without pointers; it may be moved.
 * Locking: none, pure functions.
 *
 * Strings that are coded by symbols are matched without being decoded by an automaton (segment.h).
 *
 * The answers are those of PostgreSQL's LIKE under a deterministic collation, with the backslash as escape
 * character (what ESCAPE turns a pattern into), for encodings of one byte a character and for UTF-8.
 * Not here: ILIKE, encodings that are neither, collations (the caller's to judge).
 */
#ifndef STRATA_SIMD_LIKE_H
#define STRATA_SIMD_LIKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct StrataLike StrataLike;

/* Bytes that a pattern of this length takes when compiled. */
extern size_t strata_like_size(uint32_t pattern_len);
/* Fills `like`, 8-aligned and of that size.  False when the pattern ends with its escape character, which
 * PostgreSQL makes an error where it comes that far.  utf8: an underscore is a character of UTF-8, else a
 * byte; pattern and strings are valid. */
extern bool strata_like_compile(StrataLike *like, const char *pattern, uint32_t pattern_len, bool utf8);
/* Does the string match? */
extern bool strata_like_match(const StrataLike *like, const char *text, uint32_t len);
/* mask bit i = string i, p[i][0..len[i]), matches.  As with match_substring (simd.h), what is between strings
 * that lie one behind the other may be read. */
extern void strata_like_match_batch(const StrataLike *like, const char *const *p, const uint32_t *len,
									unsigned n, uint64_t *mask);

/* States that an automaton may have. */
#define STRATA_LIKE_STATES 64

/*
 * A pattern as a deterministic automaton over bytes: a string matches when next[][] leads from `start` to a
 * state that accepts.
 */
typedef struct StrataLikeAutomaton
{
	unsigned nstates;
	uint8_t start;
	bool accepts[STRATA_LIKE_STATES];
	uint8_t next[STRATA_LIKE_STATES][256];
} StrataLikeAutomaton;

/* False: the pattern has underscores, no letters, or too many of them. */
extern bool strata_like_automaton(const StrataLike *like, StrataLikeAutomaton *a);

#endif
