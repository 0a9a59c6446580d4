"""Does everybody arrive when everything fails?  `python -m benchmarks.connector_chaos [--check]`

200,000 users are delivered to a Braze that lets a fifth of all requests fail in every documented
way, by a process that is killed (SIGKILL) five times.  At the end every user's profile must equal
the expected one: nobody lost, whoever left cleared, exactly the users at fault in the dead letters.

Re-sent is what the far end was sent again although its answer had gone out whole; what the faults
themselves lose must be sent again and does not count.  A kill may re-send the batches in flight and
no others: one when one is in flight, sixteen when sixteen are.  Both are run.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from personalization.columns import HASH, REMOVED, USER_ID
from personalization.connectors import build
from personalization.delivery import Patience, acknowledged, deliver
from personalization.local.far_ends.braze import Braze
from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds

USERS, KILLS, BATCH = 200_000, 5, 75
PER_FILE = 100_000
# One user in so many left (is cleared), or has a name longer than Braze takes (is rejected).
LEFT, AT_FAULT = 10, 1_999
FAULTS = Faults(
    delay=0.002,
    throttle=0.02,
    error=0.053,
    unavailable=0.04,
    reset=0.035,
    lost=0.03,
    half=0.02,
    delay_s=6.0,
    throttle_s=0.2,
    seed=11,
)
# Long enough that a stall of a busy machine is not taken for a lost answer.
TIMEOUT_S = 5.0
PATIENCE = Patience(attempts=60, first_s=0.02, slowest_s=0.5, give_up_after_s=120)
PREFIX = "recs_"

Profile = dict[str, Any]


@dataclass
class Result:
    """What one run came to."""

    in_flight: int
    seconds: float
    requests: int
    faults: int
    kills: int
    resent_users: int
    wrong: list[str]

    @property
    def resent_batches(self) -> float:
        return self.resent_users / BATCH

    @property
    def passed(self) -> bool:
        return not self.wrong and self.resent_batches <= self.in_flight * self.kills


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connector_chaos")
    parser.add_argument("--check", action="store_true", help="fail if a promise is broken")
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--in-flight", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--sender", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.sender:
        return send(json.loads(chosen.sender))
    share = sum(FAULTS.shares().values())
    print(f"{chosen.users:,} users, {share:.0%} of requests fail, {chosen.kills} kills")
    results = []
    for in_flight in chosen.in_flight:
        with tempfile.TemporaryDirectory() as folder:
            result = run(Path(folder), chosen.users, chosen.kills, in_flight)
        results.append(result)
        print(
            f"in flight {in_flight:>2}: {result.seconds:5.0f} s, {result.requests:,} requests, "
            f"{result.faults:,} of them failed, {result.kills} kills, "
            f"{result.resent_batches:.1f} batches re-sent (at most {in_flight * result.kills})"
        )
        for each in result.wrong:
            print(f"  WRONG: {each}")
    passed = all(result.passed for result in results)
    print("passed" if passed else "FAILED")
    return 1 if chosen.check and not passed else 0


def run(folder: Path, users: int, kills: int, in_flight: int) -> Result:
    """Deliver with kills, and compare what the far end holds with what it should hold."""
    braze = Braze(per_window=100_000)
    expected, rejected, cleared = prepare(folder, users, braze)
    began = time.monotonic()
    with FarEnds(ends=[braze], faults=FAULTS) as ends:
        settings = {"url": ends.url, "folder": str(folder), "in_flight": in_flight}
        done_kills = 0
        for number in range(1, kills + 1):
            done_kills += kill_at(settings, braze, users * number // (kills + 1))
        finished = sender(settings).wait(timeout=900)
    seconds = time.monotonic() - began
    wrong = [] if finished == 0 else [f"the sender ended with {finished}"]
    if done_kills != kills:
        wrong.append(f"{done_kills} of {kills} kills hit")
    wrong += differences(folder, braze, expected, rejected, cleared)
    asked = sum(braze.requests.values())
    return Result(
        in_flight, seconds, asked, braze.faults.total(), done_kills, braze.repeated.total(), wrong
    )


def prepare(folder: Path, users: int, braze: Braze) -> tuple[dict[str, Profile], set[str], int]:
    """Write the outbox; return what Braze should hold, who will be rejected, how many cleared.

    Braze starts with a profile for everybody who left, as an earlier run would have made it.
    """
    rng = random.Random(7)
    expected: dict[str, Profile] = {}
    rejected: set[str] = set()
    cleared = 0
    earlier = []
    for start in range(0, users, PER_FILE):
        rows, lines = [], []
        for number in range(start, min(start + PER_FILE, users)):
            user = f"user-{number:07d}"
            items = rng.sample(range(10_000), 5)
            fields: Profile = {
                f"{PREFIX}itemId": [f"item-{item}" for item in items],
                f"{PREFIX}name": [f"Item number {item}" for item in items],
            }
            left = number % LEFT == 0
            expected[user] = dict(fields)
            if left:
                earlier.append({"external_id": user, "plan": "free", **fields})
                expected[user] = {"plan": "free"}
                fields = dict.fromkeys(fields)
                cleared += 1
            elif number % AT_FAULT == 1:
                fields[f"{PREFIX}name"] = ["x" * 300]
                rejected.add(user)
                del expected[user]
            lines.append(orjson.dumps({"external_id": user, **fields}) + b"\n")
            rows.append({USER_ID: user, HASH: 0 if left else number + 1, REMOVED: left})
        stem = folder / f"{start // PER_FILE:05d}"
        stem.with_suffix(".jsonl").write_bytes(b"".join(lines))
        schema = {USER_ID: pl.String, HASH: pl.UInt64, REMOVED: pl.Boolean}
        pl.DataFrame(rows, schema=schema).write_parquet(stem.with_suffix(".parquet"))
    braze.start_with(earlier)
    return expected, rejected, cleared


def sender(settings: dict[str, Any]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.connector_chaos", "--sender"]
    return subprocess.Popen([*command, json.dumps(settings)])


def send(settings: dict[str, Any]) -> int:
    """Be the process that is killed."""
    logging.basicConfig(level=logging.WARNING)
    folder = Path(settings["folder"])
    connector = build(
        {
            "kind": "braze",
            "endpoint": f"{settings['url']}/braze",
            "api_key": "local",
            "timeout_s": TIMEOUT_S,
            "in_flight": settings["in_flight"],
        },
        no_clients,
    )
    receipt = deliver(connector, folder, run="chaos", patience=PATIENCE)
    found = {**asdict(receipt), "dead_letters": str(receipt.dead_letters)}
    (folder / "receipt.json").write_text(json.dumps(found))
    return 0


def no_clients(service: str) -> Any:
    raise AssertionError(f"nobody asked for {service}")


def kill_at(settings: dict[str, Any], braze: Braze, users: int) -> bool:
    """Start a sender; kill it when so many users have arrived.  Return whether it still ran."""
    process = sender(settings)
    while len(braze.taken) < users and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def differences(
    folder: Path, braze: Braze, expected: dict[str, Profile], rejected: set[str], cleared: int
) -> list[str]:
    """Return what is not as it should be, in words."""
    wrong = []
    held = set(braze.users())
    if lost := expected.keys() - held:
        wrong.append(f"{len(lost):,} users were lost, such as {min(lost)}")
    if strange := held - expected.keys():
        wrong.append(f"{len(strange):,} users should not be there, such as {min(strange)}")
    other = [user for user in held & expected.keys() if braze.holds(user) != expected[user]]
    if other:
        wrong.append(f"{len(other):,} users are not as expected, such as {min(other)}")
    letters = folder / "dead-letters.jsonl"
    dead = [orjson.loads(line)[USER_ID] for line in letters.open("rb")] if letters.exists() else []
    if sorted(dead) != sorted(rejected):
        wrong.append(f"{len(dead):,} dead letters for {len(rejected):,} users at fault")
    taken = sum(int(found.sum()) for found in acknowledged(folder).values())
    if taken != len(expected):
        wrong.append(f"{taken:,} acknowledged of {len(expected):,}")
    if (folder / "receipt.json").exists():
        receipt = json.loads((folder / "receipt.json").read_text())
        found = (receipt["accepted"], receipt["rejected"], receipt["cleared"])
        if found != (len(expected), len(rejected), cleared):
            wrong.append(f"the receipt says accepted, rejected, cleared = {found}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
