"""DatasetService through its official client."""

import uuid
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1, bigquery, storage
from google.cloud.aiplatform_v1 import types
from google.protobuf import field_mask_pb2, struct_pb2

OPTIONS = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
SCHEMAS = "gs://google-cloud-aiplatform/schema/dataset/metadata/"
TABULAR = f"{SCHEMAS}tabular_1.0.0.yaml"
IMAGE = f"{SCHEMAS}image_1.0.0.yaml"
IO = "gs://google-cloud-aiplatform/schema/dataset/ioformat/image_classification_single_label_io_format_1.0.0.yaml"
CSV = "number,name\n" + "".join(f'{number},"n, {number}"\n' for number in range(20))


@pytest.fixture
def datasets(google_environment: dict[str, str]) -> aiplatform_v1.DatasetServiceClient:
    return aiplatform_v1.DatasetServiceClient(client_options=OPTIONS)


@pytest.fixture
def parent(emulator: Any) -> str:
    return f"projects/{emulator.project}/locations/us-central1"


@pytest.fixture
def objects(google_environment: dict[str, str], bucket: str) -> storage.Bucket:
    return storage.Client().bucket(bucket)


def files(*uris: str) -> dict[str, Any]:
    return {"inputConfig": {"gcsSource": {"uri": list(uris)}}}


def dataset(schema: str = TABULAR, metadata: dict[str, Any] | None = None, **fields: Any) -> types.Dataset:
    made = types.Dataset(display_name=f"d-{uuid.uuid4().hex[:8]}", metadata_schema_uri=schema)
    for name, value in fields.items():
        setattr(made, name, value)
    if metadata is not None:
        types.Dataset.pb(made).metadata.struct_value.update(metadata)
    return made


def create(client: Any, parent: str, made: types.Dataset) -> types.Dataset:
    return client.create_dataset(parent=parent, dataset=made).result(timeout=60)


def test_life_of_a_dataset(datasets: Any, parent: str, objects: Any) -> None:
    objects.blob("a.csv").upload_from_string(CSV)
    made = create(datasets, parent, dataset(metadata=files(f"gs://{objects.name}/a.csv"), labels={"team": "x"}))
    assert made.name.startswith(f"{parent}/datasets/")
    assert made.labels["aiplatform.googleapis.com/dataset_metadata_schema"] == "TABLE"
    found = datasets.get_dataset(name=made.name)
    assert found == made
    assert list(found.metadata["inputConfig"]["gcsSource"]["uri"]) == [f"gs://{objects.name}/a.csv"]
    changed = datasets.update_dataset(
        dataset=types.Dataset(name=made.name, display_name="new", labels={"team": "y"}, etag=made.etag),
        update_mask=field_mask_pb2.FieldMask(paths=["displayName", "labels"]),
    )
    assert (changed.display_name, changed.labels["team"]) == ("new", "y")
    assert changed.update_time > made.update_time
    with pytest.raises(exceptions.Aborted, match="etag"):
        datasets.update_dataset(dataset=made, update_mask={"paths": ["description"]})
    datasets.delete_dataset(name=made.name).result(timeout=60)
    with pytest.raises(exceptions.NotFound, match=made.name):
        datasets.get_dataset(name=made.name)


def test_lists_are_filtered_ordered_paged_and_masked(datasets: Any, parent: str) -> None:
    mark = f"m{uuid.uuid4().hex[:8]}"
    for name, schema in (("b", TABULAR), ("a", TABULAR), ("c", IMAGE)):
        create(datasets, parent, dataset(schema, labels={"mark": mark}, display_name=name))
    mine = f"labels.mark={mark}"
    newest = datasets.list_datasets(request={"parent": parent, "filter": mine, "page_size": 2})
    assert [found.display_name for found in newest] == ["c", "a", "b"]
    ordered = datasets.list_datasets(request={"parent": parent, "filter": mine, "order_by": "display_name"})
    assert [found.display_name for found in ordered] == ["a", "b", "c"]
    tables = {"parent": parent, "filter": f'{mine} AND metadataSchemaUri="{TABULAR}" AND displayName != "a"'}
    masked = list(datasets.list_datasets(request={**tables, "read_mask": {"paths": ["display_name"]}}))
    assert masked == [types.Dataset(display_name="b")]


