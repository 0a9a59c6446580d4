"""The library: everything that needs neither Prefect nor a server."""
