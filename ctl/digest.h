/* digest.h - SHA digests by libcrypto, in the hexadecimal that sha256sum(1) and sha512sum(1) print. */
#ifndef CARREL_CTL_DIGEST_H
#define CARREL_CTL_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX_MAX 129 /* of SHA-512, with the NUL */

struct digest;

/* `bits` is 256 or 512. NULL when libcrypto cannot. */
struct digest *digest_new(int bits);
void digest_free(struct digest *digest);

void digest_add(struct digest *digest, const void *data, size_t size);

/* The result; the digest can then be used anew. 0 or -EIO. */
int digest_finish(struct digest *digest, char hex[DIGEST_HEX_MAX]);

static inline void digest_free_p(struct digest **digest)
{
	digest_free(*digest);
}
#define _cleanup_digest_ __attribute__((cleanup(digest_free_p)))

#endif
