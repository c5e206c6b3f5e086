/* token.c - see token.h. */
#include "auth/token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#define SALT_LEN	   TOKEN_SALT_LEN
#define TOKEN_FILE_MAX (64 * 1024)
/* Longer than any token this program makes; bounds the work of a check. */
#define TOKEN_PRESENTED_MAX 256

_Static_assert(TOKEN_HASH_LEN == SHA256_DIGEST_LENGTH, "a hash is a SHA-256");

static void
hex_encode(const unsigned char *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool
hex_decode(const char *text, unsigned char *out, size_t len)
{
	if (strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void
token_hash(const unsigned char salt[SALT_LEN], const char *token, size_t len,
		   unsigned char out[SHA256_DIGEST_LENGTH])
{
	unsigned char text[SALT_LEN + TOKEN_PRESENTED_MAX];

	memcpy(text, salt, SALT_LEN);
	memcpy(text + SALT_LEN, token, len);
	SHA256(text, SALT_LEN + len, out);
	OPENSSL_cleanse(text, sizeof(text));
}

static bool
token_parse_line(char *line, TokenEntry *entry)
{
	char *rest = line;
	char *name = strsep(&rest, " ");
	char *role = strsep(&rest, " ");
	char *salt = strsep(&rest, " ");
	char *hash = rest;

	if (!role || !salt || !hash || name[0] == '\0' || strlen(name) >= TOKEN_NAME_MAX ||
		strcmp(role, "admin") != 0)
		return false;
	strcpy(entry->name, name);
	return hex_decode(salt, entry->salt, SALT_LEN) && hex_decode(hash, entry->hash, SHA256_DIGEST_LENGTH);
}

static bool
token_same(const TokenEntry *a, const TokenEntry *b)
{
	return strcmp(a->name, b->name) == 0 && memcmp(a->salt, b->salt, SALT_LEN) == 0 &&
		   memcmp(a->hash, b->hash, SHA256_DIGEST_LENGTH) == 0;
}

/* Puts what the file says in force: known entries stay, missing ones are revoked, new ones are added. */
static void
token_adopt(TokenStore *store, TokenStore *parsed)
{
	for (TokenEntry *old = store->first; old; old = old->next)
	{
		old->revoked = true;
		for (TokenEntry *new = parsed->first; new; new = new->next)
			if (token_same(old, new))
			{
				old->revoked = false;
				new->revoked = true;
			}
	}
	while (parsed->first)
	{
		TokenEntry *new = parsed->first;

		parsed->first = new->next;
		if (new->revoked)
		{
			mem_free(new);
			continue;
		}
		new->next = store->first;
		store->first = new;
	}
}

static bool
token_parse(TokenStore *store, char *text, const char *path, Buf *error)
{
	TokenStore parsed = {0};
	int number = 0;

	while (text)
	{
		char *line = strsep(&text, "\n");
		TokenEntry *entry;

		number++;
		if (line[0] == '\0' || line[0] == '#')
			continue;
		entry = mem_alloc(sizeof(TokenEntry));
		entry->next = parsed.first;
		parsed.first = entry;
		if (!token_parse_line(line, entry))
		{
			buf_printf(error, "%s:%d: expected \"name admin salt hash\"", path, number);
			token_store_free(&parsed);
			return false;
		}
	}
	if (!parsed.first)
	{
		buf_printf(error, "%s holds no token; remove it to have a new one made", path);
		return false;
	}
	token_adopt(store, &parsed);
	return true;
}

static bool
token_read_fd(TokenStore *store, int fd, const char *path, Buf *error)
{
	struct stat st;
	char *text;
	ssize_t len;
	bool ok;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
	{
		buf_printf(error, "%s is not a regular file", path);
		return false;
	}
	if (st.st_mode & (S_IRWXG | S_IRWXO))
	{
		buf_printf(error, "%s can be read by others: its mode must be 0600", path);
		return false;
	}
	text = mem_alloc(TOKEN_FILE_MAX + 1);
	len = read(fd, text, TOKEN_FILE_MAX);
	if (len < 0)
	{
		buf_printf(error, "cannot read %s: %s", path, strerror(errno));
		ok = false;
	}
	else
		ok = token_parse(store, text, path, error);
	mem_free(text);
	return ok;
}

/* mkdir -p for the folder of the file, private to this user. */
static void
make_parents(const char *path)
{
	char *copy = mem_strdup(path);

	for (char *at = copy + 1; (at = strchr(at, '/')) != NULL; at++)
	{
		*at = '\0';
		mkdir(copy, 0700); /* an error shows when the file is made */
		*at = '/';
	}
	mem_free(copy);
}

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0)
	{
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		text += done;
		len -= (size_t)done;
	}
	return true;
}

static bool
token_create(TokenStore *store, const char *path, char fresh[TOKEN_TEXT_LEN + 1], Buf *error)
{
	unsigned char random[SALT_LEN + TOKEN_TEXT_LEN / 2];
	TokenEntry entry = {.name = "admin"};
	char salt_hex[2 * SALT_LEN + 1];
	char hash_hex[2 * SHA256_DIGEST_LENGTH + 1];
	Buf text = {0};
	int fd;
	bool ok;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
	{
		buf_printf(error, "no random numbers: %s", strerror(errno));
		return false;
	}
	memcpy(entry.salt, random, SALT_LEN);
	hex_encode(random + SALT_LEN, TOKEN_TEXT_LEN / 2, fresh);
	token_hash(entry.salt, fresh, TOKEN_TEXT_LEN, entry.hash);
	hex_encode(entry.salt, SALT_LEN, salt_hex);
	hex_encode(entry.hash, SHA256_DIGEST_LENGTH, hash_hex);

	make_parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
	{
		buf_printf(error, "cannot make %s: %s", path, strerror(errno));
		return false;
	}
	buf_printf(&text, "# stratad tokens: name role salt sha256(salt, token)\n%s admin %s %s\n", entry.name,
			   salt_hex, hash_hex);
	ok = write_all(fd, text.data, text.len) && fsync(fd) == 0;
	if (!ok)
	{
		buf_printf(error, "cannot write %s: %s", path, strerror(errno));
		unlink(path);
	}
	close(fd);
	buf_free(&text);
	if (!ok)
		return false;
	store->first = mem_alloc(sizeof(TokenEntry));
	*store->first = entry;
	return true;
}

bool
token_store_reload(TokenStore *store, const char *path, Buf *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
	{
		buf_printf(error, "cannot read %s: %s", path, strerror(errno));
		return false;
	}
	ok = token_read_fd(store, fd, path, error);
	close(fd);
	return ok;
}

bool
token_store_open(TokenStore *store, const char *path, char fresh[TOKEN_TEXT_LEN + 1], Buf *error)
{
	*store = (TokenStore){0};
	fresh[0] = '\0';
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return token_create(store, path, fresh, error);
	return token_store_reload(store, path, error);
}

void
token_store_free(TokenStore *store)
{
	while (store->first)
	{
		TokenEntry *entry = store->first;

		store->first = entry->next;
		mem_free(entry);
	}
}

const TokenEntry *
token_check(const TokenStore *store, const char *token, size_t len)
{
	const TokenEntry *found = NULL;

	if (len > TOKEN_PRESENTED_MAX)
		return NULL;
	for (const TokenEntry *entry = store->first; entry; entry = entry->next)
	{
		unsigned char hash[SHA256_DIGEST_LENGTH];

		token_hash(entry->salt, token, len, hash);
		if (CRYPTO_memcmp(hash, entry->hash, sizeof(hash)) == 0 && !entry->revoked)
			found = entry;
	}
	return found;
}

const char *
token_from_header(const char *value)
{
	if (strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	while (*value == ' ')
		value++;
	return value;
}
