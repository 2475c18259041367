"""From labelled sources to a new model version: samples, folds by place, two models, their figures, the card."""

from pipeline.training.train import TrainingData, TrainingReport, train_model

__all__ = ["TrainingData", "TrainingReport", "train_model"]
