"""This machine: Python, the pins that must hold together, the folder for work."""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement  # Prefect brings it

from deployments.doctor.outcome import Seen, bad, good, not_checked

# What goes wrong, silently or long after, where a pin of pyproject.toml does not hold.
_PINNED: Final = {
    "prefect": "3.8 is the line that everything here was run with",
    "fastapi": "from 0.151 on, Prefect's server answers `prefect deploy` with 422",
    "sqlalchemy": "with 2.1, Prefect's server never starts a scheduled run",
}
_OLDEST: Final = (3, 11)
_LITTLE_BYTES: Final = 5 * 1024**3


def python() -> Seen:
    """Look at the version of Python."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST:
        return bad(f"Python {found}", "install Python 3.11 or newer")
    return good(f"Python {found}")


def pins(distribution: str = "personalize-flows") -> Seen:
    """Hold what is installed against the pins of what is run."""
    try:
        wanted = [Requirement(line) for line in requires(distribution) or ()]
    except PackageNotFoundError:
        return not_checked(f"{distribution} is not installed", "run `pip install -e .`")
    return held({it.name: version(it.name) for it in wanted if it.name in _PINNED}, wanted)


def held(installed: dict[str, str], wanted: list[Requirement]) -> Seen:
    """Hold versions, by distribution, against requirements."""
    wrong = [
        f"{it.name} {installed[it.name]}, but {_PINNED[it.name]}"
        for it in wanted
        if it.name in installed and not it.specifier.contains(installed[it.name])
    ]
    if wrong:
        return bad("; ".join(wrong), "run `pip install -r requirements.txt`")
    return good(", ".join(f"{name} {number}" for name, number in installed.items()))


def work_dir(folder: Path) -> Seen:
    """Write to the folder for unfinished deliveries, and take it back."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written by personalize doctor")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return bad(
            f"{folder} cannot be written: {error.strerror or error}",
            "set PERSONALIZE_WORK_DIR to a folder that can",
        )
    seen = f"{folder}, {free / 1024**3:.0f} GiB free"
    if free < _LITTLE_BYTES:
        return bad(seen, "make room, or set PERSONALIZE_WORK_DIR to a larger disk")
    if folder.is_relative_to(tempfile.gettempdir()):
        return good(seen, "set PERSONALIZE_WORK_DIR to a folder that outlives a restart")
    return good(seen)
