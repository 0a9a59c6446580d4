"""Lines that a destination takes as they are: one user's recommendations as JSON text.

Each field of each item is JSON text already, so a line is a gather and a join of texts: no value
becomes a Python object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import orjson
import polars as pl

from personalization.columns import IDS, ITEM_ID, LINE, USER_ID
from personalization.errors import ConfigError, Finding
from personalization.transforms.item_metadata import ITEM_KEY, Items
from personalization.transforms.item_rows import ItemRows
from personalization.transforms.recommendation_lines import inside
from personalization.transforms.uniform_lines import SEPARATOR

if TYPE_CHECKING:  # destinations bring their clients along, and text needs none
    from personalization.connectors.base import Membership, Rendering

# Part of every fingerprint: with another one, everything is sent again.
_FORMAT: Final = 1
_NULL: Final = "null"
_LISTED: Final = "listed"


class Renderer(Protocol):
    """Turns users into lines."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """What a user gets by a line, in words of the renderer's own: a state remembers them."""

    @property
    def fingerprint(self) -> str:
        """The same as long as the same list gives the same line, items' versions apart."""

    def lines(self, users: pl.DataFrame, retired: Iterable[str]) -> pl.Series:
        """Return `line` for user_id str, ids str (never empty), in their order.

        retired  what the destination holds from before, and what is taken away: see `outdated`
        """

    def clearing(self, users: pl.Series, retired: Iterable[str]) -> pl.Series:
        """Return the lines of users who have left: they take away, and set nothing."""

    def outdated(self, held: Iterable[str]) -> tuple[str, ...]:
        """Return those of the attributes that were set before, and have to be taken away now."""


class AttributeRenderer:
    """Recommended items as attributes: parallel arrays, or one array of objects.

    given  names of those constants that are the job's.  They are attributes as the lists are; the
           others are what the destination needs to be told with every line, whatever it says

    `lines` may be called from several threads.

    Raises ConfigError if two attributes would have the same name.
    """

    def __init__(self, rendering: Rendering, items: Items, given: Collection[str] = ()) -> None:
        self._rendering = rendering
        self._given = tuple(name for name in rendering.constants if name in given)
        self._items = items
        self._before, self._between, self._after = rendering.pieces
        self._rows = ItemRows(items.ids)
        # One more than there are items: what is said of those that nothing is known of.  In one
        # chunk: gathering from two takes five times as long.
        nothing = pl.Series([_NULL])
        self._texts = [
            pl.concat([it.fill_null(_NULL), nothing], rechunk=True) for it in items.texts.values()
        ]
        if rendering.style == "parallel":
            self._lists = tuple(f"{rendering.prefix}{it}" for it in (*items.fields, ITEM_KEY))
        else:
            self._lists = (rendering.list_name,)
            self._objects = pl.concat([_objects(items), pl.Series([None], dtype=pl.String)])
        self._refuse_clashes()
        self._constants = _set(rendering.constants)
        self._head = f'"{self._between}{self._constants}'
        self._own = _set(_without(rendering.constants, given))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names."""
        return (*self._lists, *self._given)

    @property
    def fingerprint(self) -> str:
        said = self._rendering
        return _digest(
            self._items.fields,
            self._lists,
            said.style,
            said.pieces,
            said.cleared,
            dict(said.constants),
        )

    def lines(self, users: pl.DataFrame, retired: Iterable[str]) -> pl.Series:
        whole = pl.Series(LINE, [], pl.String)
        if users.is_empty():
            return whole
        end = self._cleared(retired, lead=",") + self._after
        if self._texts and self._rendering.style == "parallel":
            even = self._rows.of_lists(users[IDS])
            if even is not None:
                return self._written(users, self._arrays(users, even.rows, even.length, end))
        row, length = "row", "length"
        counted = users.with_row_index(row).with_columns(
            pl.col(IDS).str.split(SEPARATOR).alias(_LISTED)
        )
        counted = counted.with_columns(pl.col(_LISTED).list.len().alias(length))
        groups = (
            [counted]
            if counted[length].n_unique() == 1
            else counted.partition_by(length, maintain_order=True)
        )
        written = [
            self._written(group, self._listed(group, int(group[length][0]), end))
            for group in groups
        ]
        if len(groups) == 1:
            return written[0]
        order = pl.concat([group[row] for group in groups])
        return pl.concat(written).gather(order.arg_sort())

    def clearing(self, users: pl.Series, retired: Iterable[str]) -> pl.Series:
        inner = self._own + self._cleared(dict.fromkeys((*self.attributes, *retired)))
        start, end = self._before + '"', f'"{self._between}{inner}{self._after}'
        return pl.select(
            pl.concat_str(pl.lit(start), escaped(users), pl.lit(end)).alias(LINE)
        ).to_series()

    def outdated(self, held: Iterable[str]) -> tuple[str, ...]:
        set_now = {*self.attributes, *self._rendering.constants, self._rendering.user_key}
        return tuple(name for name in held if name not in set_now)

    @property
    def without_metadata(self) -> int:
        """How many items, of all lines so far, have no metadata, if there are any metadata."""
        return self._rows.unknown if len(self._items.ids) else 0

    def _written(self, users: pl.DataFrame, inner: list[pl.Expr]) -> pl.Series:
        start = pl.lit(f'{self._before}"')
        return pl.select(
            pl.concat_str(start, escaped(users[USER_ID]), *inner).alias(LINE)
        ).to_series()

    def _listed(self, users: pl.DataFrame, length: int, end: str) -> list[pl.Expr]:
        items = users[_LISTED].explode()
        if self._rendering.style == "objects":
            return self._array_of_objects(items, length, end)
        rows = self._rows.of_items(items) if self._texts else None
        return self._arrays(users, rows, length, end)

    def _arrays(
        self, users: pl.DataFrame, rows: pl.Series | None, length: int, end: str
    ) -> list[pl.Expr]:
        """Return the texts behind the user's id; rows are those of all items."""
        parts: list[pl.Expr] = []
        text = self._head
        *fields, own = self._lists
        if rows is not None:
            for name, values in zip(fields, self._texts, strict=True):
                # There are no nulls: the join would leave them out, and arrays misalign.
                value = values.gather(rows).reshape((-1, length))
                parts += [pl.lit(f"{text}{_json(name)}:["), pl.lit(value.arr.join(","))]
                text = "],"
        return [*parts, pl.lit(f'{text}{_json(own)}:["'), pl.lit(users[IDS]), pl.lit(f'"]{end}')]

    def _array_of_objects(self, items: pl.Series, length: int, end: str) -> list[pl.Expr]:
        bare = pl.concat_str(pl.lit(f'{{"{ITEM_KEY}":"'), pl.lit(items), pl.lit('"}'))
        known = pl.lit(self._objects.gather(self._rows.of_items(items)))
        joined = pl.select(pl.coalesce(known, bare)).to_series().reshape((-1, length)).arr.join(",")
        name = _json(self._rendering.list_name)
        return [pl.lit(f"{self._head}{name}:["), pl.lit(joined), pl.lit(f"]{end}")]

    def _cleared(self, names: Iterable[str], lead: str = "") -> str:
        text = ",".join(f"{_json(name)}:{self._rendering.cleared}" for name in names)
        return f"{lead}{text}" if text else ""

    def _refuse_clashes(self) -> None:
        said = self._rendering
        findings = [
            Finding(
                f"itemMetadataFields: {name}" if name != said.list_name else f"listName: {name}",
                f"gives the attribute {name!r}, which {kind} already",
                "choose another attributePrefix",
            )
            for name in self._lists
            for kind in (
                *(["otherAttributes sets"] if name in said.constants else ()),
                *(["is the user's id"] if name == said.user_key else ()),
            )
        ]
        if findings:
            raise ConfigError("two attributes would have the same name", findings)


