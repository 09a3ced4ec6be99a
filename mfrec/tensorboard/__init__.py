"""TensorBoard: event files, calibration pictures, the projector's files."""
