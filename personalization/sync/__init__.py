"""A connector job: its folder, its configuration, its inputs, and what it tells a destination."""
