"""Ratios against named baselines, run side by side."""
