"""The fixtures app in a process of its own, for a test to kill: ``python standalone.py ROOT`` prints its URL."""

import importlib.util
import sys
import threading
from pathlib import Path

from gcpmlops.emulator.services.bigquery import app as app_module
from gcpmlops.emulator.services.bigquery import process as process_module


def main(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("bigquery_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    fixtures = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = fixtures
    spec.loader.exec_module(fixtures)
    fixtures.reap_leftovers(root / "processes")
    process_module._GRACE_S = 0.1  # as good as killed with it, and no transaction has time to end
    store = fixtures.Store(root / "state.db", now=fixtures.SystemClock().now)
    engine = fixtures.BigQueryEngine(root / "bigquery", root / "bq.sock", fixtures.Processes(root / "processes"))
    objects = fixtures.Folder(root / "objects")
    app = fixtures.BigQueryApp(engine, store, objects, root / "transfer", fixtures.SystemClock(), fixtures.PROJECT)
    app_module._INSERT_WAIT_S = 0.1  # jobs that the test wants to see running
    url, _, _ = fixtures.serve(app)
    print(url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
