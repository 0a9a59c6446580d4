"""One at a time, on this machine and by the server."""

from __future__ import annotations

import threading
from uuid import uuid4

import httpx
import pytest
from prefect.exceptions import ObjectNotFound

from personalization.errors import ConfigError, FatalError, RetryableError
from personalization.parameters import Waiting

AT_ONCE = Waiting(first_look_s=0.05, slowest_look_s=0.05, give_up_after_s=0.2)
PATIENT = Waiting(first_look_s=0.05, slowest_look_s=0.05, give_up_after_s=30)


def test_a_second_run_waits_until_the_first_is_done(tmp_path):
    from tasks.occupying import alone

    order = []

    def second() -> None:
        with alone("job", tmp_path, PATIENT):
            order.append("second")

    with alone("job", tmp_path, PATIENT):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        order.append("first")
    waiting.join()

    assert order == ["first", "second"]


def test_who_waits_too_long_is_told_for_what(tmp_path):
    from tasks.occupying import alone

    with (
        alone("job", tmp_path, PATIENT),
        pytest.raises(RetryableError, match="another run still has job; wait for it"),
        alone("job", tmp_path, AT_ONCE),
    ):
        pass


@pytest.mark.server
def test_a_destination_is_kept_for_one_on_all_machines(prefect_server, tmp_path):
    from tasks.occupying import one_delivery_to

    name = f"braze {uuid4().hex[:6]}"
    with (
        one_delivery_to(name, tmp_path / "here", PATIENT),
        pytest.raises(RetryableError, match="another run still has destination-braze-"),
        one_delivery_to(name, tmp_path / "there", AT_ONCE),
    ):
        pass
    with one_delivery_to(name, tmp_path / "there", AT_ONCE):
        assert [it.read_text() for it in (tmp_path / "here").iterdir()] == [""]


@pytest.mark.server
def test_what_a_killed_process_of_this_machine_held_is_free_at_once(prefect_server, tmp_path):
    from prefect.client.orchestration import get_client

    from tasks.occupying import one_delivery_to

    name = f"braze {uuid4().hex[:6]}"
    with one_delivery_to(name, tmp_path, PATIENT):
        pass
    limit = f"destination-{name.replace(' ', '-')}"
    with get_client(sync_client=True) as client:
        taken = client.increment_concurrency_slots_with_lease([limit], 1, "concurrency", 600)
    [lock] = tmp_path.iterdir()
    lock.write_text(taken.json()["lease_id"])

    with one_delivery_to(name, tmp_path, AT_ONCE):
        assert lock.read_text() != taken.json()["lease_id"]


class Forgetful:
    """A server that renews no lease; `answer` is what it says."""

    def __init__(self, answer: Exception) -> None:
        self.answer = answer

    def __enter__(self) -> Forgetful:
        return self

    def __exit__(self, *_: object) -> None: ...

    def renew_concurrency_lease(self, *_: object) -> None:
        raise self.answer


