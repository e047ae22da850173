"""Studies: data, one folder for each paper."""
