from __future__ import annotations

import datetime as dt

from personalization.local.server import LocalAws


def test_an_upload_in_parts_tells_when_it_was_begun(aws: LocalAws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    for key in ("train/a.csv", "train/b.csv"):
        s3.create_multipart_upload(Bucket="films", Key=key)

    listed = s3.list_multipart_uploads(Bucket="films", Prefix="train/")["Uploads"]

    assert [it["Key"] for it in listed] == ["train/a.csv", "train/b.csv"]
    assert all(before <= it["Initiated"] <= dt.datetime.now(dt.UTC) for it in listed)


def test_an_upload_in_parts_goes_on_as_before(aws: LocalAws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")
    where = {"Bucket": "films", "Key": "train/a.csv"}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"Id\n1\n")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=parts)

    assert s3.get_object(**where)["Body"].read() == b"Id\n1\n"
    assert s3.list_multipart_uploads(Bucket="films").get("Uploads", []) == []
