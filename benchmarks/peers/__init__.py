"""Monitors of others beside ours, on the pixels of one real forest: what they see, what is true, how they are counted."""
