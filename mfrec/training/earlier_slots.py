"""Slots of an optimizer that a training takes over from an earlier one.

The slots of an optimizer by rows are those of its dense twin once they are caught up, so that one
goes on where the other ended.
"""

from collections import defaultdict

from mfrec.config.settings import OptimizerConfig
from mfrec.models.base import with_first_rows
from mfrec.optimizers import RowOptimizer
from mfrec.quiet_tensorflow import tf
from mfrec.training import optimizers

# Keras's momentum holds the learning rate, that of `sparse_sgd` does not.
_TWINS = {"sparse_adam": "adam", "sparse_adagrad": "adagrad"}
_LAST_SEEN = "last_seen"


def same_slots(earlier: OptimizerConfig, config: OptimizerConfig) -> bool:
    """Return whether one optimizer goes on with the slots of another.

    Args:
        earlier: settings of the optimizer that has the slots.
        config: settings of the one that is to go on.
    """
    kinds = {_TWINS.get(each.optimizer, each.optimizer) for each in (earlier, config)}
    if len(kinds) > 1:
        return False
    first, second = (_slots(_built(each)).keys() - {_LAST_SEEN} for each in (earlier, config))
    return first == second


def take_over(
    optimizer: tf.keras.optimizers.Optimizer, earlier: tf.keras.optimizers.Optimizer
) -> None:
    """Give an optimizer the number of steps of an earlier one, and its slots of rows.

    Args:
        optimizer: built for tables whose first rows are those of the earlier one.
        earlier: one with the same slots, see `same_slots`, which is brought up to date; learning
            rates are not taken.
    """
    if isinstance(earlier, RowOptimizer):
        earlier.catch_up()
    before = _slots(earlier)
    for name, variables in _slots(optimizer).items():
        for place, variable in enumerate(variables):
            if name == _LAST_SEEN:
                # the slots of all rows are up to date
                variable.assign(
                    tf.fill(variable.shape, tf.cast(earlier.iterations, variable.dtype))
                )
            else:
                variable.assign(with_first_rows(variable, before[name][place]))


def _built(config: OptimizerConfig) -> tf.keras.optimizers.Optimizer:
    optimizer = optimizers.build(config, steps_per_epoch=1, epochs=1)
    optimizer.build([tf.keras.Variable([[0.0]])])
    return optimizer


def _slots(optimizer: tf.keras.optimizers.Optimizer) -> dict[str, list[tf.keras.Variable]]:
    """Return an optimizer's variables but for its learning rate, by name, in order of the tables.

    Keras names a slot after the path of its variable: "user_bias_momentum".
    """
    by_name = defaultdict(list)
    paths = [variable.path.replace("/", "_") for variable in optimizer._trainable_variables]
    for variable in optimizer.variables:
        owners = [path for path in paths if variable.name.startswith(f"{path}_")]
        name = variable.name.removeprefix(f"{max(owners, key=len)}_") if owners else variable.name
        if name != "learning_rate":
            by_name[name].append(variable)
    return dict(by_name)
