"""What every emulated service shares: contract, routing, names, paging, operations, errors, identity, clock."""
