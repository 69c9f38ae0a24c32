"""What a model file is called, and the types that may lie in one."""

from __future__ import annotations

MODEL_FILE = "model.skops"
# Ours, fixed: the list inside an artifact is written by whoever wrote the artifact.
TRUSTED_TYPES = [
    "tasks.models.training.blended_classifier.BlendedClassifier",
    "tasks.models.training.blending.BlendedLevelModel",
    "tasks.models.training.calibration.Calibration",
    "tasks.models.training.conversion_model.ConversionModel",
    "tasks.models.training.level_model.FeatureColumns",
    "tasks.models.training.level_model.LevelModel",
    "tasks.models.training.text_columns.BlockWeights",
    "tasks.models.training.text_columns.TextWeights",
    "tasks.models.training.text_model.TextModel",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # of earlier releases:
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.frozen._frozen.FrozenEstimator",
]
