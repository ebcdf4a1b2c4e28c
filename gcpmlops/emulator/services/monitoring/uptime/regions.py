"""Where checks are said to come from. All of them really come from this machine, one for each place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.cloud import monitoring_v3

Region: Any = monitoring_v3.UptimeCheckRegion
ADDRESS = "127.0.0.1"
# The locations of a region, as `checker_location` names them, and as ListUptimeCheckIps does.
LOCATIONS: dict[Any, Sequence[tuple[str, str]]] = {
    Region.USA_IOWA: (("usa-iowa", "Iowa"),),
    Region.USA_OREGON: (("usa-oregon", "Oregon"),),
    Region.USA_VIRGINIA: (("usa-virginia", "Virginia"),),
    Region.EUROPE: (("eur-belgium", "Belgium"),),
    Region.ASIA_PACIFIC: (("apac-singapore", "Singapore"),),
    Region.SOUTH_AMERICA: (("sa-brazil-sao_paulo", "Sao Paulo"),),
}
_USA = (Region.USA_IOWA, Region.USA_OREGON, Region.USA_VIRGINIA)


def locations(selected: Sequence[Any]) -> list[str]:
    """The checkers of some regions; of all where none is selected."""
    chosen = [part for region in selected or LOCATIONS for part in (_USA if region == Region.USA else (region,))]
    return list(dict.fromkeys(name for region in chosen for name, _ in LOCATIONS[region]))
