"""Log lines that people can read and CloudWatch Logs Insights can query: one JSON object each."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from typing import Any


class JsonLines(logging.Formatter):
    """Writes `at`, `level`, `said`, then the facts that came along as `extra=facts(…)`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "said": record.getMessage()}
        line |= record.__dict__.get("facts", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def facts(**known: Any) -> Mapping[str, Any]:
    """Return what to pass as `extra` so that the line has these members."""
    return {"facts": known}


def log_as_json() -> None:
    """Write what is logged to standard error, in JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("deployments").setLevel(logging.INFO)
