"""The laws that no linter knows: what is loaded when, where secrets are revealed, whether the pages tell the truth."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from awssso_helper import parser, settings

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "awssso_helper"
# What a cached answer may cost: none of these is loaded for one.
HEAVY = {
    "argparse", "boto3", "botocore", "http.client", "rich", "ssl", "textual", "urllib.request", "urllib3",
    "awssso_helper.cli", "awssso_helper.commands", "awssso_helper.identity_center", "awssso_helper.profiles",
    "awssso_helper.parser", "awssso_helper.simulator", "awssso_helper.terminal", "awssso_helper.transport",
}  # fmt: skip


def test_secrets_are_revealed_in_few_files():
    revealing = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if ".reveal()" in path.read_text()}
    assert revealing == {
        "agent.py",
        "callback.py",
        "commands/console.py",
        "commands/context.py",
        "console.py",
        "credential_process.py",
        "credentials.py",
        "handover.py",
        "iam.py",
        "identity_center.py",
        "login.py",
        "migration/edits.py",
        "migration/planning.py",
        "migration/world.py",
        "role_cache.py",
        "scan.py",
    }


def test_only_the_voice_prints():
    speaking = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if writes_to_the_terminal(path)}
    # The robot at the browser is a program of its own.
    assert speaking <= {"terminal.py", "simulator/person.py"}


def writes_to_the_terminal(path: Path) -> bool:
    calls = (ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(call in {"print", "sys.stdout.write", "sys.stderr.write"} for call in calls)


def test_text_is_opened_as_utf_8_whose_codec_python_has_loaded_at_its_start():
    """Another one is a module to import at that moment: where that fails, the soak found a LookupError."""
    others = [
        f"{path.name}:{number}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"encoding=(?!\"utf-8\")", line)
    ]
    assert others == []


def test_a_cached_answer_loads_nothing_heavy(sandbox):
    sandbox.settings("keyring = plaintext-file", "agent = off")
    sandbox.configure()
    sandbox.ok("login", "--no-sync")
    word = "corp/210987654321/ReadOnlyAccess"
    first = sandbox.document(word)
    script = (
        "import sys; from awssso_helper.credential_process import run; status = run(sys.argv[1:]);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(status)"
    )
    answered = sandbox.program(sys.executable, "-I", "-c", script, word)
    assert json.loads(answered.stdout) == first
    assert HEAVY & set(answered.stderr.split()) == set()


def test_the_picker_waits_for_no_room_that_its_first_screen_does_not_show():
    script = (
        "import sys; from awssso_helper import cli; from awssso_helper.commands import pick; cli._parsed(['pick']);"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    rooms = {f"awssso_helper.{room}" for room in ("aws_config", "credentials", "discovery", "role_cache", "store")}
    assert (rooms | {"configparser", "ssl", "textual", "urllib3"}) & set(done.stdout.split()) == set()


def test_every_function_that_a_caller_sees_says_what_it_is():
    silent = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))]
        silent += [
            f"{path.name}:{getattr(node, 'name', 'module')}"
            for node in nodes
            if not getattr(node, "name", "public").startswith("_") and not ast.get_docstring(node)
        ]
    assert silent == []


def commands() -> list[str]:
    return list(parser.command_parsers(parser.build_parser()))


def test_every_command_has_help_that_can_be_read():
    for command in commands():
        done = subprocess.run(
            [sys.executable, "-m", "awssso_helper", command, "--help"],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "80"},
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0
        assert done.stderr == ""
        assert f"usage: awssso {command}" in done.stdout


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(text: str) -> list[tuple[str, list[str]]]:
    """Every awssso command line of a page: the command, and its options up to another program's."""
    found = re.findall(r"(?:`|\$ |\$\(|^ +)awssso ([a-z][a-z-]+)((?: [^`\n|)]*)?)", text, re.MULTILINE)
    return [(command, re.findall(r"(?<= )--?[a-zA-Z][a-z-]*", rest.partition(" -- ")[0])) for command, rest in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_commands_and_options_that_exist(page):
    parsers = parser.command_parsers(parser.build_parser())
    wrong = [
        (command, [option for option in options if option not in known])
        for command, options in snippets(page.read_text())
        for known in [parser.option_strings(parsers[command]) if command in parsers else []]
        if command not in parsers or set(options) - set(known)
    ]
    assert wrong == []


def test_a_page_for_those_who_come_from_each_of_the_peers():
    pages = {page.stem for page in PAGES}
    assert {f"coming-from-{each}" for each in ("aws-vault", "granted", "aws-sso-cli", "aws-sso-util")} < pages
    text = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text] == []


def test_the_readme_shows_every_command():
    text = (ROOT / "README.md").read_text()
    assert [command for command in commands() if f"awssso {command}" not in text] == []


def test_the_readmes_settings_are_the_configspec():
    text = (ROOT / "README.md").read_text()
    shown = re.search(r"<!-- settings.*?```ini\n(.*?)```", text, re.DOTALL)
    assert shown
    assert shown[1] == settings.SPEC


def test_the_architecture_names_every_room_and_every_dependency():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    assert [room for room in rooms if room not in text] == []
    project = (ROOT / "pyproject.toml").read_text()
    dependencies = re.findall(r'^  "([a-z0-9-]+)>=', project.split("dependencies = [")[1].split("]")[0], re.MULTILINE)
    assert dependencies
    assert [name for name in dependencies if f"| {name} |" not in text] == []


def test_the_architectures_floors_are_the_ones_that_are_checked():
    project = (ROOT / "pyproject.toml").read_text()
    layers = re.search(r"layers = \[\n(.*?)\n\]", project, re.DOTALL)
    assert layers
    floors = re.findall(r'"([^"]+)"', layers[1])
    shown = re.search(r"The floors, top to bottom.*?\n\n(.*?)\n\n", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert shown
    assert [line.strip() for line in shown[1].splitlines()] == floors


POSIX_ONLY = {"fcntl", "grp", "posix", "pwd", "resource", "termios", "tty"}


def imported_at_once(path: Path) -> set[str]:
    """What a module imports wherever it is imported; what an `if` or a function imports is not among it."""
    nodes = ast.parse(path.read_text()).body
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_no_room_needs_a_module_that_windows_lacks_to_be_imported():
    assert POSIX_ONLY & imported_at_once(Path(__file__).parent / "pseudo_terminal.py")
    wanting = {path.name: POSIX_ONLY & imported_at_once(path) for path in PACKAGE.rglob("*.py")}
    assert {name: modules for name, modules in wanting.items() if modules} == {}
