"""What the simulated model must answer, fast enough for prompts of megabytes:
the rule of tests/scenario/lib/text.py, with libxxhash's running state where
that library is there."""
import ctypes
import ctypes.util

from lib import text


def _library():
    name = ctypes.util.find_library("xxhash") or "libxxhash.so.0"
    try:
        lib = ctypes.CDLL(name)
    except OSError:
        return None
    lib.XXH64_createState.restype = ctypes.c_void_p
    lib.XXH64_reset.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    lib.XXH64_update.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.XXH64_digest.argtypes = [ctypes.c_void_p]
    lib.XXH64_digest.restype = ctypes.c_uint64
    lib.XXH64_freeState.argtypes = [ctypes.c_void_p]
    return lib


_LIB = _library()


def after(said, tokens):
    """The tokens behind these bytes."""
    if not _LIB:
        return text.after(said, tokens)
    state, words = _LIB.XXH64_createState(), []
    _LIB.XXH64_reset(state, 0)
    _LIB.XXH64_update(state, said, len(said))
    for _ in range(tokens):
        words.append(text.word(_LIB.XXH64_digest(state)))
        token = words[-1].encode()
        _LIB.XXH64_update(state, token, len(token))
    _LIB.XXH64_freeState(state)
    return "".join(words)


def of_chat(content, tokens):
    return after(b"user\x1f" + content.encode() + b"\x1eassistant\x1f", tokens)


def of_prompt(prompt, tokens):
    return after(prompt.encode(), tokens)
