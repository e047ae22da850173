"""Back to Basics: A Simple Recipe for Improving Out-of-Domain Retrieval in Dense Encoders (arXiv 2311.09765)."""
