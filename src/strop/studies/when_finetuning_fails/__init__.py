"""When Fine-Tuning Fails: Lessons from MS MARCO Passage Ranking (arXiv 2506.18535)."""
