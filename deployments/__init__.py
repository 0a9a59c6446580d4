"""What puts flows somewhere: the `personalize` command, the demo, the services."""
