"""Look at everything a run relies on, change nothing, and say what to do: `personalize doctor`."""
