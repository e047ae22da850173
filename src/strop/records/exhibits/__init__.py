"""Exhibits: what a study shows beside its rows, one frozen dataclass each."""
