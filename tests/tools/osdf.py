"""What the federation's own validators say of a token: a JSON line in, a JSON line out.

In: {"token", "public_key" (PEM, or null for discovery), "issuer", "kid", "audience", "operation", "path"}
Out: {"python": [accepted, why], "cpp": [accepted, why]}; cpp is null without the library.

Python scitokens verifies and enforces; its Enforcer requires a validator for each claim it does not
know. scitokens-cpp (by its C interface) is given the key instead of fetching it.
"""

import ctypes
import ctypes.util
import json
import os
import sys
import tempfile

import scitokens
from scitokens.scitokens import Enforcer, SciToken


def python(case):
    key = case["public_key"]
    try:
        token = SciToken.deserialize(
            case["token"], public_key=key.encode() if key else None
        )
        enforcer = Enforcer(case["issuer"], audience=case["audience"])
        for name, _ in token.claims():
            if name not in enforcer._validator._callbacks:
                enforcer.add_validator(name, lambda value: True)
        good = enforcer.test(token, case["operation"], case["path"])
        return [good, enforcer.last_failure or ""]
    except Exception as error:  # whatever it raises is a refusal
        return [False, f"{type(error).__name__}: {error}"]


class Acl(ctypes.Structure):
    _fields_ = [("authz", ctypes.c_char_p), ("resource", ctypes.c_char_p)]


def cpp_library():
    for name in ("libscitokens.so.0", "libSciTokens.so.0"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    return None


def cpp(library, case):
    if library is None:
        return None
    error = ctypes.c_char_p()
    message = lambda: (error.value or b"").decode(errors="replace")
    issuer = case["issuer"].encode()
    token = ctypes.c_void_p()
    if case["public_key"] and library.scitoken_store_public_ec_key(
        issuer, case["kid"].encode(), case["public_key"].encode(), ctypes.byref(error)
    ):
        return [False, message()]
    issuers = (ctypes.c_char_p * 2)(issuer, None)
    if library.scitoken_deserialize(
        case["token"].encode(), ctypes.byref(token), issuers, ctypes.byref(error)
    ):
        return [False, message()]
    library.enforcer_create.restype = ctypes.c_void_p
    audiences = (ctypes.c_char_p * 2)(case["audience"].encode(), None)
    enforcer = library.enforcer_create(issuer, audiences, ctypes.byref(error))
    if not enforcer:
        return [False, message()]
    # It has names of its own for the storage scopes of WLCG: what is behind the point.
    operation = case["operation"].removeprefix("storage.")
    acl = Acl(operation.encode(), case["path"].encode())
    refused = library.enforcer_test(
        ctypes.c_void_p(enforcer), token, ctypes.byref(acl), ctypes.byref(error)
    )
    return [refused == 0, message()]


def apart(library, case):
    """In a process of its own: 0.7.3 crashes on some paths, such as /foo/.; null then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(cpp(library, case)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def main():
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        os.environ["HOME"] = cache
        library = cpp_library()
        for line in sys.stdin:
            case = json.loads(line)
            print(json.dumps({"python": python(case), "cpp": apart(library, case)}), flush=True)


if __name__ == "__main__":
    main()
