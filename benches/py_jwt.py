"""The peer of most scripts: PyJWT, each line of a file a token.

    py_jwt.py EdDSA|ES256|RS256 PUBLIC.pem TOKENS
"""

import sys

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

algorithm, key_file, tokens = sys.argv[1:]
with open(key_file, "rb") as file:
    key = load_pem_public_key(file.read())
count = 0
with open(tokens) as lines:
    for line in lines:
        jwt.decode(line.rstrip(), key, algorithms=[algorithm])
        count += 1
print(count)
