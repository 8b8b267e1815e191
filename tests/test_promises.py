"""Each promise has a test that carries its id in its name, or a line in SECURITY.md that says why not.

The table there is compared with the tests, so it cannot promise what nobody checks. After tests were added or
renamed, `python tests/test_promises.py` writes it anew.
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "SECURITY.md"
LAST = {"A": 8, "B": 10, "C": 10, "D": 10, "E": 10, "F": 7, "G": 9, "H": 11, "I": 8}
PROMISES = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]
NO_TEST = "no test: "
BEGIN, END = "<!-- promises -->", "<!-- /promises -->"
HEAD = ("| id | promise | tests |", "|---|---|---|")


def test_every_promise_has_a_test_or_a_reason():
    tests = found_tests()
    assert [each for each in PROMISES if not tests[each] and not reason(rows()[each][1])] == []


def test_no_reason_stands_where_there_is_a_test():
    tests = found_tests()
    assert [each for each in PROMISES if tests[each] and reason(rows()[each][1])] == []


def test_the_table_of_promises_names_the_tests_there_are():
    assert list(rows()) == PROMISES
    assert table() in PAGE.read_text(), "run: python tests/test_promises.py"


def test_an_id_in_a_test_name_is_one_of_a_promise():
    found = {each for name in names_of_tests() for each in ids(name)}
    assert found <= set(PROMISES), found - set(PROMISES)


def test_the_ids_of_a_name_are_those_it_begins_with():
    assert ids("test_h1_g9_a_kill_anywhere") == ["H1", "G9"]
    assert ids("test_a_lock_of_b2_is_none") == []
    assert ids("test_c10") == ["C10"]


def ids(name: str) -> list[str]:
    found = []
    for word in name.removeprefix("test_").split("_"):
        if not re.fullmatch(r"[a-i][0-9]{1,2}", word):
            break
        found.append(word.upper())
    return found


@functools.cache
def names_of_tests() -> dict[str, list[str]]:
    """Every test, by its name: the files that it is in. Strung from the source, so that nothing need be imported."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.setdefault(node.name, []).append(path.name)
    return found


def found_tests() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {each: [] for each in PROMISES}
    for name, files in names_of_tests().items():
        for each in ids(name):
            found.get(each, []).extend((file, name) for file in files)
    return found


def rows() -> dict[str, tuple[str, str]]:
    """Give what the page says, by id: the promise, and its last column."""
    text = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| [A-I]\d", line)]
    return {each[0]: (each[1], each[2] if len(each) > 2 else "") for each in cells}


def reason(column: str) -> str:
    return column.removeprefix(NO_TEST) if column.startswith(NO_TEST) else ""


def table() -> str:
    tests = found_tests()
    lines = [*HEAD]
    for each, (promise, column) in rows().items():
        lines.append(f"| {each} | {promise} | {shown(tests.get(each, [])) or column} |")
    return "\n".join(["", *lines, ""])


def shown(tests: list[tuple[str, str]]) -> str:
    """Give the tests of a promise, by file, of many the first: test_files.py: `h2_a_symbolic_link_stays_one`."""
    by_file: dict[str, list[str]] = {}
    for file, name in tests:
        by_file.setdefault(file, []).append(name.removeprefix("test_"))
    parts = []
    for file, names in sorted(by_file.items()):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        parts.append(f"{file}: `{names[0]}`{more}")
    return "; ".join(parts)


def main() -> None:
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
