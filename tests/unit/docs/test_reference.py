"""The reference has all there is, and nothing that is not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest

from gaia import errors
from gaia.cli.command import ExitCode, Verb, common_options, exit_code
from gaia.cli.main import main as gaia
from gaia.model.worker import FailureReason
from gaia.server.assembly import Assembly, assemble
from gaia.server.auth import Role
from gaia.server.main import main as server
from gaia.server.settings import Settings
from gaia.worker.main import self_check
from gaia.worker.options import command
from gaia.worker.service_command import install_command

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "gaia"
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

WORKER = command(lambda _: None, self_check)
INSTALL = install_command(WORKER)
COMMON = {name for option in common_options() for name in option.opts}

PASSED_ON = {"code", "error.code", "reason"}
"""First arguments that stand for a code which was made elsewhere, or is dynamic (`http-NNN`)."""


def section(page: str, heading: str) -> str:
    """What stands below a heading, to the next one of its level or above."""
    level, text = heading.partition(" ")[0], (REFERENCE / page).read_text()
    found = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"{page} has no section {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Table rows, as cells, without the heads."""
    lines = text.splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("| ") and not line.startswith("| ---") and not after.startswith("| ---")
    ]


def quoted(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def options_of(program: click.Command) -> dict[str, click.Option]:
    context = click.Context(program)
    found = [param for param in program.get_params(context) if isinstance(param, click.Option)]
    return {name: option for option in found for name in option.opts}


def verbs(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from verbs(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


VERBS = dict(verbs(gaia, "gaia"))


def documented_options(text: str) -> dict[str, list[str]]:
    return {
        option: cells for cells in rows(text) for option in quoted(cells[0]) if option[0] == "-"
    }


def check_default(option: click.Option, row: list[str]) -> None:
    if isinstance(option.default, str | int | float | Path) and option.default not in ("", False):
        default = option.default
        shown = f"./{default}" if isinstance(default, Path) else str(default)
        assert shown in " ".join(row), (option.name, row)


@pytest.mark.parametrize(
    ("program", "heading"), [(server, "## gaia-server"), (WORKER, "## gaia-worker")]
)
def test_each_option_of_the_programs_has_its_row(program: click.Command, heading: str) -> None:
    documented = documented_options(section("commands.md", heading).partition("### ")[0])
    options = options_of(program)
    assert documented.keys() == options.keys()
    for name, option in options.items():
        row = documented[name]
        check_default(option, row)
        # Those that end at once are not for the environment.
        if name not in ("--version", "--help", "--self-check"):
            assert option.name is not None
            variable = option.envvar or f"GAIA_{option.name.upper()}"
            assert row[1] == f"`{variable}`"


def test_each_option_of_the_installation_has_its_row() -> None:
    documented = documented_options(section("commands.md", "### gaia-worker install"))
    shared = options_of(WORKER).keys()
    own = {name: o for name, o in options_of(INSTALL).items() if name not in shared}
    assert documented.keys() == own.keys()
    for name, row in documented.items():
        check_default(own[name], row)


def test_each_verb_has_its_section() -> None:
    text = section("commands.md", "## gaia")
    assert sorted(re.findall("^### (.*)$", text, re.MULTILINE)) == sorted(VERBS)
    common = text.partition("###")[0]
    assert documented_options(common).keys() == COMMON | {"--version", "--help"}


@pytest.mark.parametrize("name", VERBS)
def test_each_option_of_a_verb_has_its_row(name: str) -> None:
    verb = VERBS[name]
    documented = documented_options(section("commands.md", f"### {name}"))
    own = options_of(verb)
    for option in (COMMON if isinstance(verb, Verb) else set()) | {"--help"}:
        own.pop(option)
    assert documented.keys() == own.keys()
    for option, row in documented.items():
        check_default(own[option], row)


def test_each_exit_code_has_its_row() -> None:
    common = section("commands.md", "## gaia").partition("###")[0]
    codes = [int(cells[0]) for cells in rows(common) if cells[0].isdecimal()]
    assert codes == list(ExitCode)


def test_the_stubs_exit_codes_have_their_rows() -> None:
    stub = (SOURCE / "cli" / "build" / "stub" / "stub.h").read_text()
    codes = re.findall(r"^\s*EXIT_\w+ = (\d+)", stub, re.MULTILINE)
    assert [cells[0] for cells in rows(section("errors.md", "## The stub"))] == codes


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def assembly(data_dir: Path) -> Iterator[Assembly]:
    found = assemble(Settings("127.0.0.1", 0, data_dir, "a-token-of-the-tests", "", "", 1, 0.2))
    yield found
    found.database.close()


def roles_of(cell: str) -> frozenset[Role]:
    if cell == "any":
        return frozenset(Role)
    if cell == "public":
        return frozenset()
    return frozenset(map(Role, cell.replace("watchers", "viewer, operator, admin").split(", ")))


def test_each_call_has_its_row(assembly: Assembly) -> None:
    table = {quoted(cells[0])[0]: cells for cells in rows(section("http.md", "## Calls"))}
    pages = {call for call, cells in table.items() if len(cells) == 2}
    calls = {f"{endpoint.method} {endpoint.path}": endpoint for endpoint in assembly.endpoints}
    assert table.keys() - pages == calls.keys()
    for call, endpoint in calls.items():
        assert roles_of(table[call][1]) == endpoint.allowed, call
        text = section("http.md", "## Uploads") if endpoint.method == "POST" else table[call][2]
        assert set(endpoint.parameters) <= set(quoted(text)), call

    paths = {getattr(route, "path", "") for route in assembly.app.routes}
    known = {endpoint.path for endpoint in assembly.endpoints}
    assert {page.split()[1] for page in pages} == paths - known


@pytest.mark.usefixtures("assembly")
def test_each_file_of_a_fresh_server_is_named(data_dir: Path) -> None:
    text = section("files.md", "## The server's data folder")
    for path in data_dir.iterdir():
        assert f"`{path.name}{'/' if path.is_dir() else ''}" in text
    keys = {f"`{key.name}`" for key in (data_dir / "keys").glob("*.pem")}
    assert keys
    assert all(key in text for key in keys)


def test_each_private_file_of_a_worker_is_named() -> None:
    text = section("files.md", "## Beside the worker's executable")
    kinds = {
        node.args[0].value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "beside"
        and isinstance(node.args[0], ast.Constant)
    }
    assert kinds
    assert kinds == set(re.findall(r"^\| `\.gaia/gaia-worker\.([a-z]+)`", text, re.MULTILINE))


def test_each_metric_has_its_row(assembly: Assembly) -> None:
    route = next(e for e in assembly.endpoints if e.path == "/metrics")
    exposition = route.handler.__self__.metrics.text().decode()  # type: ignore[attr-defined]
    there = {
        (name, kind)
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE)
        if not name.endswith("_created")
    }
    table = rows((REFERENCE / "metrics.md").read_text())
    assert {(quoted(cells[0])[0], cells[1]) for cells in table} == there


def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def code_of(node: ast.expr, constants: dict[str, str]) -> str | None:
    """The error code that an expression stands for; None when it was made elsewhere."""
    match node:
        case ast.Constant(value=str(code)):
            return code
        case ast.Name(id=name) if name in constants:
            return constants[name]
        case ast.Attribute(value=ast.Name(id="FailureReason"), attr=member):
            return FailureReason[member].value
    assert ast.unparse(node) in PASSED_ON, ast.unparse(node)
    return None


def derived_errors(modules: Iterable[ast.Module]) -> dict[str, str | None]:
    """Classes of errors, with the one code of each that has its own."""
    kinds: dict[str, str | None] = {
        name: None for name, kind in vars(errors).items() if isinstance(kind, type)
    }
    for tree in modules:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and {*map(ast.unparse, node.bases)} & kinds.keys():
                kinds[node.name] = next(filter(None, map(own_code, ast.walk(node))), None)
    return kinds


def own_code(node: ast.AST) -> str | None:
    """The code in `super().__init__("code", …)`."""
    match node:
        case ast.Call(args=[ast.Constant(value=str(code)), *_], func=called):
            return code if ast.unparse(called) == "super().__init__" else None
    return None


def constants_of(module: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found[name] = text
    return found


def raised() -> set[str]:
    """The codes of all errors that are made anywhere, and of problems that are no errors."""
    modules = trees().values()
    kinds = derived_errors(modules)
    found = {code for code in kinds.values() if code}
    for module in modules:
        constants = constants_of(module)
        for node in ast.walk(module):
            match node:
                case ast.Call(func=ast.Name(id="_problem"), args=[_, code, *_]):
                    found.add(code_of(code, constants) or "")
                case ast.Call(func=ast.Name(id=name), args=[code, *_]) if not kinds.get(name, "-"):
                    found.add(code_of(code, constants) or "")
    return found - {""}


def test_each_error_code_has_its_row() -> None:
    text = (REFERENCE / "errors.md").read_text()
    table = [
        code
        for cells in rows(text)
        for code in quoted(cells[0])
        if code not in vars(errors)  # the table of kinds
    ]
    assert len(table) == len(set(table))
    assert set(table) == raised() | {"http-NNN"}


def test_each_kind_of_error_has_its_row() -> None:
    kinds = [k for k in errors.GaiaError.__subclasses__() if k.__module__ == errors.__name__]
    first = (REFERENCE / "errors.md").read_text().partition("\n## ")[0]
    documented = {quoted(cells[0])[0]: int(cells[2]) for cells in rows(first)}
    assert documented == {kind.__name__: exit_code(kind("code", "")) for kind in kinds}


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match("https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_each_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", prose(page))
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert {page for page in PAGES if page.parent != ROOT} <= reached
