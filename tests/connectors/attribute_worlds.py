"""For each destination of attributes: its far end, and how to look at what that holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from personalization.aws import Clients
from personalization.connectors import Connector, Delivered, TakesAttributes, build
from personalization.local.far_ends.customerio import Customerio
from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds
from personalization.local.far_ends.webhook import Webhook
from personalization.local.wire import Service, ServiceError
from tests.delivery.conftest import no_clients

Profile = dict[str, Any]
ROLE = "arn:aws:iam::123456789012:role/r"
SECRET = "s3cret-key"
# Ids that break what is glued together carelessly.
USERS = ["ana", 'b"o\\b', "c,d}]", "é\u2028e", "$attributes", '","payload":{"', "007"]


@dataclass
class World:
    """One destination.

    settings  of a connector that works
    denied    settings, or a trouble, with which it does not get in; None where there is no key
    holds     what the far end holds for a user, without what is empty there
    trouble   a context in which all calls are answered so
    bad       a line that it will not take, for a user whom it would
    """

    kind: str
    settings: dict[str, Any]
    holds: Callable[[str], Profile | None]
    trouble: Callable[..., AbstractContextManager[None]] | None
    bad: Callable[[str], bytes] | None
    clients: Clients = no_clients
    denied: dict[str, Any] = field(default_factory=dict)

    def connector(self, **changed: Any) -> Any:
        found = build({"kind": self.kind, **self.settings, **changed}, self.clients)
        assert isinstance(found, Connector)
        assert isinstance(found, TakesAttributes)
        return found

    def line(self, user: str, **attributes: Any) -> bytes:
        """Render as the transforms do: the user's id, then the inside of an object."""
        inside = json.dumps(attributes, ensure_ascii=False)[1:-1]
        return self.around(user, inside)

    def around(self, user: str, inside: str) -> bytes:
        before, between, after = self.connector().rendering().pieces
        whole = f"{before}{json.dumps(user, ensure_ascii=False)}{between}{inside}{after}"
        return whole.encode()


def deliver_once(connector: Any, lines: Sequence[bytes], run: str = "r1") -> Delivered:
    async def once() -> Delivered:
        await connector.open(run)
        try:
            return await connector.deliver(lines, key=uuid4().hex)
        finally:
            await connector.close(complete=True)

    return asyncio.run(once())


def of_ends(kind: str, ends: FarEnds, settings: dict[str, Any], bad: Any, denied: Any) -> World:
    far = ends[kind]

    @contextmanager
    def trouble(name: str) -> Iterator[None]:
        named = {"throttled": Faults(throttle=1, throttle_s=2), "down": Faults(unavailable=1)}
        ends.set_faults(named[name])
        yield
        ends.set_faults(Faults())

    def holds(user: str) -> Profile | None:
        found = far.holds(user)
        if found is None:
            return None
        mine = {name: value for name, value in found.items() if name != "user_id"}
        return {name: value for name, value in mine.items() if value not in (None, [], False)}

    return World(kind, settings, holds, trouble, bad, denied=denied)


def braze(ends: FarEnds) -> World:
    settings = {"endpoint": f"{ends.url}/braze", "api_key": "local"}
    bad = lambda user: json.dumps({"external_id": user, "a": "x" * 256}).encode()  # noqa: E731
    return of_ends("braze", ends, settings, bad, {"api_key": SECRET})


def webhook(ends: FarEnds) -> World:
    settings = {"url": f"{ends.url}/webhook/hook", "secret": "s" * 16}
    bad = lambda user: json.dumps({"user_id": user, "bad": 1}).encode()  # noqa: E731
    return of_ends("webhook", ends, settings, bad, {"secret": SECRET})


def klaviyo(ends: FarEnds) -> World:
    settings = {"endpoint": f"{ends.url}/klaviyo", "api_key": "local", "look_every_s": 0.01}

    def bad(user: str) -> bytes:
        inner = {"external_id": user, "properties": {"__invalid": 1}}
        return json.dumps({"type": "profile", "attributes": inner}).encode()

    return of_ends("klaviyo", ends, settings, bad, {"api_key": SECRET})


def customerio(ends: FarEnds) -> World:
    settings = {"endpoint": f"{ends.url}/customerio", "site_id": "local", "api_key": "local"}

    def bad(user: str) -> bytes:
        who = {"type": "person", "action": "identify", "identifiers": {"id": user}}
        return json.dumps({**who, "attributes": {"a": "x" * 33_000}}).encode()

    return of_ends("customerio", ends, settings, bad, {"api_key": SECRET})


