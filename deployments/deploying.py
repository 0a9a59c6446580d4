"""The build step of prefect.yaml: what `prefect deploy` has to know of where runs will be."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Final

from blocks.settings import settings
from personalization.errors import ConfigError

# Source: S3 user guide, "General purpose bucket naming rules".
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def surroundings() -> dict[str, str]:
    """Return the bucket, the directory in which runs find the code, and the command that runs them.

    The last two are those of this process, unless PERSONALIZE_HOME and PERSONALIZE_PYTHON say
    otherwise: in an image they are other ones.  Raises ConfigError if PERSONALIZE_BUCKET names no
    bucket: Prefect itself would deploy triggers that never fire.
    """
    known = settings()
    bucket = known.bucket or ""
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(
            f"PERSONALIZE_BUCKET is {bucket!r}; set it to the name of the bucket whose uploads "
            "start the flows"
        )
    return {
        "bucket": bucket,
        "directory": known.home or str(Path.cwd()),
        "command": f"{shlex.quote(known.python or sys.executable)} -m prefect.engine",
    }
