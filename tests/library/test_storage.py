"""client.storage against the emulator, and by marker against fake-gcs-server for every call that it supports."""

from pathlib import Path

import pytest

from gcpmlops import Client, exceptions


@pytest.fixture
def bucket(storage_client: Client, unique) -> str:
    return storage_client.storage.create_bucket(unique("bucket")).name


@pytest.fixture
def own_bucket(client: Client, unique) -> str:
    """A bucket of the emulator alone, for what fake-gcs-server drops or answers 404 to."""
    return client.storage.create_bucket(unique("bucket")).name


class TestBuckets:
    def test_created_bucket_is_listed(self, storage_client: Client, bucket: str) -> None:
        assert storage_client.storage.get_bucket(bucket).name == bucket
        assert bucket in [each.name for each in storage_client.storage.list_buckets()]

    def test_a_second_one_of_the_name_exists_already(self, storage_client: Client, bucket: str) -> None:
        with pytest.raises(exceptions.AlreadyExists, match=bucket):
            storage_client.storage.create_bucket(bucket)

    def test_ensure_is_idempotent(self, storage_client: Client, bucket: str) -> None:
        assert storage_client.storage.ensure_bucket(bucket).name == bucket

    def test_missing_bucket_names_the_next_step(self, storage_client: Client, unique) -> None:
        name = unique("missing")
        with pytest.raises(exceptions.NotFound, match=f"gs://{name} does not exist") as caught:
            storage_client.storage.get_bucket(f"gs://{name}")
        assert f"create-bucket {name}" in caught.value.next_step

    def test_deleted_bucket_is_gone(self, storage_client: Client, bucket: str) -> None:
        storage_client.storage.delete_bucket(bucket)
        assert not storage_client.storage.exists(f"gs://{bucket}")

    def test_bucket_with_objects_needs_force(self, storage_client: Client, bucket: str) -> None:
        storage_client.storage.upload(b"x", destination=f"gs://{bucket}/a")
        with pytest.raises(exceptions.FailedPrecondition, match="not empty"):
            storage_client.storage.delete_bucket(bucket)
        storage_client.storage.delete_bucket(bucket, force=True)
        assert not storage_client.storage.exists(f"gs://{bucket}")

    def test_settings_are_kept(self, client: Client, unique) -> None:
        rule = {"action": {"type": "Delete"}, "condition": {"age": 30}}
        made = client.storage.create_bucket(
            unique("bucket"),
            location="europe-west4",
            storage_class="nearline",
            labels={"team": "risk"},
            versioning=True,
            lifecycle=[rule],
        )
        found = client.storage.get_bucket(made.name)
        assert (found.location, found.storage_class, found.versioning) == ("EUROPE-WEST4", "NEARLINE", True)
        assert dict(found.labels) == {"team": "risk"}
        assert found.resource["lifecycle"]["rule"] == [rule]

    def test_ensure_brings_settings_up_to_date(self, client: Client, own_bucket: str) -> None:
        client.storage.ensure_bucket(own_bucket, labels={"stage": "prod"}, versioning=True)
        found = client.storage.get_bucket(own_bucket)
        assert (dict(found.labels), found.versioning) == ({"stage": "prod"}, True)

    def test_labels_are_replaced(self, client: Client, own_bucket: str) -> None:
        client.storage.update_bucket(own_bucket, labels={"a": "1", "b": "2"})
        assert dict(client.storage.update_bucket(own_bucket, labels={"b": "3"}).labels) == {"b": "3"}

    def test_grant_is_listed(self, client: Client, own_bucket: str) -> None:
        client.storage.grant(own_bucket, member="user:ada@example.com", role="roles/storage.objectViewer")
        client.storage.grant(own_bucket, member="user:bob@example.com", role="roles/storage.objectViewer")
        members = client.storage.grants(own_bucket)["roles/storage.objectViewer"]
        assert {"user:ada@example.com", "user:bob@example.com"} <= set(members)