class MembershipRenderer:
    """Being in one audience: what the destination sets for those in it, and for those who left.

    given  names of those constants that are the job's.  Who leaves this audience may be in another
           one, so he keeps them as they are; they are taken from members when the job drops them
    """

    def __init__(
        self, rendering: Rendering, membership: Membership, given: Collection[str] = ()
    ) -> None:
        self._before, self._between, self._after = rendering.pieces
        self._constants = _set(rendering.constants)
        self._own = _set(_without(rendering.constants, given))
        self._given = tuple(
            f"{_json(name)}:{rendering.cleared}" for name in rendering.constants if name in given
        )
        self._membership = membership
        self._set_now = {
            rendering.user_key,
            *rendering.constants,
            *_names(membership.joined),
        }

    @property
    def attributes(self) -> tuple[str, ...]:
        """The texts that take away what a line sets: of the audience, and of what is given."""
        return (self._membership.left, *self._given)

    @property
    def fingerprint(self) -> str:
        said = self._membership
        pieces = (self._before, self._between, self._after, self._constants)
        return _digest(pieces, said.joined, said.left)

    def lines(self, users: pl.DataFrame, retired: Iterable[str]) -> pl.Series:
        said = (*retired, self._membership.joined)
        return self._written(users[USER_ID], self._constants, said)

    def clearing(self, users: pl.Series, retired: Iterable[str]) -> pl.Series:
        return self._written(users, self._own, (*retired, self._membership.left))

    def outdated(self, held: Iterable[str]) -> tuple[str, ...]:
        return tuple(text for text in held if not _names(text) <= self._set_now)

    def _written(self, users: pl.Series, constants: str, said: Iterable[str]) -> pl.Series:
        end = f'"{self._between}{constants}{",".join(said)}{self._after}'
        return pl.select(
            pl.concat_str(pl.lit(f'{self._before}"'), escaped(users), pl.lit(end)).alias(LINE)
        ).to_series()


def escaped(users: pl.Series) -> pl.Series:
    """Return the ids as they stand inside JSON quotes."""
    special = users.str.contains(r'["\\\x00-\x1f]')
    if not special.any():
        return users
    return pl.Series(USER_ID, [inside(user) for user in users], pl.String)


def _objects(items: Items) -> pl.Series:
    """Return every item as a JSON object, without the fields it does not have, its id last."""
    parts = [
        pl.concat_str(pl.lit(f"{_json(name)}:"), pl.lit(values), pl.lit(",")).fill_null("")
        for name, values in items.texts.items()
    ]
    own = (pl.lit(f'"{ITEM_KEY}":"'), pl.lit(items.ids), pl.lit('"}'))
    return pl.select(pl.concat_str(pl.lit("{"), *parts, *own).alias(ITEM_ID)).to_series()


def _set(constants: Mapping[str, object]) -> str:
    return "".join(f"{_json(name)}:{_json(value)}," for name, value in constants.items())


def _without(constants: Mapping[str, object], names: Collection[str]) -> dict[str, object]:
    return {name: value for name, value in constants.items() if name not in names}


def _names(inside_of_object: str) -> set[str]:
    return set(orjson.loads(f"{{{inside_of_object}}}"))


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _digest(*parts: object) -> str:
    text = orjson.dumps([_FORMAT, *parts], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()
