"""The two worlds that come with the software: a real forest in Romania and a simulated gold belt.

Both are written as static STAC catalogues that the walk reads like anybody else's.
"""
