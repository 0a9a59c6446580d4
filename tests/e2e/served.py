"""Serve `train` as a deployment of ours, each run in a process of its own, until SIGTERM.

python -m tests.e2e.served NAME
"""

from __future__ import annotations

import sys

from flows.train import train
from tasks.suspending import TAG

if __name__ == "__main__":
    train.serve(name=sys.argv[1], tags=[TAG], limit=1, pause_on_shutdown=False)
