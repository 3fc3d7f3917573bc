"""The classes of hostile input, each with its samples."""

from __future__ import annotations

from hostile import answer_samples, archive_samples, json_classes, provenance_samples, text_samples, workflow_samples
from hostile.sample import Kind

CLASSES: dict[str, Kind] = {
    **json_classes.CLASSES,
    **archive_samples.CLASSES,
    **answer_samples.CLASSES,
    **text_samples.CLASSES,
    **provenance_samples.CLASSES,
    **workflow_samples.CLASSES,
}
