"""Presets: recipes of settings for published benchmarks, which any flag overrides.

Each was chosen on validation parts cut from the training part, never on the test part (the
searches are told in BUILD_NOTES.md), with the number of epochs fixed in advance or chosen by a
refit. The seconds are of training alone, on two cores of an AMD EPYC (2.4 GHz) without a GPU.
"""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Explicit ratings. Logistic loss was 0.0018 RMSE better than squared error on the validation
    # parts. The optimum is flat: λ ± 10 %, ν 0.3 to 0.6, d ≥ 64 are alike.
    #   python train.py --preset=movielens-100k --cross_validate   RMSE 0.8991 ± 0.0030
    #   python train.py --preset=movielens-100k --split=u1         RMSE 0.9111
    "movielens-100k": {
        "dataset": "movielens-100k",
        "loss": "logistic",
        "embedding_dim": 64,
        "init_stddev": 0.073,
        "regularization": 0.0119,
        "bias_regularization": 0.0023,
        "frequency_exponent": 0.5,
        "optimizer": "adam",
        "optimizer_args": "beta_2=0.99,epsilon=3.9e-5",
        "learning_rate": 0.0053,
        "learning_rate_schedule": "cosine",
        "batch_size": 256,
        "epochs": 15,
        "early_stopping_patience": 0,
    },
    # The same for ten times the ratings: larger batches, less regularization.
    #   python train.py --preset=movielens-1m --cross_validate     RMSE 0.8404 ± 0.0013
    #   python train.py --preset=movielens-1m --fold=0             RMSE 0.8396, 4.3 s
    "movielens-1m": {
        "dataset": "movielens-1m",
        "loss": "logistic",
        "embedding_dim": 64,
        "init_stddev": 0.104,
        "regularization": 0.0063,
        "bias_regularization": 0.0023,
        "frequency_exponent": 0.6,
        "optimizer": "adam",
        "optimizer_args": "beta_2=0.99,epsilon=5.2e-6",
        "learning_rate": 0.0085,
        "learning_rate_schedule": "cosine",
        "batch_size": 8192,
        "epochs": 20,
        "early_stopping_patience": 0,
    },
    # Implicit feedback on few users and items: iALS's loss over the whole catalogue.
    #   python train.py --preset=movielens-100k-ranking            NDCG@10 0.4698, 0.6 s
    "movielens-100k-ranking": {
        "dataset": "movielens-100k",
        "split": "per_user",
        "test_fraction": 0.25,
        "validation_fraction": 0.0,
        "loss": "implicit_squared",
        "loss_args": "unobserved_weight=0.2",
        "embedding_dim": 32,
        "regularization": 0.02,
        "learning_rate": 0.01,
        "learning_rate_schedule": "constant",
        "batch_size": 2048,
        "positives_per_row": 16,
        "epochs": 40,
        "early_stopping_patience": 0,
    },
    # The protocol of neural collaborative filtering: each user's last item among 99 fixed
    # negatives. Inner products instead of cosines; λ = 0.02 was the best of 0.01 to 0.03.
    #   python train.py --preset=ncf-movielens-1m        HR@10 0.7316, NDCG@10 0.4581, 58 s
    "ncf-movielens-1m": {
        "dataset": "ncf-movielens-1m",
        "validation_fraction": 0.0,
        "loss": "softmax",
        "loss_args": "temperature=1",
        "normalize": False,
        "embedding_dim": 192,
        "regularization": 0.02,
        "learning_rate": 0.01,
        "batch_size": 32768,
        "positives_per_row": 32,
        "epochs": 30,
        "early_stopping_patience": 0,
    },
    # A large sparse catalogue: bilateral softmax, recall@20 .2031 on the validation part where
    # plain softmax had .1991 (40 epochs). A tenth of the training part chooses the number of
    # epochs, then a refit trains on all of it.
    #   python train.py --preset=gowalla                 Recall@20 0.1841, NDCG@20 0.1538, 23 min
    "gowalla": {
        "dataset": "gowalla",
        "validation_fraction": 0.1,
        "loss": "bsl",
        "loss_args": "temperature=0.1,positive_temperature=0.12",
        "num_negatives": 2048,
        "embedding_dim": 64,
        "learning_rate": 0.01,
        "batch_size": 16384,
        "epochs": 300,
        "eval_every": 25,
        "test_every": 25,
        "refit": True,
        "early_stopping_patience": 0,
        "cutoffs": "20",
    },
}
