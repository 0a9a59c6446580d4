"""Find what each user will like, or what goes with each item: one batch inference job."""

from __future__ import annotations

from prefect import flow

from personalization.parameters import BatchParameters
from personalization.resources.kinds import BATCH_INFERENCE_JOB
from tasks.batch import run_batch_job
from tasks.once import once
from tasks.running import batch_inference_run_name
from tasks.telling import TOLD


@flow(name="batch-inference", flow_run_name=batch_inference_run_name, **TOLD)
@once
def batch_inference(parameters: BatchParameters) -> tuple[str, ...]:
    """Return the S3 URIs of the `.out` files of the job.

    Reads s3://{bucket}/batch/{group}/{solution}/job_config.json; Personalize writes beside it, to a
    folder named for the job.  Safe to repeat: a job that was done with this input and this version
    is found, not paid for again.
    """
    return run_batch_job(BATCH_INFERENCE_JOB, parameters)
