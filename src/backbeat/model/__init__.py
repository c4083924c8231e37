"""The nouns every other room shares. Imports nothing of ours."""
