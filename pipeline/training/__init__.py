"""From labelled sources to a new model version: samples, folds by place, three models, their figures, the card."""

from pipeline.training.held_out import TrainingData
from pipeline.training.train import TrainingReport, train_model

__all__ = ["TrainingData", "TrainingReport", "train_model"]
