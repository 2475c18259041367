"""Community reports."""
