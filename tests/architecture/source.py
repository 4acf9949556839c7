"""The project's own source, read with ``ast`` and never imported, for the tests that hold its shape."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ("domain", "ports", "application")
PACKAGES = (*CORE, "adapters", "infrastructure", "longshore")


@dataclass(frozen=True)
class Module:
    path: Path

    @property
    def name(self) -> str:
        """Dotted, as it is imported: ``adapters.outbound.sql.repositories.uploads``."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def imports(self) -> set[str]:
        """Every module named in an import, wherever it stands (also inside functions and TYPE_CHECKING)."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add("." * node.level + (node.module or ""))
        return found

    @property
    def imported_packages(self) -> set[str]:
        return {name.partition(".")[0] for name in self.imports}

    @property
    def classes(self) -> list[ast.ClassDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]


def modules(*packages: str) -> list[Module]:
    """All modules below these top-level packages, sorted; asserts that each package has some."""
    return [module for package in packages for module in _modules(package)]


@cache
def _modules(package: str) -> list[Module]:
    """Found and parsed once, for all rules."""
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths, f"no Python file below {package}/"
    return [Module(path) for path in paths if "node_modules" not in path.parts]


def dotted(node: ast.expr) -> str:
    """``os.environ.get`` for that expression; empty for anything that is not plain names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below ``node`` that run at import: not function bodies, but their defaults."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in [*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)]:
                yield part
                yield from run_at_import(part)
        elif isinstance(child, ast.Lambda):
            continue
        else:
            yield child
            yield from run_at_import(child)
