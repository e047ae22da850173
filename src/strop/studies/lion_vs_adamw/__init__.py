"""Optimisation of cross-encoder rerankers with Lion and AdamW: Kumar et al. (arXiv 2506.18297)."""
