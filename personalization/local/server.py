"""The server: one address for every AWS service, ours and moto's."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.wrappers import Request, Response

from personalization.aws import Clients
from personalization.local.pace import Pace
from personalization.local.routing import Scope
from personalization.local.s3_reads import LargeReads
from personalization.local.s3_uploads import UploadTimes
from personalization.local.s3_writes import ConditionalWrites
from personalization.local.services import SERVICES
from personalization.local.wire import REGION, Service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

Mount = Callable[[Clients, Pace], Service]


class LocalAws:
    """AWS on 127.0.0.1, from construction until `close`.

    port    0 takes a free one
    pace    how long resources stay in each state
    mount   the services that are ours; each gets clients of this server and the pace

    moto keeps its state per process: servers in one process share their buckets and queues, and
    the last one to close forgets them.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        pace: Pace | None = None,
        mount: Iterable[Mount] = SERVICES,
    ) -> None:
        self._session = _session()
        self._clients: dict[tuple[str, str], Any] = {}
        self._making_clients = threading.Lock()
        self._services = [make(self.clients, pace or Pace()) for make in mount]
        application = Dispatcher(self._services)
        with socket.create_server(
            (host, port), backlog=128
        ) as listening:  # OSError if the port is taken
            self._server = _Server(
                host, port, application, handler=_RequestHandler, fd=listening.fileno()
            )
        self.endpoint_url = f"http://{host}:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},  # seconds until `close` is noticed
            name="local-aws",
            daemon=True,
        )
        self._closed = False
        _Moto.opened()
        self._thread.start()
        logger.info("local AWS answers on %s", self.endpoint_url)

    def clients(self, service: str, region: str = REGION) -> Any:
        """Return a boto3 client of this server, the same one for the same service and region."""
        with self._making_clients:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self.endpoint_url,
                    aws_access_key_id="local",
                    aws_secret_access_key="local",
                    config=Config(
                        s3={"addressing_style": "path"}, max_pool_connections=16, proxies={}
                    ),
                )
            return self._clients[key]

    def close(self) -> None:
        """Stop: first what the services have going, then the server and its connections."""
        if self._closed:
            return
        self._closed = True
        for service in self._services:
            service.close()
        for client in self._clients.values():
            client.close()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        _Moto.closed()
        logger.info("local AWS on %s stopped", self.endpoint_url)

    def __enter__(self) -> LocalAws:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Dispatcher:
    """Gives each request to the service that it is signed for; moto takes the rest."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._ours: dict[str, list[Service]] = {}
        for service in services:
            self._ours.setdefault(service.signing_name, []).append(service)
        self._moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._s3 = ConditionalWrites(UploadTimes(LargeReads(self._moto)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/health":
            return Response("ok\n", content_type="text/plain")(environ, start_response)
        return self._application(environ)(environ, start_response)

    def _application(self, environ: WSGIEnvironment) -> WSGIApplication:
        scope = Scope.of(environ)
        candidates = self._ours.get(scope.service, []) if scope else []
        request = Request(environ)
        for service in candidates:
            if found := service.finds(request):
                return self._moto if found[0] in service.elsewhere else service
        # One signing name, several services: the first tells the caller that it knows no such call.
        if candidates:
            return candidates[0]
        return self._s3 if scope is None or scope.service == "s3" else self._moto


def _session() -> Any:
    """Return a session that no profile, configuration file or credential of the user reaches."""
    nothing = (None, None, None, None)
    names = ("profile", "config_file", "credentials_file")
    unset = botocore.session.Session(session_vars=dict.fromkeys(names, nothing))
    return boto3.session.Session(botocore_session=unset)


class _Moto:
    """Counts the servers that share moto's state, which is the process's, not the server's."""

    _lock = threading.Lock()
    _servers = 0

    @classmethod
    def opened(cls) -> None:
        with cls._lock:
            cls._servers += 1

    @classmethod
    def closed(cls) -> None:
        with cls._lock:
            cls._servers -= 1
            if cls._servers == 0:
                BackendDict.reset()
                reset_model_data()


class _Server(ThreadedWSGIServer):
    """A thread per connection; remembers the open ones, so that none outlives the server."""

    daemon_threads = True

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments, **settings)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Hang up on whoever is still connected, so that their threads end."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was faster
                continue


class _RequestHandler(MotoRequestHandler):
    disable_nagle_algorithm = True  # TCP_NODELAY: otherwise small answers wait 40 ms for an ACK

    def log(self, _type: str, message: str, *args: Any) -> None:
        logger.debug(message, *args)
