"""Training: the loop, the objective, samplers, optimizers, fold-in."""
