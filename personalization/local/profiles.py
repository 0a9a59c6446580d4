"""Customer Profiles, as far as we need it: domains, profiles, objects, uploads, segments.

Everything else (templates of object types, integrations, matching, calculated attributes, layouts,
its own recommenders) answers that it is not there.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from personalization.aws import Clients
from personalization.local.pace import Pace
from personalization.local.profiles_estimates import Estimates
from personalization.local.profiles_objects import Objects
from personalization.local.profiles_segments import SegmentDefinitions
from personalization.local.profiles_store import Profiles
from personalization.local.profiles_uploads import Uploads
from personalization.local.wire import Context, Handler, Service, ServiceError

Answer = Mapping[str, Any]

# Members of `CreateSegmentDefinitionResponse`.
_SAID_OF_A_NEW_SEGMENT = frozenset(
    {
        "SegmentDefinitionName",
        "DisplayName",
        "Description",
        "CreatedAt",
        "SegmentDefinitionArn",
        "Tags",
    }
)
# What a domain can have beyond its name, and is not here.
_NOT_HERE = ("Matching", "RuleBasedMatching", "DataStore")


class Domain:
    """One domain and all that is in it."""

    def __init__(self, context: Context, clients: Clients, pace: Pace) -> None:
        now = dt.datetime.now(dt.UTC)
        self.response = {**context.params, "CreatedAt": now, "LastUpdatedAt": now}
        name = context.params["DomainName"]
        arn = f"arn:aws:profile:{context.region}:{context.account}:domains/{name}"
        self.lock = threading.RLock()
        self.profiles = Profiles()
        self.objects = Objects(self.profiles)
        self.segments = SegmentDefinitions(arn)
        self.uploads = Uploads(self.profiles, self.lock, clients, pace)
        self.estimates = Estimates(self.segments, self.profiles, self.lock, pace)


class CustomerProfiles(Service):
    """The service; domains are separate by region."""

    def __init__(self, clients: Clients, pace: Pace) -> None:
        self._clients = clients
        self._pace = pace
        self._domains: dict[tuple[str, str], Domain] = {}
        super().__init__("customer-profiles", self._table())

    def close(self) -> None:
        """Stop the upload jobs."""
        for domain in list(self._domains.values()):
            domain.uploads.close()

    def _table(self) -> dict[str, Handler]:
        return {
            "CreateDomain": self._create_domain,
            "GetDomain": self._get_domain,
            "ListDomains": self._list_domains,
            "DeleteDomain": self._delete_domain,
            "CreateProfile": self._create_profile,
            "UpdateProfile": self._update_profile,
            "SearchProfiles": self._search_profiles,
            "BatchGetProfile": self._batch_get_profile,
            "DeleteProfile": self._delete_profile,
            "PutProfileObjectType": self._put_object_type,
            "GetProfileObjectType": self._get_object_type,
            "BatchPutProfileObject": self._batch_put_objects,
            "ListProfileObjects": self._list_objects,
            "CreateUploadJob": self._create_upload_job,
            "GetUploadJobPath": self._get_upload_job_path,
            "StartUploadJob": self._start_upload_job,
            "GetUploadJob": self._get_upload_job,
            "StopUploadJob": self._stop_upload_job,
            "ListUploadJobs": self._list_upload_jobs,
            "CreateSegmentDefinition": self._create_segment_definition,
            "GetSegmentDefinition": self._get_segment_definition,
            "ListSegmentDefinitions": self._list_segment_definitions,
            "DeleteSegmentDefinition": self._delete_segment_definition,
            "GetSegmentMembership": self._get_segment_membership,
            "CreateSegmentEstimate": self._create_segment_estimate,
            "GetSegmentEstimate": self._get_segment_estimate,
        }

    def _at(self, context: Context) -> Domain:
        name = context.params["DomainName"]
        found = self._domains.get((context.region, name))
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Domain {name} was not found")
        return found

    def _create_domain(self, context: Context) -> Answer:
        key = context.region, context.params["DomainName"]
        if key in self._domains:
            raise ServiceError("BadRequestException", f"Domain {key[1]} exists already")
        if asked := [name for name in _NOT_HERE if name in context.params]:
            said = f"the local AWS has no domains with {', '.join(asked)}"
            raise ServiceError("NotImplementedException", said, 501)
        self._domains[key] = Domain(context, self._clients, self._pace)
        return self._domains[key].response

    def _get_domain(self, context: Context) -> Answer:
        domain = self._at(context)
        count = len(domain.profiles)
        return {**domain.response, "Stats": {"ProfileCount": count, "MeteringProfileCount": count}}

    def _list_domains(self, context: Context) -> Answer:
        shown = ("DomainName", "CreatedAt", "LastUpdatedAt", "Tags")
        here = [
            {name: domain.response[name] for name in shown if name in domain.response}
            for (region, _), domain in list(self._domains.items())
            if region == context.region
        ]
        return _page(here, context)

    def _delete_domain(self, context: Context) -> Answer:
        domain = self._at(context)
        domain.uploads.close()
        del self._domains[context.region, context.params["DomainName"]]
        return {"Message": "The domain was deleted"}

    def _create_profile(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            return {"ProfileId": domain.profiles.create(context.params)}

    def _update_profile(self, context: Context) -> Answer:
        domain, profile_id = self._at(context), context.params["ProfileId"]
        with domain.lock:
            domain.profiles.update(profile_id, context.params)
        return {"ProfileId": profile_id}

    def _search_profiles(self, context: Context) -> Answer:
        domain, asked = self._at(context), context.params
        keys = {asked["KeyName"]: asked["Values"]}
        keys |= {each["KeyName"]: each["Values"] for each in asked.get("AdditionalSearchKeys", ())}
        with domain.lock:
            found = domain.profiles.search(keys, every=asked.get("LogicalOperator") == "AND")
        return _page(found, context, default=20)

    def _batch_get_profile(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            found = {each: domain.profiles.find(each) for each in context.params["ProfileIds"]}
            present = [dict(profile) for profile in found.values() if profile]
        return {
            "Profiles": present,
            "Errors": [
                {"Code": "404", "Message": "Profile was not found", "ProfileId": each}
                for each, profile in found.items()
                if profile is None
            ],
        }

    def _delete_profile(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            domain.profiles.delete(context.params["ProfileId"])
        return {"Message": "The profile was deleted"}

    def _put_object_type(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            return domain.objects.put_type(context.params)

    def _get_object_type(self, context: Context) -> Answer:
        return self._at(context).objects.get_type(context.params["ObjectTypeName"])

    def _batch_put_objects(self, context: Context) -> Answer:
        domain, asked = self._at(context), context.params
        with domain.lock:
            return domain.objects.put(asked["ObjectTypeName"], asked["Items"])

    def _list_objects(self, context: Context) -> Answer:
        domain, asked = self._at(context), context.params
        if "ObjectFilter" in asked:
            said = "the local AWS filters no objects"
            raise ServiceError("NotImplementedException", said, 501)
        with domain.lock:
            found = domain.objects.of_profile(asked["ObjectTypeName"], asked["ProfileId"])
        return _page(found, context)

    def _create_upload_job(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            return {"JobId": domain.uploads.create(context.params)}

    def _get_upload_job_path(self, context: Context) -> Answer:
        return self._at(context).uploads.path(context.params["JobId"])

    def _start_upload_job(self, context: Context) -> Answer:
        self._at(context).uploads.start(context.params["JobId"])
        return {}

    def _get_upload_job(self, context: Context) -> Answer:
        return self._at(context).uploads.get(context.params["JobId"])

    def _stop_upload_job(self, context: Context) -> Answer:
        self._at(context).uploads.stop(context.params["JobId"])
        return {}

    def _list_upload_jobs(self, context: Context) -> Answer:
        return _page(self._at(context).uploads.every(), context)

    def _create_segment_definition(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            made = domain.segments.create(context.params)
        return {name: value for name, value in made.items() if name in _SAID_OF_A_NEW_SEGMENT}

    def _get_segment_definition(self, context: Context) -> Answer:
        return self._at(context).segments.get(context.params["SegmentDefinitionName"])

    def _list_segment_definitions(self, context: Context) -> Answer:
        return _page(self._at(context).segments.every(), context)

    def _delete_segment_definition(self, context: Context) -> Answer:
        domain = self._at(context)
        with domain.lock:
            domain.segments.delete(context.params["SegmentDefinitionName"])
        return {"Message": "The segment definition was deleted"}

    def _get_segment_membership(self, context: Context) -> Answer:
        domain, name = self._at(context), context.params["SegmentDefinitionName"]
        domain.segments.get(name)
        present, failures = [], []
        with domain.lock:
            for each in context.params["ProfileIds"]:
                profile = domain.profiles.find(each)
                if profile is None:
                    failures.append(
                        {"ProfileId": each, "Message": "Profile was not found", "Status": 404}
                    )
                    continue
                result = "PRESENT" if domain.segments.holds(name, profile) else "ABSENT"
                present.append({"ProfileId": each, "QueryResult": result, "Profile": dict(profile)})
        return {
            "SegmentDefinitionName": name,
            "Profiles": present,
            "Failures": failures,
            "LastComputedAt": dt.datetime.now(dt.UTC),
        }

    def _create_segment_estimate(self, context: Context) -> Answer:
        domain, name = self._at(context), context.params["DomainName"]
        return {"DomainName": name, "EstimateId": domain.estimates.create(context.params)}

    def _get_segment_estimate(self, context: Context) -> Answer:
        found = self._at(context).estimates.get(context.params["EstimateId"])
        return {"DomainName": context.params["DomainName"], **found}


def service(clients: Clients, pace: Pace) -> CustomerProfiles:
    """Return the service, for the server to mount."""
    return CustomerProfiles(clients, pace)


def _page(items: Sequence[Any], context: Context, default: int = 100) -> dict[str, Any]:
    start, size = context.params.get("NextToken", "0"), context.params.get("MaxResults", default)
    if not start.isdecimal():
        raise ServiceError("BadRequestException", f"NextToken {start} is not one of ours")
    end = int(start) + int(size)
    page: dict[str, Any] = {"Items": list(items[int(start) : end])}
    return {**page, "NextToken": str(end)} if end < len(items) else page
