"""The example repositories hold files that are called like tests of ours, and are not."""

collect_ignore = ["examples"]
