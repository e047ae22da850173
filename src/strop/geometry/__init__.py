"""Numbers about vectors: how pairs lie, how the space is used, and what a flat picture of it keeps."""
