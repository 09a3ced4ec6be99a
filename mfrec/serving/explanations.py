"""Explanations: the items of a user's history that speak for an item.

The personal part of a score, <p_u, q_i>, is split into a sum over the history H,

    c_j = q_iᵀ (Σ_{h∈H} q_h q_hᵀ + ρI)⁻¹ q_j · <p_u, q_j>,

the weight of item j in item i times the user's score of j. This is the decomposition of Hu, Koren,
Volinsky 2008, "Collaborative filtering for implicit feedback datasets", section 5, applied to a
ridge regression through the model's own scores rather than through ratings, so that it holds for
every loss. As ρ falls to 0, Σ_j c_j becomes <p_u, q_i> exactly wherever the history spans q_i; ρ is
one average ‖q_h‖², which keeps items that are nearly alike from taking each other's credit with
opposite signs.
"""

import numpy as np

# ρ in average items of the history.
RIDGE = 1.0


def contributions(p_u: np.ndarray, q_i: np.ndarray, q_h: np.ndarray) -> np.ndarray:
    """Return c_j of every item of the history, float64 [n].

    Args:
        p_u: the user's embedding, [d].
        q_i: the explained item's, [d].
        q_h: those of the history's items, [n, d].
    """
    p_u, q_i, q_h = (embeddings.astype(np.float64) for embeddings in (p_u, q_i, q_h))
    ridge = RIDGE * np.square(q_h).sum() / max(len(q_h), 1)
    system = q_h.T @ q_h + max(ridge, np.finfo(np.float32).tiny) * np.eye(len(p_u))
    return (q_h @ np.linalg.solve(system, q_i)) * (q_h @ p_u)
