"""The order of things: one module, one flow, one deployment."""
