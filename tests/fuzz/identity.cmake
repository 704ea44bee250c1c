# SPDX-License-Identifier: MIT
kg_fuzz(generations LIBS kg_identity)
kg_fuzz(keyring LIBS kg_identity)
kg_fuzz(mnemonic LIBS kg_identity)
kg_fuzz(seal LIBS kg_identity)
kg_fuzz(sshsig LIBS kg_identity)
