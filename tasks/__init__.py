"""What flows are made of: one side effect each, retryable, safe to repeat."""
