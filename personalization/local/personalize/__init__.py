"""Amazon Personalize on this machine: the control plane, over an engine that really learns."""
