"""Samples in from files, and out to files: OpenMetrics and Parquet."""
