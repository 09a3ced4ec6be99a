"""Trains on two virtual devices and on one, and prints the largest difference of any table.

Run by distribution_test.py in a process of its own: devices are divided before TensorFlow starts.
"""

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.one_process import ONE_PROCESS
from mfrec.quiet_tensorflow import tf
from mfrec.training.mirrored import Mirrored
from mfrec.training.trainer import Trainer


def tables(workers, optimizer, loss, batch_size):
    """Train, and return the variables."""
    random = np.random.default_rng(0)
    columns = (random.integers(0, n, 500).tolist() for n in (60, 40))
    train = Interactions.from_arrays(*columns, random.integers(1, 6, 500).tolist())
    settings = {"embedding_dim": 4, "batch_size": batch_size, "epochs": 2, "steps_per_loop": 5}
    rates = {"learning_rate": 0.05, "regularization": 0.1, "clip_norm": 0.05}
    trainer = Trainer(
        optimizer=optimizer, loss=loss, workers=workers, **settings, **rates, positives_per_row=1
    )
    trainer.fit(train)
    return [variable.numpy() for variable in trainer.model.variables]


def main():
    """Compare."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()]
    tf.config.set_logical_device_configuration(cpu, two)
    # of 33 examples one device has 17, the other one 16 and padding
    for case in (
        ("sparse_adam", "mse", 32),
        ("adam", "mse", 33),
        ("sparse_adagrad", "softmax", 33),
    ):
        both = tables(Mirrored(["CPU:0", "CPU:1"]), *case), tables(ONE_PROCESS, *case)
        pairs = zip(*both, strict=True)
        print(*case, max(np.abs(two - one).max() for two, one in pairs))


if __name__ == "__main__":
    main()
