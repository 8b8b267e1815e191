"""Names that an administrator, a portal or a file may choose to do harm: for accounts, roles and sessions."""

from __future__ import annotations

import unicodedata

_SEQUENCES = [
    "\x1b]52;c;ZXZpbA==\x07", "\x1b]52;c;ZXZpbA==\x1b\\", "\x1b]8;;https://evil.example\x1b\\prod\x1b]8;;\x1b\\",
    "\x1b]0;title\x07", "\x1b]2;title\x1b\\", "\x1b]1337;File=:AA==\x07", "\x1b]777;notify;a;b\x07", "\x1b[2J\x1b[H",
    "\x1b[31mred\x1b[0m", "\x1b[1A\x1b[2Kprod", "\x1b[6n", "\x1b[c", "\x1b[?1049h", "\x1b[?25l", "\x1b[?1000h",
    "\x1b[8m", "\x1b[20t", "\x1b[21t", "\x1bP+q544e\x1b\\", "\x1b_Gf=24;AA\x1b\\", "\x1b^pm\x1b\\", "\x1bX\x1b\\",
    "\x1bc", "\x1b#8", "\x1b(0", "\x1b%G", "\x1bN", "\x1bO", "\x1b", "\x1b\x1b", "\x9b31m", "\x9d52;c;AA\x9c",
    "\x90q\x9c", "\x9fG\x9c", "\xc2\x9b31m", "a\rb", "a\r\x1b[Kb", "a\nb", "a\r\nb", "a\n\nb", "\n", "\r", "\t",
    "a\tb", "a\x08b", "a\x7fb", "\x07" * 9,
]  # fmt: skip
_INI = [
    "]", "[", "a]b", "[a]", "[profile evil]", "a]\n[profile evil]\ncredential_process = /bin/false", "a = b", "a=b",
    "a #b", "a # b", "a ;b", "# a", "; a", "a\n# END awssso", "# BEGIN awssso", "# END awssso", " a", "a ", "\ta",
    "'a'", '"a"', "'", '"', "a'b", 'a"b', "\\", "a\\", "\\\\", "a\\nb", "%(x)s", "%", "%s%n", "$HOME", "${HOME}",
    "$(id)", "`id`", "a;id", "a|id", "a&&id", "a>b", "a<b", "a*b", "a?b", "~", "~root", "!", "!!", "a:b", "a/b", "a,b",
    "a b", "a  b", "(a)", "{a}", "{account_name}", "{0}", "{}", "{a!r}", "%(a)s",
]  # fmt: skip
_WORDS = [
    "default", "DEFAULT", "Default", "profile", "profile a", "sso-session", "sso-session corp", "services",
    "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "null", "None", "NaN", "true", "0", "-1",
    "1e9", "-", "--", "-h", "--help", "-rf", "--profile=x", ".", "..", "../..", "../../.ssh/authorized_keys", "/",
    "/etc/passwd", "CON", "NUL", "aux", "COM1", "a.b", ".a", "a.", "_", "__", "@", "+", "=", "corp",
    "corp/123456789012/Admin", "123456789012", "credential_process", "region", "END awssso", "http://evil.example",
    "javascript:alert(1)", "file:///etc/passwd",
]  # fmt: skip
_MARKUP = [
    "[/]", "[/", "[b]", "[b]a[/b]", "[@click=app.quit]x[/]", "[@click=app.bell()]x[/@click]", "[link=x]y[/link]",
    "[red on blue]", "[[a]]", "\\[a]", "<b>a</b>", "<script>alert(1)</script>", "&lt;", "*a*", "_a_", "# a",
    "=cmd|' /C calc'!A0", "=1+1", "+1+1", "-1+1", "@SUM(1)", '=HYPERLINK("x")', 'a,b"c', ":smile:", ":warning:",
    "\xa0", "\u2003a", "a\u3000b",
]  # fmt: skip
_LOOKALIKES = [
    "prod", "Prod", "PROD", "pr\u043ed", "prod\xa0", "\uff50rod", "prod\u0301", "prod\u200b", "pr\xf3d", "pro\u0301d",
    "\u212aube", "stra\xdfe", "STRASSE", "\u0130x", "\u0131x", "\ufb01x", "fix", "\u01c4", "\u03c2", "\u03c3",
    "\u1e9e", "\u0149", "a\u0345", "production-account-with-a-long-name" * 3, "prod-" + "x" * 60, "prod-" + "x" * 61,
    "prod-" + "x" * 200,
]  # fmt: skip
_UNICODE = [
    "B\xfcro Z\xfcrich", "\u6771\u4eac \u672c\u756a", "\u041f\u0440\u043e\u0434", "\u05e2\u05d1\u05e8\u05d9\u05ea",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0e44\u0e17\u0e22", "\U0001f680 launch",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "e" + "́" * 200, "\u0301",
    "\U000e0041\U000e007f", "\ue000", "\U0010fffd", "\uffff", "\ufffe", "\ufffd", "\u3164", "\u115f", "\u2800",
    "\ufe0f", "a\ufe0f", "\ud800", "\udfff", "a\ud800b", "\udc80", "\U0001d54a", "\u2028", "\u2029", "a\u2028b",
    "\x85", "a\x85b", "\xad", "a\xadb",
]  # fmt: skip
_SIZES = [
    "", "x", "x" * 63, "x" * 64, "x" * 65, "x" * 128, "x" * 129, "x" * 511, "x" * 512, "🚀" * 500, "\x1b" * 500,
]  # fmt: skip
_CONTROLS = [f"a{chr(code)}b" for code in (*range(0x20), *range(0x7F, 0xA0))]
_INVISIBLE = [
    f"prod{chr(code)}x"
    for code in (
        *(0x61C, 0x180E, 0xFEFF, 0xE0001),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFFF9, 0xFFFC),
    )
]

_ALL = (_SEQUENCES, _INI, _WORDS, _MARKUP, _LOOKALIKES, _UNICODE, _SIZES, _CONTROLS, _INVISIBLE)
PICKED = list(dict.fromkeys(name for names in _ALL for name in names))

_ALPHABETS = (
    "abcdefgh-_.@+",
    "aB \t\n\r\x1b[]0;m\x07\x9b\\\"'`$(){}#;=%/:@,*?!<>|&~^",
    "".join(chr(code) for code in range(0x300)),
    "pro\u0064\u0301\u200b\u200d\u202e\u2066\u2069\ufeff\u2028\u3164\ufe0f\u00ad\u00a0",
    "\u6771\u4eac\U0001f680\u0e44\u05e2\u0627\uff50\u01c4\u0130\u0131\u00df\ufb01",
)


def generated(rng):
    """Give one name: of one alphabet, of any characters there are, or a picked one changed."""
    kind = rng.random()
    if kind < 0.6:
        alphabet = rng.choice(_ALPHABETS)
        return "".join(rng.choice(alphabet) for _ in range(rng.choice((1, 2, 3, 5, 8, 20, 70, 300))))
    if kind < 0.75:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 30)))
    name = rng.choice(PICKED)
    place = rng.randint(0, len(name))
    return (name[:place] + rng.choice(rng.choice(_ALPHABETS)) + name[place + rng.randint(0, 1) :])[:512]


def control_characters(shown):
    """Give the characters of a text that steer a terminal or hide in it: none may come from a name (SECURITY F1)."""
    return {each for each in shown if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