class TestObjects:
    def test_bytes_come_back(self, storage_client: Client, bucket: str) -> None:
        (made,) = storage_client.storage.upload(
            b"hello", destination=f"gs://{bucket}/a/b.txt", content_type="text/plain"
        )
        assert (made.uri, made.size, made.content_type) == (f"gs://{bucket}/a/b.txt", 5, "text/plain")
        assert storage_client.storage.read(made.uri) == b"hello"

    def test_file_keeps_its_name_in_a_folder(self, storage_client: Client, bucket: str, tmp_path: Path) -> None:
        (tmp_path / "data.csv").write_text("a\n1\n")
        (made,) = storage_client.storage.upload(tmp_path / "data.csv", destination=f"gs://{bucket}/raw/")
        assert (made.name, made.content_type) == ("raw/data.csv", "text/csv")

    def test_file_larger_than_a_chunk(self, storage_client: Client, bucket: str, tmp_path: Path) -> None:
        content = bytes(range(256)) * 4096 * 9  # 9 MiB: a resumable upload
        (tmp_path / "large").write_bytes(content)
        storage_client.storage.upload(tmp_path / "large", destination=f"gs://{bucket}/large")
        (path,) = storage_client.storage.download(f"gs://{bucket}/large", destination=tmp_path / "back")
        assert path.read_bytes() == content

    def test_folder_there_and_back(self, storage_client: Client, bucket: str, tmp_path: Path) -> None:
        source = tmp_path / "source"
        (source / "deep").mkdir(parents=True)
        (source / "one").write_text("1")
        (source / "deep" / "two").write_text("2")
        made = storage_client.storage.upload(source, destination=f"gs://{bucket}/folder")
        assert sorted(each.name for each in made) == ["folder/deep/two", "folder/one"]
        storage_client.storage.download(f"gs://{bucket}/folder/", destination=tmp_path / "back")
        assert (tmp_path / "back" / "deep" / "two").read_text() == "2"
        assert (tmp_path / "back" / "one").read_text() == "1"

    def test_listing_by_prefix(self, storage_client: Client, bucket: str) -> None:
        for name in ("a/1", "a/2", "b/1"):
            storage_client.storage.upload(b"x", destination=f"gs://{bucket}/{name}")
        assert [each.name for each in storage_client.storage.list(f"gs://{bucket}/a/")] == ["a/1", "a/2"]
        assert len(storage_client.storage.list(f"gs://{bucket}")) == 3
        assert len(storage_client.storage.list(bucket, limit=2)) == 2

    def test_copy(self, storage_client: Client, bucket: str) -> None:
        storage_client.storage.upload(b"hello", destination=f"gs://{bucket}/a")
        copied = storage_client.storage.copy(f"gs://{bucket}/a", destination=f"gs://{bucket}/there/")
        assert copied.name == "there/a"
        assert storage_client.storage.read(copied.uri) == b"hello"

    def test_compose(self, storage_client: Client, bucket: str) -> None:
        for name in ("1", "2"):
            storage_client.storage.upload(name.encode(), destination=f"gs://{bucket}/{name}")
        sources = [f"gs://{bucket}/1", f"gs://{bucket}/2"]
        made = storage_client.storage.compose(sources, destination=f"gs://{bucket}/all", content_type="text/plain")
        assert storage_client.storage.read(made.uri) == b"12"

    def test_delete_one_and_many(self, storage_client: Client, bucket: str) -> None:
        for name in ("a/1", "a/2", "b"):
            storage_client.storage.upload(b"x", destination=f"gs://{bucket}/{name}")
        assert storage_client.storage.delete(f"gs://{bucket}/b") == 1
        assert storage_client.storage.delete(f"gs://{bucket}/a/", recursive=True) == 2
        assert storage_client.storage.list(bucket) == []

    def test_missing_object_is_named(self, storage_client: Client, bucket: str) -> None:
        uri = f"gs://{bucket}/missing"
        for call in (storage_client.storage.read, storage_client.storage.get, storage_client.storage.delete):
            with pytest.raises(exceptions.NotFound, match="missing"):
                call(uri)
        assert not storage_client.storage.exists(uri)

    def test_failed_download_leaves_no_file(self, storage_client: Client, bucket: str, tmp_path: Path) -> None:
        with pytest.raises(exceptions.NotFound):
            storage_client.storage.download(f"gs://{bucket}/missing", destination=tmp_path / "file")
        assert list(tmp_path.iterdir()) == []

    def test_upload_to_a_missing_bucket(self, storage_client: Client, unique) -> None:
        with pytest.raises(exceptions.NotFound) as caught:
            storage_client.storage.upload(b"x", destination=f"gs://{unique('missing')}/a")
        assert "create-bucket" in caught.value.next_step

    def test_precondition_keeps_the_old_object(self, storage_client: Client, bucket: str) -> None:
        uri = f"gs://{bucket}/a"
        storage_client.storage.upload(b"old", destination=uri)
        with pytest.raises(exceptions.FailedPrecondition):
            storage_client.storage.upload(b"new", destination=uri, if_generation_match=0)
        assert storage_client.storage.read(uri) == b"old"

    @pytest.mark.parametrize("name", ["a//b", "dir/", "../../x", "a/../b", "ü/日本", "x" * 1024, "a b?c#d%e"])
    def test_any_object_name(self, client: Client, own_bucket: str, name: str) -> None:
        uri = f"gs://{own_bucket}/{name}"
        client.storage.upload(b"x", destination=f"gs://{own_bucket}/a")
        client.clients.storage.bucket(own_bucket).blob(name).upload_from_string(b"content")
        assert client.storage.read(uri) == b"content"
        assert name in [each.name for each in client.storage.list(own_bucket)]

    def test_object_beside_its_folder(self, client: Client, own_bucket: str) -> None:
        for name in ("a", "a/b"):
            client.storage.upload(name.encode(), destination=f"gs://{own_bucket}/{name}")
        assert client.storage.read(f"gs://{own_bucket}/a") == b"a"
        assert client.storage.read(f"gs://{own_bucket}/a/b") == b"a/b"

    def test_download_stays_in_its_folder(self, client: Client, own_bucket: str, tmp_path: Path) -> None:
        client.clients.storage.bucket(own_bucket).blob("in/../../out").upload_from_string(b"x")
        with pytest.raises(exceptions.InvalidArgument, match="outside"):
            client.storage.download(f"gs://{own_bucket}/in/", destination=tmp_path / "folder")
        assert not (tmp_path / "out").exists()

    def test_metadata(self, client: Client, own_bucket: str) -> None:
        client.storage.upload(b"x", destination=f"gs://{own_bucket}/a", metadata={"source": "unit"})
        assert dict(client.storage.get(f"gs://{own_bucket}/a").metadata) == {"source": "unit"}

    def test_html(self, client: Client, own_bucket: str) -> None:
        (made,) = client.storage.upload(b"x", destination=f"gs://{own_bucket}/<a>")
        assert "&lt;a&gt;" in made._repr_html_()
