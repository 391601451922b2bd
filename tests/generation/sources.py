"""Classes as the text of their modules has them, so that annotations stay as they were written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen(kw_only=True)
class Source:
    """One class of one module.

    `imports` has the line that imports a name elsewhere, for each name at the top of the module;
    `type_variables` those that the module makes itself.
    """

    module: str
    node: ast.ClassDef
    imports: Mapping[str, str]
    type_variables: frozenset[str]

    @classmethod
    def read(cls, module: str, name: str) -> Source:
        """The class of that name."""
        tree = ast.parse(file_of(module).read_text(encoding="utf-8"))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        return cls(
            module=module,
            node=classes[name],
            imports={name: f"from {module} import {name}" for name in classes} | imports_of(tree),
            type_variables=frozenset(type_variables_of(tree)),
        )

    @property
    def name(self) -> str:
        """The class's name."""
        return self.node.name

    @property
    def decorators(self) -> str:
        """The lines above the class."""
        return "\n".join(f"@{ast.unparse(decorator)}" for decorator in self.node.decorator_list)

    @property
    def bases(self) -> list[str]:
        """Names of the classes it inherits from."""
        return [base.id for base in self.node.bases if isinstance(base, ast.Name)]

    @property
    def fields(self) -> list[ast.AnnAssign]:
        """Fields that this class itself declares."""
        return [node for node in self.node.body if isinstance(node, ast.AnnAssign)]

    @property
    def methods(self) -> list[ast.FunctionDef]:
        """Public methods, and those of a context manager; properties are none."""
        found = [node for node in self.node.body if isinstance(node, ast.FunctionDef)]
        public = ("__enter__", "__exit__")
        return [
            node
            for node in found
            if not node.decorator_list and (node.name in public or not node.name.startswith("_"))
        ]

    def imported(self, name: str) -> Source:
        """The class of that name, which this module imports."""
        return Source.read(self.imports[name].split()[1], name)


def file_of(module: str) -> Path:
    """Where a module or a package is."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_of(tree: ast.Module) -> dict[str, str]:
    """Each name that a module imports at its top or for types alone, with the line that does it."""
    for_types = [node for block in tree.body if isinstance(block, ast.If) for node in block.body]
    found: dict[str, str] = {}
    for node in [*tree.body, *for_types]:
        if isinstance(node, ast.Import):
            found |= {alias.name: f"import {alias.name}" for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name: f"from {node.module} import {alias.name}" for alias in node.names}
    return found


def type_variables_of(tree: ast.Module) -> Iterator[str]:
    """Names that are made by `TypeVar(…)`."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="TypeVar"))):
                yield name
            case _:
                continue
