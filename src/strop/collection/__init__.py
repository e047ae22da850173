"""Every way in for documents, queries and judgments: folders, ir_datasets, docstrings, and mixtures of these."""
