"""Findings, plans and the runbook as text: values in, words out."""
