"""The fixtures app in a process of its own, for a test to kill: ``python standalone.py ROOT`` prints its URL."""

import importlib.util
import sys
import threading
from pathlib import Path


def main(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("bigquery_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    fixtures = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = fixtures
    spec.loader.exec_module(fixtures)
    fixtures.reap_leftovers(root / "processes")
    store = fixtures.Store(root / "state.db", now=fixtures.SystemClock().now)
    engine = fixtures.BigQueryEngine(root / "bigquery", root / "bq.sock", fixtures.Processes(root / "processes"))
    objects = fixtures.Folder(root / "objects")
    app = fixtures.BigQueryApp(engine, store, objects, root / "transfer", fixtures.SystemClock(), fixtures.PROJECT)
    url, _, _ = fixtures.serve(app)
    print(url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
