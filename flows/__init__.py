"""The order of things: one module, one flow, one deployment."""

from typing import Final

# By the names under which they are deployed.
FLOWS: Final = (
    "train",
    "batch-segment",
    "batch-inference",
    "postprocess",
    "import-audience",
    "connector-sync",
    "dispatch",
    "sweep",
)