def refusal(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://prefect.test")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status))


@pytest.mark.parametrize(
    ("answer", "lease_s"),
    [(refusal(410), 60.0), (refusal(503), 0.1), (httpx.ConnectError("away"), 0.1)],
    ids=["given away", "down", "away"],
)
def test_a_destination_whose_lease_cannot_be_renewed_is_lost(monkeypatch, answer, lease_s):
    import tasks.occupying

    monkeypatch.setattr(tasks.occupying, "get_client", lambda **_: Forgetful(answer))
    monkeypatch.setattr(tasks.occupying, "_RENEW_S", 0.02)
    monkeypatch.setattr(tasks.occupying, "_LEASE_S", lease_s)
    lost = threading.Event()

    tasks.occupying._renew(uuid4(), threading.Event(), lost)

    assert lost.is_set()


def test_a_delivery_that_ends_loses_nothing(monkeypatch):
    import tasks.occupying

    monkeypatch.setattr(tasks.occupying, "get_client", lambda **_: Forgetful(refusal(503)))
    done, lost = threading.Event(), threading.Event()
    done.set()

    tasks.occupying._renew(uuid4(), done, lost)

    assert not lost.is_set()


def test_what_was_stopped_since_its_destination_is_lost_is_not_tried_again():
    from tasks.occupying import stopped_for_good

    with (
        pytest.raises(FatalError, match=r"told that crm is still in use, .* run again to go on"),
        stopped_for_good("crm", lambda: True),
    ):
        raise RetryableError("stopped")
    with pytest.raises(RetryableError, match="busy"), stopped_for_good("crm", lambda: False):
        raise RetryableError("busy")


@pytest.mark.server
@pytest.mark.parametrize("left", ["abc", str(uuid4())], ids=["torn", "unknown"])
def test_a_lease_that_is_no_lease_is_passed_over(prefect_server, tmp_path, left):
    from tasks.occupying import one_delivery_to

    name = f"braze {uuid4().hex[:6]}"
    with one_delivery_to(name, tmp_path, PATIENT):
        pass
    [lock] = tmp_path.iterdir()
    lock.write_text(left)

    with one_delivery_to(name, tmp_path, AT_ONCE) as lost:
        assert not lost()


def test_a_dry_run_waits_for_no_other_run(tmp_path, monkeypatch):
    from blocks.settings import settings
    from personalization.parameters import SyncParameters
    from personalization.sync.layout import JobPath
    from tasks.occupying import one_run

    monkeypatch.setenv("PERSONALIZE_WORK_DIR", str(tmp_path))
    settings.cache_clear()
    uri = "s3://b/etl_jobs/related_items/shop/"
    real = SyncParameters(job=uri, waiting=AT_ONCE)
    job = JobPath.parse(uri)
    with one_run(job, real), one_run(job, real.model_copy(update={"dry_run": True})):
        pass
    settings.cache_clear()


def test_a_server_that_fails_may_be_asked_again():
    from tasks.occupying import _leased

    class Broken:
        def increment_concurrency_slots_with_lease(self, **_: object) -> httpx.Response:
            answer = httpx.Response(500, request=httpx.Request("POST", "http://prefect.test"))
            return answer.raise_for_status()

    with pytest.raises(RetryableError, match="Prefect gives no destination-braze: Server error"):
        _leased(Broken(), "destination-braze", [])


class NoLimits:
    """A server on which there are no global concurrency limits, for that reason."""

    def __init__(self, status: int) -> None:
        self.status = status

    def read_global_concurrency_limit_by_name(self, name: str) -> None:
        raise ObjectNotFound(KeyError(name))

    def create_global_concurrency_limit(self, _: object) -> None:
        request = httpx.Request("POST", "http://prefect.test")
        httpx.Response(self.status, request=request).raise_for_status()


def test_where_the_server_makes_no_limits_this_machine_is_enough_to_decide(caplog):
    from tasks.occupying import _make

    assert _make(NoLimits(403), "deciding-films", or_here=True) is False
    assert "makes no global concurrency limit" in caplog.text
    assert "only runs of this machine are kept from asking for the same" in caplog.text


@pytest.mark.parametrize(
    ("status", "or_here"),
    [pytest.param(403, False, id="for a destination"), pytest.param(503, True, id="when busy")],
)
def test_else_the_limit_is_asked_for_again(status, or_here):
    from tasks.occupying import _make

    with pytest.raises(RetryableError, match="Prefect gives no deciding-films: "):
        _make(NoLimits(status), "deciding-films", or_here=or_here)


def test_a_cluster_without_prefect_dask_is_explained(monkeypatch):
    import tasks.runners

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(tasks.runners, "import_module", absent)

    with pytest.raises(ConfigError, match=r"needs prefect-dask; install it: pip install 'person"):
        tasks.runners.shard_runner("local", 2)


def test_a_scheduler_is_reached_by_its_address():
    import tasks.runners

    assert tasks.runners.shard_runner("tcp://10.0.0.1:8786", 2).address == "tcp://10.0.0.1:8786"
