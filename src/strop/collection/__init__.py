"""Where documents, queries and judgments come from: folders in BEIR's layout and the embedded docstrings."""
