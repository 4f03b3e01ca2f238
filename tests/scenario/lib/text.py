"""What the simulated model must answer, from bench/sim/text.h's rule, worked
out here a second time: every lost, doubled or foreign byte shows."""

_M = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"
_WIDE = (" €", " 水", " ét", " nä", " ųo", " oø", " →", " ñu")


def _rotl(x, r):
    return ((x << r) | (x >> (64 - r))) & _M


def _round(acc, lane):
    return _rotl((acc + lane * _P2) & _M, 31) * _P1 & _M


def xxh64(data, seed=0):
    n, i = len(data), 0
    if n >= 32:
        v = [(seed + _P1 + _P2) & _M, (seed + _P2) & _M, seed, (seed - _P1) & _M]
        while i + 32 <= n:
            for k in range(4):
                v[k] = _round(v[k], int.from_bytes(data[i + 8 * k:i + 8 * k + 8], "little"))
            i += 32
        h = sum(map(_rotl, v, (1, 7, 12, 18))) & _M
        for lane in v:
            h = ((h ^ _round(0, lane)) * _P1 + _P4) & _M
    else:
        h = (seed + _P5) & _M
    h = (h + n) & _M
    while i + 8 <= n:
        h = (_rotl(h ^ _round(0, int.from_bytes(data[i:i + 8], "little")), 27) * _P1 + _P4) & _M
        i += 8
    if i + 4 <= n:
        h = (_rotl(h ^ int.from_bytes(data[i:i + 4], "little") * _P1 & _M, 23) * _P2 + _P3) & _M
        i += 4
    for byte in data[i:]:
        h = _rotl(h ^ byte * _P5 & _M, 11) * _P1 & _M
    h = (h ^ h >> 33) * _P2 & _M
    h = (h ^ h >> 29) * _P3 & _M
    return h ^ h >> 32


def word(number):
    n = (number >> 4) % (20 * 5 * 20)
    if number & 15 == 0:
        return _WIDE[n % 8]
    return " " + _CONSONANTS[n % 20] + _VOWELS[n // 20 % 5] + _CONSONANTS[n // 100]


def after(said, tokens, variant=0):
    """The next tokens behind these bytes."""
    words = []
    for _ in range(tokens):
        words.append(word(xxh64(said, variant)))
        said += words[-1].encode()
    return "".join(words)


def of_chat(messages, tokens, variant=0):
    said = b"".join(f"{m['role']}\x1f{m['content']}\x1e".encode() for m in messages)
    return after(said + b"assistant\x1f", tokens, variant)


def of_prompt(prompt, tokens, variant=0):
    return after(prompt.encode(), tokens, variant)
