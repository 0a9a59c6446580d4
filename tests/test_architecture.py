"""The import rules, read off the source: arrows point inwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("deployments", "flows", "tasks", "blocks", "personalization")
# The ground floor of the library, which every part of it may stand on.
GROUND = ("aws", "columns", "config", "errors", "expressions", "schemas", "shapes")


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import of {node.module}"
            yield f"{node.module}"


def offenders(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if any(name == it or name.startswith(f"{it}.") for it in forbidden)
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_nothing_from_the_layers_above_it(layer):
    above = LAYERS[: LAYERS.index(layer)]

    assert offenders(layer, *above, "tests", "benchmarks") == []


def test_the_library_knows_nothing_of_prefect():
    assert offenders("personalization", "prefect", "prefect_aws") == []


def test_flows_leave_clients_and_frames_to_tasks():
    assert offenders("flows", "boto3", "botocore", "httpx", "polars") == []


def test_no_flow_imports_another_flow():
    assert offenders("flows", "flows") == []


def test_no_class_is_defined_in_a_flow_module():
    classes = [
        f"{path.name}: {node.name}"
        for path in modules("flows")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]

    assert classes == []


def test_a_flow_module_has_a_name_of_its_own():
    flows = {path.stem for path in modules("flows")} - {"__init__"}
    others = {path.stem for folder in LAYERS if folder != "flows" for path in modules(folder)}

    assert flows & others == set()


def test_connectors_know_neither_the_local_aws_nor_the_live_service():
    assert offenders("personalization/connectors", "personalization.local") == []
    assert offenders("personalization/connectors", "personalization.live") == []


def test_transforms_reach_for_no_network():
    assert offenders("personalization/transforms", "boto3", "botocore", "httpx", "requests") == []


def test_the_local_aws_knows_the_library_no_better_than_aws_does():
    mine = tuple(f"personalization.{name}" for name in ("local", *GROUND) if name != "config")
    strangers = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("personalization/local")
        for name in imports(path)
        if name.startswith("personalization.") and not name.startswith(mine)
    ]

    assert strangers == []


def test_the_environment_is_read_only_at_the_rim():
    allowed = {"blocks", "deployments"}
    readers = [
        str(path.relative_to(ROOT))
        for folder in LAYERS
        if folder not in allowed
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        if isinstance(node.value, ast.Name) and node.value.id == "os"
        if path.name != "__main__.py"
    ]

    assert readers == []


@pytest.mark.parametrize("folder", LAYERS)
def test_every_code_folder_is_a_package(folder):
    folders = {path.parent for path in modules(folder)}

    assert [str(it) for it in folders if not (it / "__init__.py").exists()] == []
