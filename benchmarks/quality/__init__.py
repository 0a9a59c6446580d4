"""Does the engine learn what it should, and nothing where there is nothing to learn?"""
