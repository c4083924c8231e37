"""Bucket bounds of the histograms, in seconds.

A quantile or a share tells something about a threshold only if the threshold is a bound. So every alert
threshold and the points of the score's scale around it (0.5, 1, 2 and 4 s for responses) stand here.
"""

from __future__ import annotations

HTTP_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0)
DB_QUERY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
UPLOAD_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0)
