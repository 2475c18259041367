"""The only place that knows Prefect: the flows `nightly`, `backfill` and `train`, and how they are run and scheduled.

Without a Prefect server configured everything runs on this machine, against a server of our own that ends with us, and
nothing is sent anywhere.
"""

from pipeline.flows.accounts import provide_accounts
from pipeline.flows.entry import AreaOutcome, run_backfill, run_nightly, run_training, serve_nightly

__all__ = ["AreaOutcome", "provide_accounts", "run_backfill", "run_nightly", "run_training", "serve_nightly"]
