"""Pinpoint, as far as audiences need it: applications, endpoints, users, segments, import jobs.

Everything else (campaigns, journeys, messages, channels, exports) answers that it is not there.
AWS ended the service on 2026-10-30; this one is for the systems that are being moved.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from personalization.aws import Clients
from personalization.local.pace import Pace
from personalization.local.pinpoint_endpoints import Endpoints
from personalization.local.pinpoint_imports import Imports
from personalization.local.pinpoint_segments import Segments, iso_now
from personalization.local.wire import Context, Handler, Service, ServiceError

MAX_BATCH = 100  # shape `EndpointBatchRequest`: "a maximum of 100 items"
MAX_PAGE = 100

Answer = Mapping[str, Any]


class Application:
    """One application and all that is in it."""

    def __init__(self, context: Context, name: str, tags: Mapping[str, str], pace: Pace) -> None:
        self.id = uuid.uuid4().hex
        arn = f"arn:aws:mobiletargeting:{context.region}:{context.account}:apps/{self.id}"
        self.response = {
            "Id": self.id,
            "Arn": arn,
            "Name": name,
            "tags": dict(tags),
            "CreationDate": iso_now(),
        }
        self.lock = threading.RLock()
        self.endpoints = Endpoints(self.id)
        self.segments = Segments(self.id, arn)
        self.imports = Imports(self.id, self.endpoints, self.segments, self.lock, pace)


class Pinpoint(Service):
    """The service; applications are separate by region."""

    def __init__(self, clients: Clients, pace: Pace) -> None:
        self._clients = clients
        self._pace = pace
        self._applications: dict[tuple[str, str], Application] = {}
        super().__init__("pinpoint", self._table())

    def close(self) -> None:
        """Stop the import jobs."""
        for application in list(self._applications.values()):
            application.imports.close()

    def _table(self) -> dict[str, Handler]:
        return {
            "CreateApp": self._create_app,
            "GetApp": self._get_app,
            "GetApps": self._get_apps,
            "DeleteApp": self._delete_app,
            "UpdateEndpoint": self._update_endpoint,
            "UpdateEndpointsBatch": self._update_endpoints,
            "GetEndpoint": self._endpoint(Endpoints.get),
            "DeleteEndpoint": self._endpoint(Endpoints.delete),
            "GetUserEndpoints": self._user(Endpoints.of_user),
            "DeleteUserEndpoints": self._user(Endpoints.delete_user),
            "CreateSegment": self._create_segment,
            "UpdateSegment": self._update_segment,
            "GetSegment": self._get_segment,
            "GetSegmentVersion": self._get_segment,
            "DeleteSegment": self._delete_segment,
            "GetSegments": self._get_segments,
            "GetSegmentVersions": self._get_segment_versions,
            "GetSegmentImportJobs": self._get_segment_import_jobs,
            "CreateImportJob": self._create_import_job,
            "GetImportJob": self._get_import_job,
            "GetImportJobs": self._get_import_jobs,
        }

    def _at(self, context: Context) -> Application:
        asked = context.params["ApplicationId"]
        found = self._applications.get((context.region, asked))
        if found is None:
            raise ServiceError("NotFoundException", f"Application {asked} was not found")
        return found

    def _create_app(self, context: Context) -> Answer:
        request = context.params["CreateApplicationRequest"]
        application = Application(context, request["Name"], request.get("tags", {}), self._pace)
        self._applications[context.region, application.id] = application
        return {"ApplicationResponse": application.response}

    def _get_app(self, context: Context) -> Answer:
        return {"ApplicationResponse": self._at(context).response}

    def _get_apps(self, context: Context) -> Answer:
        here = [
            application.response
            for (region, _), application in list(self._applications.items())
            if region == context.region
        ]
        return {"ApplicationsResponse": _page(here, context)}

    def _delete_app(self, context: Context) -> Answer:
        application = self._at(context)
        application.imports.close()
        del self._applications[context.region, application.id]
        return {"ApplicationResponse": application.response}

    def _update_endpoint(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            application.endpoints.put(
                context.params["EndpointId"], context.params["EndpointRequest"]
            )
        return _accepted()

    def _update_endpoints(self, context: Context) -> Answer:
        application = self._at(context)
        items = context.params["EndpointBatchRequest"]["Item"]
        if len(items) > MAX_BATCH:
            said = f"A batch has at most {MAX_BATCH} endpoints, not {len(items)}"
            raise ServiceError("BadRequestException", said)
        if any(not item.get("Id") for item in items):
            raise ServiceError("BadRequestException", "Every endpoint of a batch needs an Id")
        with application.lock:
            for item in items:
                application.endpoints.put(item["Id"], item)
        return _accepted()

    def _endpoint(self, act: Callable[[Endpoints, str], dict[str, Any]]) -> Handler:
        def handler(context: Context) -> Answer:
            application = self._at(context)
            with application.lock:
                found = act(application.endpoints, context.params["EndpointId"])
            return {"EndpointResponse": found}

        return handler

    def _user(self, act: Callable[[Endpoints, str], list[dict[str, Any]]]) -> Handler:
        def handler(context: Context) -> Answer:
            application = self._at(context)
            with application.lock:
                found = act(application.endpoints, context.params["UserId"])
            return {"EndpointsResponse": {"Item": found}}

        return handler

    def _create_segment(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            made = application.segments.create(context.params["WriteSegmentRequest"])
        return {"SegmentResponse": made}

    def _update_segment(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            made = application.segments.update(
                context.params["SegmentId"], context.params["WriteSegmentRequest"]
            )
        return {"SegmentResponse": made}

    def _get_segment(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            found = application.segments.get(
                context.params["SegmentId"], context.params.get("Version")
            )
        return {"SegmentResponse": found}

    def _delete_segment(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            return {"SegmentResponse": application.segments.delete(context.params["SegmentId"])}

    def _get_segments(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            return {"SegmentsResponse": _page(application.segments.every(), context)}

    def _get_segment_versions(self, context: Context) -> Answer:
        application = self._at(context)
        with application.lock:
            found = application.segments.versions(context.params["SegmentId"])
        return {"SegmentsResponse": _page(found, context)}

    def _get_segment_import_jobs(self, context: Context) -> Answer:
        application = self._at(context)
        segment = application.segments.get(context.params["SegmentId"])
        found = application.imports.of_segment(segment["Id"])
        return {"ImportJobsResponse": _page(found, context)}

    def _create_import_job(self, context: Context) -> Answer:
        request = context.params["ImportJobRequest"]
        made = self._at(context).imports.create(request, self._clients("s3"))
        return {"ImportJobResponse": made}

    def _get_import_job(self, context: Context) -> Answer:
        job = self._at(context).imports.get(context.params["JobId"])
        return {"ImportJobResponse": job.shown(job.stages.look())}

    def _get_import_jobs(self, context: Context) -> Answer:
        return {"ImportJobsResponse": _page(self._at(context).imports.every(), context)}


def service(clients: Clients, pace: Pace) -> Pinpoint:
    """Return the service, for the server to mount."""
    return Pinpoint(clients, pace)


def _page(items: Sequence[Any], context: Context) -> dict[str, Any]:
    """Return one page; sizes and tokens are strings here, as everywhere in Pinpoint."""
    size, start = context.params.get("PageSize", str(MAX_PAGE)), context.params.get("Token", "0")
    if not (size.isdecimal() and start.isdecimal()) or not 1 <= int(size) <= MAX_PAGE:
        said = f"page-size must be 1 to {MAX_PAGE}, and token one that was returned before"
        raise ServiceError("BadRequestException", said)
    end = int(start) + int(size)
    page: dict[str, Any] = {"Item": list(items[int(start) : end])}
    return {**page, "NextToken": str(end)} if end < len(items) else page


def _accepted() -> Answer:
    return {"MessageBody": {"Message": "Accepted", "RequestID": str(uuid.uuid4())}}
