"""The documentation says what the program does: commands, options, settings, exit codes, make targets, links."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from hypocenter.cli import cli
from hypocenter.errors import HypocenterError, InputError, LimitError, SourceError
from hypocenter.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CLI_PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def _leaves(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, with the words that name it."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _leaves(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(_leaves(cli))
OPTIONS = [
    (name, max(parameter.opts, key=len))
    for name, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
]
every_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def _section(command: str) -> str:
    found = re.search(rf"^## hypocenter {command}$(.*?)(?=^## |\Z)", CLI_PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section `## hypocenter {command}`"
    return found[1]


def _fenced_lines(text: str) -> list[str]:
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_documented(command: str, option: str) -> None:
    assert re.search(rf"`{option}\b", _section(command))


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_documented_that_does_not_exist(command: str) -> None:
    known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    assert set(re.findall(r"^\| `(--[\w-]+)", _section(command), re.MULTILINE)) <= known


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented(setting: Setting) -> None:
    row = next((line for line in SETTINGS_PAGE.splitlines() if f"`{setting.variable}`" in line), "")
    assert setting.help in row
    assert ("`" + str(setting.default) + "`" if setting.default is not None else "not set") in row


@pytest.mark.parametrize("error", [HypocenterError, InputError, LimitError, SourceError])
def test_every_exit_code_is_documented(error: type[HypocenterError]) -> None:
    assert re.search(rf"^\| {error.exit_code} \|", CLI_PAGE, re.MULTILINE)


@every_page
def test_make_targets_in_the_docs_exist(page: Path) -> None:
    asked = set(re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(_fenced_lines(page.read_text(encoding="utf-8")))))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert asked - {"bench-"} <= targets


@every_page
def test_commands_in_the_docs_are_understood(page: Path) -> None:
    lines = [line for line in _fenced_lines(page.read_text(encoding="utf-8")) if line.startswith("hypocenter ")]
    assert [line for line in lines if not _is_understood(line)] == []


def _is_understood(line: str) -> bool:
    _, *words = shlex.split(line.split(" | ")[0].split(" > ")[0])
    name = next((name for name in COMMANDS if words[: len(name.split())] == name.split()), None)
    if name is None:
        return words[0].startswith("-")
    try:
        COMMANDS[name].make_context(name, words[len(name.split()) :])
    except click.UsageError:
        return False
    return True


@every_page
def test_links_in_the_docs_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_make_target_says_what_it_does() -> None:
    targets = re.findall(r"^([a-z][a-z%-]*):(.*)$", MAKEFILE, re.MULTILINE)
    assert [name for name, rest in targets if " ## " not in rest] == []


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(
        [shutil.which("make") or "make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = {"demo", "test", "check", "bench", "help", "install"}
    assert wanted <= set(re.findall(r"^  make (\S+)", shown.stdout, re.MULTILINE))


def test_the_readme_starts_with_two_commands_and_shows_the_report() -> None:
    assert {"make demo", "make test"} <= set(_fenced_lines(README))
    picture = ROOT / "docs" / "images" / "report.png"
    assert "docs/images/report.png" in README
    assert picture.read_bytes().startswith(b"\x89PNG")