@pytest.mark.parametrize(
    ("made", "error", "words"),
    [
        (dataset(display_name=""), exceptions.InvalidArgument, "dataset.display_name"),
        (dataset(display_name="x" * 129), exceptions.InvalidArgument, "129 characters"),
        (dataset("gs://mine/schema.yaml"), exceptions.InvalidArgument, "metadata_schema_uri.*tabular_1.0.0.yaml"),
        (dataset(labels={"Upper": "x"}), exceptions.InvalidArgument, "dataset.labels.Upper"),
        (dataset(metadata=files("a.csv")), exceptions.InvalidArgument, "'a.csv' is not gs://BUCKET/OBJECT"),
        (dataset(metadata=files("gs://nowhere-at-all/a.csv")), exceptions.NotFound, "gs://nowhere-at-all/a.csv"),
        (
            dataset(metadata={"inputConfig": {"bigquerySource": {"uri": "p.d.t"}}}),
            exceptions.InvalidArgument,
            "bigquery_source.uri.*'p.d.t'",
        ),
        (
            dataset(metadata={"input_config": {"bigquery_source": {"uri": "bq://p.none.t"}}}),
            exceptions.NotFound,
            "bq://p.none.t.*[Nn]ot found",
        ),
    ],
)
def test_refused_datasets(datasets: Any, parent: str, made: types.Dataset, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        create(datasets, parent, made)


def test_files_without_columns_are_refused(datasets: Any, parent: str, objects: Any) -> None:
    objects.blob("empty.csv").upload_from_string("")
    objects.blob("twice.csv").upload_from_string("a,b,a\n1,2,3\n")
    for name, words in (
        ("empty.csv", "empty.csv is empty"),
        ("twice.csv", "column 'a' twice"),
        ("x*.csv", "no object"),
    ):
        with pytest.raises((exceptions.InvalidArgument, exceptions.NotFound), match=words):
            create(datasets, parent, dataset(metadata=files(f"gs://{objects.name}/{name}")))


def test_only_some_fields_can_be_updated(datasets: Any, parent: str) -> None:
    made = create(datasets, parent, dataset(IMAGE))
    with pytest.raises(exceptions.InvalidArgument, match="metadata_schema_uri"):
        datasets.update_dataset(dataset=made, update_mask={"paths": ["metadata_schema_uri"]})
    with pytest.raises(exceptions.InvalidArgument, match="update_mask"):
        datasets.update_dataset(dataset=made)


def test_versions_restore_the_metadata(datasets: Any, parent: str, objects: Any) -> None:
    for name in ("a.csv", "b.csv"):
        objects.blob(name).upload_from_string(CSV)
    made = create(datasets, parent, dataset(metadata=files(f"gs://{objects.name}/a.csv")))
    first = datasets.create_dataset_version(
        parent=made.name, dataset_version=types.DatasetVersion(display_name="first")
    ).result(timeout=60)
    assert first.name == f"{made.name}/datasetVersions/1"
    other = dataset(metadata=files(f"gs://{objects.name}/b.csv"), name=made.name)
    datasets.update_dataset(dataset=other, update_mask={"paths": ["metadata"]})
    restored = datasets.restore_dataset_version(name=first.name).result(timeout=60)
    assert restored.name == f"{made.name}/datasetVersions/2"
    assert datasets.get_dataset(name=made.name).metadata == made.metadata
    renamed = datasets.update_dataset_version(
        dataset_version=types.DatasetVersion(name=first.name, display_name="one", etag=first.etag),
        update_mask={"paths": ["display_name"]},
    )
    assert datasets.get_dataset_version(name=first.name) == renamed
    assert [v.display_name for v in datasets.list_dataset_versions(parent=made.name)] == ["first", "one"]
    datasets.delete_dataset_version(name=first.name).result(timeout=60)
    with pytest.raises(exceptions.NotFound, match="datasetVersions/1"):
        datasets.get_dataset_version(name=first.name)


def test_a_table_is_exported_whole_or_split(datasets: Any, parent: str, objects: Any) -> None:
    objects.blob("in/a.csv").upload_from_string(CSV)
    objects.blob("in/b.csv").upload_from_string('20,"n, 20"\n')  # the further files may go without the header
    made = create(datasets, parent, dataset(metadata=files(f"gs://{objects.name}/in/*.csv")))
    destination = {"gcs_destination": {"output_uri_prefix": f"gs://{objects.name}/out"}}
    operation = datasets.export_data(name=made.name, export_config=types.ExportDataConfig(**destination))
    exported = operation.result(timeout=60).exported_files
    assert operation.metadata.gcs_output_directory.startswith(
        f"gs://{objects.name}/out/export-data-{made.display_name}-"
    )
    (name,) = (uri.removeprefix(f"gs://{objects.name}/") for uri in exported)
    assert objects.blob(name).download_as_text() == CSV + '20,"n, 20"\n'
    config = types.ExportDataConfig(**destination, fraction_split={"training_fraction": 0.5}, export_use=6)
    sets = datasets.export_data(name=made.name, export_config=config).result(timeout=60)
    assert sets.data_stats.training_data_items_count == 11
    assert [uri.rpartition("/")[2] for uri in sets.exported_files] == [
        "training-*.csv",
        "validation-*.csv",
        "test-*.csv",
    ]


def test_a_view_in_bigquery_is_exported(datasets: Any, parent: str, objects: Any, emulator: Any) -> None:
    client = bigquery.Client()
    client.create_dataset("exported", exists_ok=True)
    client.query("CREATE OR REPLACE VIEW exported.v AS SELECT 1 AS a, 'x' AS b").result()
    uri = f"bq://{emulator.project}.exported.v"
    made = create(datasets, parent, dataset(metadata={"inputConfig": {"bigquerySource": {"uri": uri}}}))
    config = types.ExportDataConfig(gcs_destination={"output_uri_prefix": f"gs://{objects.name}/view/"})
    (exported,) = datasets.export_data(name=made.name, export_config=config).result(timeout=60).exported_files
    assert objects.blob(exported.removeprefix(f"gs://{objects.name}/")).download_as_text() == "a,b\n1,x\n"
    assert [table.table_id for table in client.list_tables("exported")] == ["v"]


def test_tables_take_no_import(datasets: Any, parent: str) -> None:
    made = create(datasets, parent, dataset())
    with pytest.raises(exceptions.InvalidArgument, match="not supported for a dataset of the kind tabular"):
        datasets.import_data(name=made.name, import_configs=[{"import_schema_uri": IO}])
    config = types.ExportDataConfig(gcs_destination={"output_uri_prefix": "gs://nowhere-at-all/x"})
    with pytest.raises(exceptions.NotFound, match="nowhere-at-all"):
        datasets.export_data(name=made.name, export_config=config)


def test_images_are_imported_listed_and_exported(datasets: Any, parent: str, objects: Any) -> None:
    for name in ("1.png", "2.png", "same.png"):
        objects.blob(name).upload_from_string(b"one" if name == "same.png" else name.encode())
    objects.blob("1.png").upload_from_string(b"one")
    root = f"gs://{objects.name}"
    objects.blob("index.csv").upload_from_string(f"training,{root}/1.png,cat\n{root}/2.png,dog\n")
    objects.blob("index.jsonl").upload_from_string(f'{{"imageGcsUri": "{root}/same.png"}}\n')
    made = create(datasets, parent, dataset(IMAGE))
    configs = [
        {"gcs_source": {"uris": [f"{root}/index.csv"]}, "import_schema_uri": IO},
        {"gcs_source": {"uris": [f"{root}/index.jsonl"]}, "import_schema_uri": IO, "data_item_labels": {"day": "2"}},
    ]
    datasets.import_data(name=made.name, import_configs=configs).result(timeout=60)
    assert datasets.get_dataset(name=made.name).data_item_count == 2
    items = list(datasets.list_data_items(parent=made.name))
    assert dict(items[0].payload) == {"gcsUri": f"{root}/1.png", "mimeType": "image/png"}
    assert dict(items[0].labels) == {"aiplatform.googleapis.com/ml_use": "training", "day": "2"}
    found = datasets.search_data_items(request={"dataset": made.name, "data_item_filter": "labels.day=2"})
    assert [view.data_item.name for view in found] == [items[0].name]
    config = types.ExportDataConfig(gcs_destination={"output_uri_prefix": f"{root}/out"})
    (exported,) = datasets.export_data(name=made.name, export_config=config).result(timeout=60).exported_files
    assert objects.blob(exported.removeprefix(f"{root}/")).download_as_text().count("imageGcsUri") == 2
    objects.blob("bad.csv").upload_from_string(f"{root}/1.png\n{root}/none.png\n")
    bad = [{"gcs_source": {"uris": [f"{root}/bad.csv"]}, "import_schema_uri": IO}]
    with pytest.raises(exceptions.NotFound, match=r"bad.csv, line 2: .*none.png"):
        datasets.import_data(name=made.name, import_configs=bad).result(timeout=60)


def test_saved_queries(datasets: Any, parent: str) -> None:
    query = {"display_name": "q", "problem_type": "IMAGE_CLASSIFICATION_SINGLE_LABEL"}
    made = create(datasets, parent, dataset(IMAGE, saved_queries=[types.SavedQuery(query)]))
    (found,) = datasets.list_saved_queries(parent=made.name)
    assert found.name == made.saved_queries[0].name
    datasets.delete_saved_query(name=found.name).result(timeout=60)
    assert list(datasets.list_saved_queries(parent=made.name)) == []


def test_annotations_are_not_built(datasets: Any) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="ListAnnotations"):
        list(datasets.list_annotations(parent="projects/p/locations/us-central1/datasets/1/dataItems/2"))


def test_over_rest_and_v1beta1(google_environment: dict[str, str], parent: str) -> None:
    from google.cloud import aiplatform_v1beta1  # takes most of a second: not while tests are collected

    beta = aiplatform_v1beta1.DatasetServiceClient(client_options=OPTIONS, transport="rest")
    value = struct_pb2.Value()
    value.struct_value.update({"note": "kept"})
    made = aiplatform_v1beta1.Dataset(display_name="beta", metadata_schema_uri=IMAGE, metadata=value)
    created = beta.create_dataset(parent=parent, dataset=made).result(timeout=60)
    assert beta.get_dataset(name=created.name).metadata["note"] == "kept"
