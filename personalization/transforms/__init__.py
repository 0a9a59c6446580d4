"""What Personalize wrote, turned into what a destination takes: local files in, local files out."""
