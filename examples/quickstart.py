"""Three users rate three items; what would user1 think of item3?

python examples/quickstart.py
"""

import mfrec

ratings = mfrec.Interactions.from_matrix(
    [
        [5, 4, 3],
        [2, 3, 5],
        [4, 5, 2],
    ],
    users=["user1", "user2", "user3"],
    items=["item1", "item2", "item3"],
)

trainer = mfrec.train(ratings, loss="mse", embedding_dim=2, regularization=0.01, epochs=1000)

user, item = ratings.users.lookup(["user1"]), ratings.items.lookup(["item3"])
expected = trainer.model.predict_ratings(user, item).numpy()[0]
print(f"We recommend item3 to user1, who will probably rate it {expected:.1f} out of 5.")
