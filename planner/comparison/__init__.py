"""Comparison of two images: forests, plans, and the document that says what changed."""
