/* SPDX-License-Identifier: MIT */
/*
 * sshsig – signatures that stock git and ssh-keygen verify (OpenSSH PROTOCOL.sshsig).
 *
 * Ed25519, namespace "git", hash sha512. The signed bytes are "SSHSIG", str("git"), str(""),
 * str("sha512"), str(SHA-512(payload)), where str(x) is a big-endian 32-bit length and x. The
 * signature travels as armoured text, always the same 173 bytes of blob: byte for byte what stock
 * git would have written with the same key.
 */
#ifndef KG_IDENTITY_SSHSIG_H
#define KG_IDENTITY_SSHSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/key.h"

enum {
	KG_SSHSIG_BLOB_SIZE = 173,
	KG_SSHSIG_ARMOUR_LENGTH = 293, /* without the terminator */
	KG_SSHSIG_ARMOUR_SIZE = KG_SSHSIG_ARMOUR_LENGTH + 1,
	KG_SSHSIG_TEXT_MAX = 1024, /* bytes of armour that verify looks at */
	KG_SSHSIG_FINGERPRINT_SIZE = 51,
	KG_SSHSIG_PUBLIC_SIZE = 81,
	KG_SSHSIG_PRINCIPAL_MAX = 255,
	KG_SSHSIG_SIGNERS_SIZE = KG_SSHSIG_PRINCIPAL_MAX + 18 + KG_SSHSIG_PUBLIC_SIZE
};

/* The armour of this key's signature over `payload`: base64 in lines of 70, no final newline, which
 * is what libgit2 must be given so that the commit has the id that stock git gives it. */
void kg_sshsig_sign(char armour[KG_SSHSIG_ARMOUR_SIZE], const kg_key *key, const void *payload,
		    size_t size);

/* Finds out who signed `payload`. `strict`: the armour must be exactly the form that kg_sshsig_sign
 * writes (a re-wrapped one is a valid signature, but gives another commit id); otherwise lines may
 * have any length and a newline may follow. KG_ECORRUPT when it is no such armour, KG_EDENIED when
 * the key is refused by kg_pubkey_check, KG_EBADSIG when the signature is not over these bytes.
 * That the signer is one of ours is for the caller to check. */
KG_NODISCARD kg_err kg_sshsig_verify(kg_pubkey *signer, const char *armour, size_t length,
				     const void *payload, size_t size, bool strict);

/* "SHA256:" and unpadded base64, as `ssh-keygen -l` prints it. */
void kg_sshsig_fingerprint(char text[KG_SSHSIG_FINGERPRINT_SIZE], const kg_pubkey *pubkey);

/* "ssh-ed25519 AAAA…", one line of an authorized_keys or .pub file, no newline. */
void kg_sshsig_public(char text[KG_SSHSIG_PUBLIC_SIZE], const kg_pubkey *pubkey);

/* `<principal> namespaces="git" ssh-ed25519 AAAA…`, one line for gpg.ssh.allowedSignersFile, no
 * newline. KG_EINVAL unless the principal is 1..255 of letters, digits and "@.-_+": the rest would
 * be a pattern, a list or an option. */
KG_NODISCARD kg_err kg_sshsig_signers(char text[KG_SSHSIG_SIGNERS_SIZE], const char *principal,
				      const kg_pubkey *pubkey);

#endif
