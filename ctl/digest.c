/* digest.c - see digest.h. */
#include "digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct digest {
	EVP_MD_CTX *context;
	const EVP_MD *kind;
};

struct digest *digest_new(int bits)
{
	struct digest *digest = calloc(1, sizeof(*digest));

	if (!digest)
		return NULL;
	digest->kind = bits == 256 ? EVP_sha256() : EVP_sha512();
	digest->context = EVP_MD_CTX_new();
	if (!digest->context || EVP_DigestInit_ex(digest->context, digest->kind, NULL) != 1) {
		digest_free(digest);
		return NULL;
	}
	return digest;
}

void digest_free(struct digest *digest)
{
	if (digest)
		EVP_MD_CTX_free(digest->context);
	free(digest);
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
	(void)EVP_DigestUpdate(digest->context, data, size);
}

int digest_finish(struct digest *digest, char hex[DIGEST_HEX_MAX])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_DigestFinal_ex(digest->context, sum, &size) != 1 || 2 * size >= DIGEST_HEX_MAX)
		return -EIO;
	for (unsigned i = 0; i < size; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", sum[i]);
	return EVP_DigestInit_ex(digest->context, digest->kind, NULL) == 1 ? 0 : -EIO;
}
