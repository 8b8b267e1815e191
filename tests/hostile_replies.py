"""Replies that no honest service sends, by operation: picked ones, and generated ones by changing good ones."""

from __future__ import annotations

import gzip
import json
import random
import re
import time

ACCOUNT = "108273645012"


def good_reply(operation):
    return {
        "RegisterClient": {"clientId": "id", "clientSecret": "s" * 1400, "clientSecretExpiresAt": 4_000_000_000},
        "StartDeviceAuthorization": {
            "deviceCode": "d" * 200,
            "userCode": "ABCD-EFGH",
            "verificationUri": "https://device.sso.us-east-1.amazonaws.com/",
            "verificationUriComplete": "https://device.sso.us-east-1.amazonaws.com/?user_code=ABCD-EFGH",
            "expiresIn": 600,
            "interval": 1,
        },
        "CreateToken": {"accessToken": "a" * 300, "expiresIn": 3600, "refreshToken": "r" * 300, "tokenType": "Bearer"},
        "ListAccounts": {"accountList": [{"accountId": ACCOUNT, "accountName": "prod", "emailAddress": "a@b.c"}]},
        "ListAccountRoles": {"roleList": [{"roleName": "Admin", "accountId": ACCOUNT}]},
        "GetRoleCredentials": {
            "roleCredentials": {
                "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "secretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                "sessionToken": "IQoJb3JpZ2luX2Vj" * 40 + "==",
                "expiration": int(time.time() + 3600) * 1000,
            }
        },
    }[operation]


