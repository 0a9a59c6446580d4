"""A batch job's lines: each a question in JSON, each answered by a line of JSON.

Source: Personalize developer guide, "Batch recommendations" and "User segments" (input and output
formats); recorded jobs of AWS's own notebooks, where a segment's key is `usersList`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from personalization.errors import ConfigError, FatalError
from personalization.local.engine import Model, Ranked, Recommender, Segmenter

TOGETHER: Final = 1000  # lines that are answered in one call of the model
PIECE: Final = 100_000  # users written at a time

# Source: Personalize developer guide, "Getting batch user segments": lines per input file.
MOST_LINES: Final = {"itemAttributes": 10, "itemId": 500}


def answered(lines: Iterable[bytes], model: Model, k: int, called: str) -> Iterator[bytes]:
    """Yield the output in pieces, line by line in the order of the input.

    A line that cannot be answered has its reason in `error` and null as `output`.  Raises
    FatalError where a file has more lines than a job takes.
    """
    if isinstance(model, Segmenter):
        yield from _segments(lines, model, k, called)
    elif isinstance(model, Recommender):
        yield from _ranked(lines, "userId", lambda ids: model.recommend(ids, k))
    else:
        yield from _ranked(lines, "itemId", lambda ids: model.related(ids, k))


def _segments(lines: Iterable[bytes], model: Segmenter, k: int, called: str) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        question, error = _read(line, tuple(MOST_LINES))
        for key in MOST_LINES.keys() & (question if isinstance(question, dict) else {}):
            if number > MOST_LINES[key]:
                most = MOST_LINES[key]
                raise FatalError(
                    f"{called} has more than {most} lines of {key}; {most} are allowed"
                )
        if error is None:
            try:
                users = model.segment(question, k)
            except ConfigError as refusal:
                error = " ".join(str(refusal).split())
        if error is not None:
            yield _line(question, None, error)
            continue
        # Millions of users on one line: written in pieces, never as one string.
        yield b'{"input":' + orjson.dumps(question) + b',"output":{"usersList":['
        for start in range(0, len(users), PIECE):
            listed = orjson.dumps(users[start : start + PIECE].to_list())[1:-1]
            yield (b"," if start else b"") + listed
        yield b']},"error":null}\n'


def _ranked(
    lines: Iterable[bytes], key: str, rank: Callable[[Sequence[str]], Iterator[Ranked]]
) -> Iterator[bytes]:
    rest = iter(lines)
    while some := list(islice(rest, TOGETHER)):
        read = [_read(line, (key,)) for line in some]
        ids = [question[key] for question, error in read if error is None]
        rankings = rank(ids)
        for question, error in read:
            if error is not None:
                yield _line(question, None, error)
                continue
            ranked = next(rankings)
            output: dict[str, Any] = {"recommendedItems": ranked.item_ids}
            if ranked.scores is not None:
                output["scores"] = ranked.scores
            yield _line(question, output, None)


def _read(line: bytes, keys: tuple[str, ...]) -> tuple[Any, str | None]:
    """Return a line's question, and why it cannot be answered, or None.

    What is not JSON comes back as text.
    """
    try:
        question = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return line.decode(errors="replace"), f"The line is not JSON: {error}"
    if not isinstance(question, dict):
        return question, "The line is not a JSON object"
    found = [key for key in keys if key in question]
    if len(found) != 1:
        return question, f"The line must have one of {', '.join(keys)}"
    if not isinstance(question[found[0]], str):
        return question, f"{found[0]} must be a string"
    if strange := sorted(set(question) - {found[0]}):
        return question, f"The local AWS does not answer {', '.join(strange)} in a line"
    return question, None


def _line(question: Any, output: dict[str, Any] | None, error: str | None) -> bytes:
    return orjson.dumps({"input": question, "output": output, "error": error}) + b"\n"
