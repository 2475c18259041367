"""From labelled sources to a new model version: samples, folds by place, two models, their figures, the card."""

from pipeline.training.train import TrainingReport, train_model

__all__ = ["TrainingReport", "train_model"]
