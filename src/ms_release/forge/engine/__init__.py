"""Workflow runs: what starts them, who may let them go on, and `act`, which really runs their jobs."""
