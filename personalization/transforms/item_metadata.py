"""Item metadata: each item's chosen fields as JSON text, rendered once, and their version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
import polars_hash as plh

from personalization.columns import ITEM_ID, VERSION
from personalization.errors import ConfigError, Finding, shortened
from personalization.transforms.recommendation_lines import inside

ITEM_KEY: Final = "itemId"  # attribute of the item's own id; it is always there, and last
_MOST_LISTED: Final = 20


@dataclass(frozen=True)
class Items:
    """What is known of items.

    fields    names, in the order in which they are sent, without the item's own id
    ids       item_id str as it stands inside JSON quotes; row n is item n of all below
    texts     field → JSON text of its value, null where the item has none
    versions  item_id str, version u64 (XXH3-64 of the texts, numbers by value: 10 is 10.0)
    """

    fields: tuple[str, ...]
    ids: pl.Series
    texts: Mapping[str, pl.Series]
    versions: pl.DataFrame


def no_items() -> Items:
    """Return what is known without any metadata."""
    return _items((), {})


def read_items(
    files: Sequence[Path], *, id_column: str = "id", fields: Sequence[str] | None = None
) -> Items:
    """Read JSON Lines of objects, one an item; of two lines for the same item the last counts.

    fields  which ones to keep; all, in order of first appearance, if None

    Raises ConfigError, with every finding, for a line that is no object or has no id, and for a
    chosen field that no item has; it lists those that there are.
    """
    findings: list[Finding] = []
    there: dict[str, None] = {}
    rows: dict[str, tuple[str | None, ...]] = {}
    chosen = tuple(fields) if fields is not None else None
    whole: dict[str, dict[str, Any]] = {}
    for file in files:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                item = _item(line, id_column)
                if item is None:
                    continue
                if isinstance(item, Finding):
                    findings.append(replace(item, where=f"{file.name}:{number}"))
                    continue
                if not item.keys() <= there.keys():
                    there.update(dict.fromkeys(item))
                key = inside(str(item[id_column]))
                if chosen is None:
                    whole[key] = item
                else:
                    rows[key] = tuple([_text(item.get(name)) for name in chosen])
    if chosen is None:
        chosen = tuple(name for name in there if name != ITEM_KEY)
        rows = {key: tuple(_text(it.get(name)) for name in chosen) for key, it in whole.items()}
    for name in chosen:
        if name == ITEM_KEY:
            problem = f"{ITEM_KEY} is the name under which the item's own id is always sent"
            findings.append(Finding(f"itemMetadataFields: {name}", problem, "take it out"))
        elif name not in there:
            known = ", ".join(list(there)[:_MOST_LISTED]) or "none"
            findings.append(
                Finding(f"itemMetadataFields: {name}", "no item has it", f"there are: {known}")
            )
    if findings:
        raise ConfigError("the item metadata cannot be used", findings[:_MOST_LISTED])
    return _items(chosen, rows)


def _items(fields: tuple[str, ...], rows: Mapping[str, tuple[str | None, ...]]) -> Items:
    ids = pl.Series(ITEM_ID, list(rows), pl.String)
    columns = list(zip(*rows.values(), strict=True)) if rows else [() for _ in fields]
    texts = {
        name: pl.Series(name, column, pl.String)
        for name, column in zip(fields, columns, strict=False)
    }
    # A number that an exporter writes now as 10 and then as 10.0 has not changed.
    plain = [
        series.str.replace(r"^(-?[0-9]+)\.0$", "$1").fill_null("").rename(str(place))
        for place, series in enumerate(texts.values())
    ]
    joined = pl.concat_str([pl.lit("", pl.String), *plain], separator="\x1f")
    version = plh.col(VERSION).nchash.xxh3_64().alias(VERSION)
    versions = (
        ids.to_frame().with_columns(joined.alias(VERSION)).with_columns(version)
        if len(ids)
        else pl.DataFrame(schema={ITEM_ID: pl.String, VERSION: pl.UInt64})
    )
    return Items(fields, ids, texts, versions)


def _item(line: bytes, id_column: str) -> dict[str, Any] | Finding | None:
    """Return the item, or what is wrong with the line; None for a blank one."""
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if not line.strip():
            return None
        return Finding("", f"is not JSON: {shortened(error)}", "one object a line")
    if not isinstance(item, dict):
        return Finding("", "is not an object", "one object a line")
    if type(item.get(id_column)) not in (str, int):
        known = ", ".join(list(item)[:_MOST_LISTED]) or "nothing"
        repair = f"name the id's column in itemIdColumn; the item has: {known}"
        return Finding("", f"has no id in {id_column!r}", repair)
    return item


def _text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