def of_aws(service: Service) -> Callable[..., AbstractContextManager[None]]:
    named = {
        "throttled": ServiceError("ThrottlingException", "Rate exceeded", 429),
        "down": ServiceError("InternalServerException", "An internal error occurred", 500),
        "bad": ServiceError("BadRequestException", "this is not right", 400),
        "denied": ServiceError("AccessDeniedException", "User is not authorized", 403),
    }

    @contextmanager
    def trouble(name: str, only: str | None = None) -> Iterator[None]:
        def failing(_context: Any) -> Any:
            raise named[name]

        working = dict(service.handlers)
        service.handlers.update(dict.fromkeys([only] if only else working, failing))
        yield
        service.handlers.update(working)

    return trouble


def customer_profiles(clients: Clients, services: dict[str, Service]) -> World:
    client = clients("customer-profiles")
    domain = f"d-{uuid4().hex[:8]}"
    client.create_domain(DomainName=domain, DefaultExpirationDays=90)
    client.put_profile_object_type(
        DomainName=domain,
        ObjectTypeName="Recommendations",
        Description="What Personalize recommends",
        AllowProfileCreation=True,
        Fields={"user": {"Source": "_source.user_id", "Target": "_profile.AccountNumber"}},
        Keys={"user": [{"StandardIdentifiers": ["PROFILE", "UNIQUE"], "FieldNames": ["user"]}]},
    )

    def holds(user: str) -> Profile | None:
        found = client.search_profiles(DomainName=domain, KeyName="_account", Values=[user])
        for profile in found["Items"]:
            objects = client.list_profile_objects(
                DomainName=domain,
                ObjectTypeName="Recommendations",
                ProfileId=profile["ProfileId"],
            )["Items"]
            for each in objects:
                inner = json.loads(each["Object"]).items()
                return {name: value for name, value in inner if name != "user_id" and value}
        return None

    return World(
        "customer_profiles",
        {"domain": domain, "object_type": "Recommendations"},
        holds,
        of_aws(services["customer-profiles"]),
        lambda user: json.dumps({"user": user}).encode(),
        clients,
        denied={"trouble": "denied"},
    )


def pinpoint(clients: Clients, services: dict[str, Service]) -> World:
    client = clients("pinpoint")
    made = client.create_app(CreateApplicationRequest={"Name": "bingewatch"})
    application = made["ApplicationResponse"]["Id"]
    endpoints = [
        {"Id": f"e{n}", "Address": f"{n}@x.test", "ChannelType": "EMAIL", "User": {"UserId": user}}
        for n, user in enumerate([*USERS, *(f"u{n:03d}" for n in range(60))])
    ]
    client.update_endpoints_batch(
        ApplicationId=application, EndpointBatchRequest={"Item": endpoints}
    )

    def holds(user: str) -> Profile | None:
        answer = client.get_user_endpoints(ApplicationId=application, UserId=user)
        (endpoint,) = answer["EndpointsResponse"]["Item"]
        return dict(endpoint["User"].get("UserAttributes", {}))

    return World(
        "pinpoint",
        {"application_id": application, "role_arn": ROLE},
        holds,
        of_aws(services["pinpoint"]),
        lambda user: json.dumps({"user_id": user, "attributes": {"a": "x" * 101}}).encode(),
        clients,
        denied={"trouble": "denied"},
    )


def files(folder: Path) -> World:
    def holds(user: str) -> Profile | None:
        found: Profile | None = None
        parts = sorted(folder.glob("*/part-*.jsonl"), key=lambda it: it.stat().st_mtime_ns)
        for part in parts:
            for row in part.read_text().split("\n")[:-1]:
                each = json.loads(row)
                if each["user_id"] == user:
                    found = {**(found or {}), **each["payload"]}
        if found is None:
            return None
        return {name: value for name, value in found.items() if value is not None}

    return World("files", {"location": str(folder), "format": "jsonl"}, holds, None, None)


def far_ends() -> FarEnds:
    """Return far ends that check signatures and refuse whoever has the attribute `bad`."""
    hook = Webhook(secret="s" * 16, refuses=lambda each: "unknown user" if "bad" in each else "")
    with FarEnds() as defaults:
        others = [
            end for name, end in defaults.ends.items() if name not in ("webhook", "customerio")
        ]
    return FarEnds(ends=[*others, hook, Customerio()])


HTTP = {"braze": braze, "webhook": webhook, "klaviyo": klaviyo, "customerio": customerio}
AWS = {"customer_profiles": customer_profiles, "pinpoint": pinpoint}
KINDS = sorted([*HTTP, *AWS, "files"])
REMOTE = sorted([*HTTP, *AWS])


def nothing_wrong(_name: str) -> AbstractContextManager[None]:
    return nullcontext()
