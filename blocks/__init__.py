"""Settings and secrets, saved in Prefect or read from the environment."""
