"""The XML API, which signed URLs and older tools use."""

from __future__ import annotations

import os
from xml.etree import ElementTree

import requests


def text(reply, path):
    return [element.text for element in ElementTree.fromstring(reply.content).iterfind(path)]


def test_put_get_head_delete(bucket, served):
    url = f"{served.url}/bucket-1/dir/a%20b.txt"
    content = os.urandom(100_000)
    put = requests.put(url, data=content, headers={"Content-Type": "text/x", "x-goog-meta-k": "v"})
    assert put.status_code == 200
    assert bucket.get_blob("dir/a b.txt").metadata == {"k": "v"}
    got = requests.get(url)
    assert (got.content, got.headers["content-type"], got.headers["x-goog-meta-k"]) == (content, "text/x", "v")
    head = requests.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(content)), b"")
    assert requests.get(url, headers={"Range": "bytes=0-3"}).content == content[:4]
    assert requests.delete(url).status_code == 204
    missing = requests.get(url)
    assert (missing.status_code, text(missing, "Code")) == (404, ["NoSuchKey"])
    assert text(requests.get(f"{served.url}/bucket-9/o"), "Code") == ["NoSuchBucket"]


def test_conditions(bucket, served):
    url = f"{served.url}/bucket-1/o"
    assert requests.put(url, data=b"1", headers={"x-goog-if-generation-match": "0"}).status_code == 200
    assert requests.put(url, data=b"2", headers={"x-goog-if-generation-match": "0"}).status_code == 412
    assert requests.put(url, data=b"2", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}).status_code == 400
    assert requests.get(url).content == b"1"


def test_virtual_hosts_and_listing(bucket, served):
    for name in ("a", "d/1", "d/2", "z"):
        bucket.blob(name).upload_from_string(b"x")
    host = {"Host": "bucket-1.storage.googleapis.com"}
    assert requests.get(f"{served.url}/d/1", headers=host).content == b"x"
    ns = "{http://doc.s3.amazonaws.com/2006-03-01}"
    page = requests.get(f"{served.url}/?delimiter=/", headers=host)
    assert text(page, f"{ns}Contents/{ns}Key") == ["a", "z"]
    assert text(page, f"{ns}CommonPrefixes/{ns}Prefix") == ["d/"]
    first = requests.get(f"{served.url}/bucket-1?list-type=2&max-keys=3")
    assert text(first, f"{ns}IsTruncated") == ["true"]
    token = text(first, f"{ns}NextContinuationToken")[0]
    rest = requests.get(f"{served.url}/bucket-1?list-type=2&max-keys=3", params={"continuation-token": token})
    assert text(rest, f"{ns}Contents/{ns}Key") == ["z"]


def test_buckets(served):
    body = "<CreateBucketConfiguration><LocationConstraint>EU</LocationConstraint></CreateBucketConfiguration>"
    assert requests.put(f"{served.url}/by-xml", data=body).status_code == 200
    assert served.engine.buckets.get("by-xml").config["location"] == "EU"
    assert text(requests.get(served.url), "Buckets/Bucket/Name") == ["by-xml"]
    assert requests.head(f"{served.url}/by-xml").status_code == 200
    assert requests.delete(f"{served.url}/by-xml").status_code == 204


def test_not_built(bucket, served):
    reply = requests.post(f"{served.url}/bucket-1/o?uploads")
    assert reply.status_code == 501
    assert "?uploads" in text(reply, "Message")[0]
