"""From S3's queue to Prefect: every message becomes events, and goes when Prefect has them."""
