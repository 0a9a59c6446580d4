"""How fast requests may follow one another: a token bucket for each destination.

Whoever delivers to one destination in this process, from any thread, takes from the same bucket.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Tokens that may be saved up, in seconds of the rate.  Destinations count in windows of a second
# or longer, so this never exceeds their limit by more than a tenth of it.
_BURST_S = 0.1

_shared: dict[str, TokenBucket] = {}
_sharing = threading.Lock()


class TokenBucket:
    """Tells how long to wait before the next request.

    The bucket is kept as one number, the moment at which it would be full again (GCRA).
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._burst = max(per_second * _BURST_S, 1.0)
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at = clock()

    def take(self) -> float:
        """Take one token, now or in advance; return the seconds to wait until it is there."""
        with self._lock:
            now = self._clock()
            self._full_at = max(self._full_at, now) + self._interval
            return max(0.0, self._full_at - self._burst * self._interval - now)

    def hold(self, seconds: float) -> None:
        """Give no token for so long: the destination asked to be left alone."""
        with self._lock:
            empty_until = self._clock() + seconds + (self._burst - 1) * self._interval
            self._full_at = max(self._full_at, empty_until)


def shared_bucket(destination: str, per_second: float) -> TokenBucket:
    """Return the bucket of that name in this process."""
    with _sharing:
        name = f"{destination} {per_second}"
        if name not in _shared:
            _shared[name] = TokenBucket(per_second)
        return _shared[name]
