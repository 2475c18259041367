"""Evaluation: how well the method does, as figures with 95 % intervals and the number of cases that each rests on."""
