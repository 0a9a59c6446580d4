"""Everything on one machine: Prefect server, work pool, worker, relay, local AWS, destinations."""
