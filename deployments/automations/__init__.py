"""Automations that belong to the system: made by name, and safe to make again."""
