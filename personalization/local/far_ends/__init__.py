"""Destinations on this machine, by HTTP: they keep the documented limits and show what they hold.

One server, each by its own path: `/braze`, `/webhook`, `/klaviyo`, `/customerio`.
"""