def generic_hostile(good):
    """Replies that no operation may take for an answer, made of a good one."""
    text = json.dumps(good)
    name = next(iter(good))
    wire = text.encode()
    bodies = {
        "empty": b"",
        "blank": b" \r\n",
        "null": b"null",
        "true": b"true",
        "number": b"0",
        "NaN": b"NaN",
        "Infinity": b"-Infinity",
        "string": b'"text"',
        "empty-list": b"[]",
        "list-of-good": b"[" + wire + b"]",
        "empty-object": b"{}",
        "other-object": b'{"message": "ok"}',
        "open": b"{",
        "closed": b"}",
        "single-quotes": text.replace('"', "'").encode(),
        "html": b"<!doctype html><title>Sign in</title>",
        "xml": b"<?xml version='1.0'?><a/>",
        "javascript": b"while(1);" + wire,
        "bom": b"\xef\xbb\xbf" + wire,
        "utf-16": text.encode("utf-16"),
        "utf-32": text.encode("utf-32"),
        "latin-1": text.replace("{", '{"x": "\xe9", ', 1).encode("latin-1"),
        "bad-utf-8": text.replace("{", '{"x": "@", ', 1).encode().replace(b"@", b"\xc3\x28"),
        "encoded-surrogate": text.replace("{", '{"x": "@", ', 1).encode().replace(b"@", b"\xed\xa0\x80"),
        "nul": b"\x00" + wire,
        "twice": wire + wire,
        "trailing": wire + b" x",
        "cut": wire[:-1],
        "halved": wire[: len(wire) // 2],
        "trailing-comma": wire[:-1] + b",}",
        "comment": wire + b"// ok",
        "nan-inside": text.replace("{", '{"x": NaN, ', 1).encode(),
        "infinity-inside": text.replace("{", '{"x": Infinity, ', 1).encode(),
        "deep-lists": b"[" * 200_000,
        "deep-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep-inside": text.replace("{", '{"x": ' + "[" * 50_000 + "]" * 50_000 + ", ", 1).encode(),
        "key-twice": text.replace("{", f'{{"{name}": {json.dumps(good[name])}, ', 1).encode(),
        "control-in-string": text.replace("{", '{"x": "\x01", ', 1).encode(),
        "too-large": wire + b" " * (6 << 20),
    }
    statuses = (201, 202, 203, 204, 206, 226, 300, 302, 304, 308)
    return [
        *((key, {"body": body}) for key, body in bodies.items()),
        *((f"status-{status}", {"status": status, "body": wire}) for status in statuses),
        ("html-200", {"body": b"<html>", "headers": {"Content-Type": "text/html"}}),
        ("gzip", {"body": wire, "gzip": True}),
        ("half-closed", {"body": wire, "half_close": True}),
        ("reset", {"body": wire, "reset": True}),
    ]


LEFT_OUT = object()
NO_WORDS = [
    LEFT_OUT,
    None,
    "",
    5,
    1.5,
    True,
    [],
    {},
    ["x"],
    "a b",
    "a\nb",
    "a\r",
    "\x1b[2J",
    "\x00",
    "é",
    "\u202e",
    "x" * 70_000,
]
NO_NUMBERS = [None, "3600", -1, 1.5, True, False, [], {}, 2**63, 1e300, 10**30, -(2**63)]
NO_KEYS = ["ASIA", "asiaiosfodnn7example", "ASIAIOSFODNN7EXAMPL!", "A" * 129]
NO_SECRETS = ['quote"', "back\\slash", "tab\tx"]


def no_expirations():
    now = int(time.time())
    year_10000 = 253402300800
    return [0, -1, 1, now + 3600, (now + 30) * 1000, (now - 3600) * 1000, (now + 14 * 3600) * 1000, year_10000 * 1000]


NO_TEXT = [5, True, [], {}, "x" * 600]
# Where a wrong value may stand, as (path, wrong values).
FIELDS = {
    "RegisterClient": [
        (("clientId",), NO_WORDS),
        (("clientSecret",), NO_WORDS),
        (("clientSecretExpiresAt",), [LEFT_OUT, *NO_NUMBERS]),
    ],
    "StartDeviceAuthorization": [
        *(((name,), NO_WORDS) for name in ("deviceCode", "userCode", "verificationUri", "verificationUriComplete")),
        (("expiresIn",), [*NO_NUMBERS, 86401]),
        (("interval",), [*NO_NUMBERS, 3601]),
    ],
    "CreateToken": [
        (("accessToken",), NO_WORDS),
        (("expiresIn",), [LEFT_OUT, *NO_NUMBERS, 91 * 86400]),
        (("refreshToken",), [each for each in NO_WORDS if each is not LEFT_OUT and each]),
    ],
    "ListAccounts": [
        (("accountList",), [LEFT_OUT, None, "x", 5, True, {}, ["x"], [None], [[]], [5]]),
        (("accountList", 0, "accountId"), [*NO_WORDS, 108273645012, "1" * 11, "1" * 13, "\u0661" * 12, f"{ACCOUNT}\n"]),
        (("accountList", 0, "accountName"), NO_TEXT),
        (("accountList", 0, "emailAddress"), NO_TEXT),
        (("nextToken",), [5, True, [], {}, "a b", "a\r\nb", "é", "x" * 70_000]),
    ],
    "ListAccountRoles": [
        (("roleList",), [LEFT_OUT, None, "x", 5, True, {}, ["Admin"], [None], [[]], [5]]),
        (("roleList", 0, "roleName"), [LEFT_OUT, None, "", *NO_TEXT]),
        (("nextToken",), [5, True, [], {}, "a b", "a\r\nb", "é", "x" * 70_000]),
    ],
    "GetRoleCredentials": [
        (("roleCredentials",), [LEFT_OUT, None, "x", 5, True, [], {}, [{}]]),
        (("roleCredentials", "accessKeyId"), [*NO_WORDS, *NO_KEYS]),
        (("roleCredentials", "secretAccessKey"), [*NO_WORDS, *NO_SECRETS]),
        (("roleCredentials", "sessionToken"), [*NO_WORDS, *NO_SECRETS]),
        (("roleCredentials", "expiration"), [LEFT_OUT, *NO_NUMBERS, *no_expirations()]),
    ],
}


def spoilt(good, path, wrong):
    *way, last = path
    reply = json.loads(json.dumps(good))
    inner = reply
    for step in way:
        inner = inner[step]
    if wrong is LEFT_OUT:
        del inner[last]
    else:
        inner[last] = wrong
    return json.dumps(reply).encode()


def hostile_replies(operation):
    good = good_reply(operation)
    spoilt_fields = [
        (f"{path[-1]}-{'left-out' if wrong is LEFT_OUT else repr(wrong)[:20]}", {"body": spoilt(good, path, wrong)})
        for path, all_wrong in FIELDS[operation]
        for wrong in all_wrong
    ]
    return [*generic_hostile(good), *spoilt_fields]


# Whole replies as bytes on the wire, for servers that do not even speak HTTP


def framed(body, status="200 OK", headers=()):
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def picked(operation, elsewhere):
    """Give named replies of which no operation may take one; `elsewhere` is a place where no token may go."""
    good = good_reply("ListAccounts" if operation == "Logout" else operation)
    wire = json.dumps(good).encode()
    replies = {**_broken_framing(wire), **_other_statuses(wire, elsewhere)}
    if operation != "Logout":  # of whose answer only the status counts
        replies |= {f"json {name}": framed_as_ordered(how) for name, how in hostile_replies(operation) if "body" in how}
        replies |= {f"cut after {n}": framed(wire[:n]) for n in range(0, len(wire), max(1, len(wire) // 60))}
        replies |= {f"without byte {n}": framed(wire[:n] + wire[n + 1 :]) for n in _places_of_syntax(wire)}
        replies |= {f"{name} instead": framed(body) for name, body in _large_bodies().items()}
    return replies


def framed_as_ordered(how):
    """Write as bytes what the simulator would do of an order of `hostile_replies`."""
    body = gzip.compress(how["body"]) if how.get("gzip") else how["body"]
    headers = ["Content-Encoding: gzip"] if how.get("gzip") else []
    whole = framed(body, f"{how.get('status', 200)} X", headers)
    if how.get("reset"):
        return b""
    return whole[: -len(body) // 2] if how.get("half_close") else whole


def _places_of_syntax(wire):
    """Give the places of JSON's own signs: without one of them it is no JSON."""
    is_inside = False
    places = []
    for place, byte in enumerate(wire):
        if byte == ord('"') or (not is_inside and byte in b"{}[]:,"):
            places.append(place)
        is_inside ^= byte == ord('"')
    return places[:60]


def _broken_framing(wire):
    size = len(wire)
    head = b"HTTP/1.1 200 OK\r\n"
    length = b"Content-Length: %d\r\n" % size
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    sizes = {
        "no hex": b"zz", "negative": b"-5", "empty": b"", "blank": b" ", "too far": b"%x" % (size + 9),
        "huge": b"f" * 15, "endless": b"f" * 70_000, "0x": b"0xzz", "signed": b"+g", "unicode": "\u0665x".encode(),
    }  # fmt: skip
    lengths = ["9" * 30, f"{size + 1}", f"{size * 2}", f"{2**31}", f"{2**63}", f"{size},{size + 1}", "1e3"]
    lines = [
        "", " ", "\0", "HTTP", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 abc OK", "HTTP/1.1 -200 OK", "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK", "HTTP/9.9 200 OK", "HTTP/ 200 OK", "http/1.1 200 OK", "ICY 200 OK", "HTTP/1.1\t200\tOK",
        "HTTP/1.1 99 X", "HTTP/1.1 1000 X", "HTTP/1.1 2\u00b20 OK", "SSH-2.0-x", "220 mail ready", "* OK IMAP ready",
        "+OK pop", "RFB 003.008", "GET / HTTP/1.1", "PRI * HTTP/2.0", "{}", "HTTP/1.1 200" + "x" * 70_000, "\xff" * 99,
    ]  # fmt: skip
    return {
        "closed at once": b"",
        "a tls record": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
        "a tls alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "an http/2 preface": b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18,
        "nothing but newlines": b"\r\n" * 500,
        "nothing but nul": b"\0" * 5000,
        "random bytes": random.Random(1).randbytes(5000),
        **{
            f"status line {line[:20]!a}": f"{line}\r\n".encode("latin-1", "replace") + length + b"\r\n"
            for line in lines
        },
        **{f"cut at {n} of the head": (head + length)[:n] for n in range(1, len(head + length), 3)},
        **{f"length {value[:24]}": head + f"Content-Length: {value}\r\n\r\n".encode() + wire for value in lengths},
        **{f"half at {n}": head + length + b"\r\n" + wire[:n] for n in range(0, size, max(1, size // 30))},
        **{f"chunk size {name}": chunked + value + b"\r\n" + wire + b"\r\n0\r\n\r\n" for name, value in sizes.items()},
        "chunks without end": chunked + b"%x\r\n" % size + wire + b"\r\n",
        "an endless chunk extension": chunked + b"5;" + b"x" * 70_000 + b"\r\n",
        "a header line without end": head + b"X: " + b"x" * 70_000,
        "a header line of a megabyte": head + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n" + wire,
        "a thousand headers": head + b"X: y\r\n" * 1000 + b"\r\n" + wire,
        "a thousand 100s": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        "two lengths": head + length + b"Content-Length: 5\r\n\r\n" + wire,
        **{
            f"packed as {name}": head + f"Content-Encoding: {name}\r\n".encode() + length + b"\r\n" + wire
            for name in ("gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip", "gzip, gzip", "IDENTITY2", "?")
        },
        "a gzip bomb": framed(gzip.compress(b" " * (50 << 20), 9), headers=["Content-Encoding: gzip"]),
        "a gzip bomb without length": head + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * (20 << 20), 9),
        "twenty megabytes": framed(wire + b" " * (20 << 20)),
        "twenty megabytes without length": head + b"\r\n" + wire + b" " * (20 << 20),
        "twenty megabytes of chunks": chunked + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 320,
        "a megabyte in chunks of one byte": chunked + b"1\r\n \r\n" * (1 << 20),
    }


def _other_statuses(wire, elsewhere):
    """Anything but 200; where a redirect is possible, with every way to point elsewhere."""
    host = elsewhere.partition("://")[2]
    places = [
        elsewhere, f"{elsewhere}/start", f"//{host}/", f"http://user@{host}/", f"HTTP://{host}", f"\thttp://{host}",
        f"https://{host}/", "/", "?x", "", "file:///etc/passwd", "ftp://127.0.0.1/", "javascript:alert(1)", "x" * 9000,
    ]  # fmt: skip
    bodies = {
        "its body": wire,
        "nothing": b"",
        "html": b"<html>Sign in</html>",
        "a list": b"[]",
        "bad json": b"{",
        "latin": b"\xff",
        "much": b" " * 100_000,
    }
    error = b'{"message": "no", "__type": "x"}'
    other = [*range(201, 209), 226, 299, *range(300, 309), *range(400, 419), 421, 422, 426, 431, 451, 499]
    answers = [(status, name) for status in other for name in bodies if name != "its body" or status < 400]
    moves = [(status, place) for status in (201, 300, 301, 302, 303, 305, 307, 308, 401) for place in places]
    return {
        **{f"{status} to {place[:30]!a}": framed(wire, f"{status} X", _pointers(place)) for status, place in moves},
        **{f"{status} with {name}": framed(bodies[name], f"{status} X") for status, name in answers},
        **{f"{status} with an error": framed(error, f"{status} X") for status in (401, 403, 404, 400, 409)},
    }


def _pointers(place):
    return [f"Location: {place}", f"Refresh: 0; url={place}", f"Link: <{place}>; rel=next", f'Alt-Svc: h2="{place}"']


def _large_bodies():
    """Replies within every limit of bytes that want to be large or slow in memory."""
    room = 200 << 10
    keys = b",".join(b'"k%d": 0' % number for number in range(room // 12))
    return {
        "empty objects": b'{"x": [' + b"{}," * (room // 3) + b"{}]}",
        "empty lists": b'{"x": [' + b"[]," * (room // 3) + b"[]]}",
        "small objects": b'{"x": [' + b'{"":0},' * (room // 7) + b"0]}",
        "floats": b'{"x": [' + b"1.5," * (room // 4) + b"0]}",
        "different keys": b"{" + keys + b"}",
        "one key again": b"{" + b'"k": 0,' * (room // 7) + b'"k": 0}',
        "one long string": b'{"x": "' + b"\\u00e9" * (room // 6) + b'"}',
        "one long number": b'{"x": ' + b"9" * room + b"}",
        "a long exponent": b'{"x": 1e' + b"9" * room + b"}",
        "blanks": b'{"x": ' + b" " * room + b"1}",
    }


# Generated: a good reply, changed


_ATOMS = [
    None, True, False, 0, -1, 1.5, 1e308, 2**53, 2**63, 10**40, "", " ", "x", "0", "\0", "\r\nX: y", "\x1b[2J",
    "\u202e", "\ud800", "\u00e9", "x" * 600, "x" * 20_000, [], {}, [[]], {"": {}}, ACCOUNT, "1" * 12, "https://evil.example/",
]  # fmt: skip


def generated(operation, rng):
    """Give one reply: a good one with its values, its text, its bytes or its framing changed; sometimes still good."""
    good = good_reply("ListAccounts" if operation == "Logout" else operation)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        good = _with_another_value(good, rng)
    body = json.dumps(good, ensure_ascii=rng.random() < 0.8).encode("utf-8", "surrogatepass")
    for _ in range(rng.choice((0, 0, 0, 1, 2, 5))):
        body = _with_other_bytes(body, rng)
    status = rng.choice(
        ("200 OK",) * 6 + ("200", "201 X", "204 X", "302 X", "400 X", "401 X", "403 X", "404 X", "418 X")
    )
    headers = [
        rng.choice(
            ("X: y", "Date: x", "Date: Fri, 31 Dec 9999 23:00:00 GMT", "Retry-After: 0", "x-amzn-errortype: X#:")
        )
    ]
    whole = framed(body, status, headers)
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 2))):
        whole = _with_other_bytes(whole, rng)
    return whole


def _with_another_value(value, rng):
    change = {dict: _another_object, list: _another_list, str: _another_text, int: _another_number}.get(type(value))
    return change(value, rng) if change and value and rng.random() < 0.7 else rng.choice(_ATOMS)


def _another_object(value, rng):
    key = rng.choice(list(value))
    chance = rng.random()
    if chance < 0.1:
        return {name: inner for name, inner in value.items() if name != key}
    if chance < 0.2:
        return {**value, rng.choice(("x", "", "accountId", "nextToken", "expiration")): rng.choice(_ATOMS)}
    return {**value, key: _with_another_value(value[key], rng)}


def _another_list(value, rng):
    place = rng.randrange(len(value))
    return [*value[:place], _with_another_value(value[place], rng), *value[place + 1 :]] * rng.choice((1, 1, 2))


def _another_text(value, rng):
    place = rng.randint(0, len(value))
    new = rng.choice((chr(rng.randrange(0x250)), "\\", '"', "\u2028", ""))
    return value[:place] + new + value[place + rng.randint(0, 2) :]


def _another_number(value, rng):
    moved = value + rng.randint(-(10**8), 10**8)
    return rng.choice((moved, -value, value * 1000, value / 7, float(value), value // 1000))


def _with_other_bytes(data, rng):
    place, width = rng.randint(0, len(data)), rng.choice((0, 1, 1, 2, 8, 200))
    new = rng.choice(
        (b"", rng.randbytes(1), rng.randbytes(4), b"\r\n", b"{", b"}", b'"', b"[" * 3000, b"\xff", data[:40])
    )
    return data[:place] + new + data[place + width :]


# What an honest answer may be, judged without a line of the product


def is_honest(operation, answer):
    """Say whether this is an answer that may leave the decoder, whatever was sent."""
    return _HONEST[operation](answer)


def _is_word(text, longest=20_000):
    return isinstance(text, str) and re.fullmatch("[!-~]+", text) is not None and len(text) <= longest


def _is_text(text):
    return isinstance(text, str) and len(text) <= 512 and text.encode() is not None


def _is_credentials(found):
    secrets_ = (found.secret_access_key.reveal(), found.session_token.reveal())
    return (
        re.fullmatch("[A-Z0-9]{16,128}", found.access_key_id) is not None
        and all(_is_word(each) and not set(each) & set('"\\') for each in secrets_)
        and 50 <= found.expires_at - time.time() <= 13 * 3600 + 2 * 86400
        and found.account_id == ACCOUNT
    )


def _is_device(found):
    words = (found.device_code.reveal(), found.user_code, found.verification_uri, found.verification_uri_complete)
    return all(_is_word(each) for each in words) and 0 <= found.expires_in <= 86400 and 0 <= found.interval <= 3600


def _is_token(found):
    is_renewed = found.refresh_token is None or _is_word(found.refresh_token.reveal())
    return is_renewed and _is_word(found.access_token.reveal()) and found.expires_at <= time.time() + 90 * 86400


def _is_account(found):
    return re.fullmatch("[0-9]{12}", found.id) is not None and _is_text(found.name) and _is_text(found.email)


_HONEST = {
    "RegisterClient": lambda found: _is_word(found.client_id) and _is_word(found.client_secret.reveal()),
    "StartDeviceAuthorization": _is_device,
    "CreateToken": _is_token,
    "ListAccounts": lambda pages: all(_is_account(each) for page in pages for each in page),
    "ListAccountRoles": lambda names: all(name and _is_text(name) for name in names),
    "GetRoleCredentials": _is_credentials,
    "Logout": lambda nothing: nothing is None,
}
