"""Large files written piece by piece, which appear only when they are complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import polars as pl


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write, which becomes `path` at the end; after an error `path` is untouched."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def append_csv(file: BinaryIO, rows: pl.DataFrame) -> None:
    """Append rows, with a header if they are the first."""
    rows.write_csv(file, include_header=file.tell() == 0)


@contextmanager
def parquet_in_parts(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Give a function that appends a frame; the file becomes `path` at the end."""
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        parts: list[Path] = []

        def append(rows: pl.DataFrame) -> None:
            parts.append(Path(folder, f"{len(parts)}.parquet"))
            rows.write_parquet(parts[-1])

        yield append
        whole = Path(folder, path.name)
        pl.scan_parquet(parts).sink_parquet(whole)
        whole.replace(path)
