/*
 * token.h - who may talk to stratad: bearer tokens, stored hashed.
 *
 * Included by: http/, ws/, main.c.
 * Memory: TokenStore owns its entries.  Locking: none.
 * File: one line a token, "name role salt hash" (hex), mode 0600; made with one token of role admin when
 * there is none.  A token has 192 random bits, so one SHA-256 over salt and token is enough: there is
 * nothing to guess that a slow hash would protect.
 * Not here: rate limits (limit.h).
 */
#ifndef STRATAD_AUTH_TOKEN_H
#define STRATAD_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* 24 random bytes in hex.  libwebsockets cuts a subprotocol at 63 bytes: "bearer." + 48 fits. */
#define TOKEN_TEXT_LEN 48
#define TOKEN_NAME_MAX 64

#define TOKEN_SALT_LEN 16
#define TOKEN_HASH_LEN 32

/* Entries live as long as the store, also when the file no longer has them: who points to one sees it
 * revoked. */
typedef struct TokenEntry
{
	struct TokenEntry *next;
	bool revoked;
	char name[TOKEN_NAME_MAX];
	unsigned char salt[TOKEN_SALT_LEN];
	unsigned char hash[TOKEN_HASH_LEN];
} TokenEntry;

typedef struct TokenStore
{
	TokenEntry *first;
} TokenStore;

/* Reads the file, or makes it; a token just made is put into *fresh, which the caller prints once. */
extern bool token_store_open(TokenStore *store, const char *path, char fresh[TOKEN_TEXT_LEN + 1], Buf *error);
/* Reads the file again (SIGHUP).  On error the old tokens stay. */
extern bool token_store_reload(TokenStore *store, const char *path, Buf *error);
extern void token_store_free(TokenStore *store);

/* The entry of a token, or NULL.  Takes the same time for every wrong token. */
extern const TokenEntry *token_check(const TokenStore *store, const char *token, size_t len);

/* The token of "Authorization: Bearer ...", or NULL. */
extern const char *token_from_header(const char *value);

#endif
