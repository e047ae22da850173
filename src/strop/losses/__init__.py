"""Losses: scores, targets and mask -> a scalar. A loss never sees a model."""
