from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deployments.processes import Program, refuse_taken
from deployments.stack.__main__ import main
from personalization.errors import ConfigError, FatalError


def test_a_port_that_somebody_listens_on_is_refused(tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigError, match=rf"port {port} is taken; .* choose another --x, 0 "):
            refuse_taken(port, "--x")
        assert main(["--folder", str(tmp_path), "--prefect-port", str(port)]) == 1
    assert f"port {port} is taken" in caplog.text
    refuse_taken(port, "--x")


def test_what_answers_for_a_program_that_has_ended_is_somebody_else(tmp_path: Path):
    service = Program("it", ("-c", "raise SystemExit(1)"), tmp_path / "log", lambda: "x").start()
    service.child.wait()

    with pytest.raises(FatalError, match="it ended with status 1"):
        service.address()
