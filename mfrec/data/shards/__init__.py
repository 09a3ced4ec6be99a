"""Data sets larger than memory: a folder of shards, which convert.py makes and train.py streams.

    manifest.json       what the folder holds: counts, statistics, split, the size of every shard
    items.tsv           raw id and label of every item; those without a training row come last
    counts.npz          training rows of every user and item, and the sums of the items' ratings
    users-0007.tsv      raw ids of shard 7's users; those without a training row come last
    train-0007.npz      the training rows of these users, user by user; likewise
    validation-…, test-…   the held-out rows

A user lives in one shard, chosen by `dealing.part_of`. Users are numbered within their shard; the
users of all shards in a row are the rows of the model's table. Each file carries the conversion's
number and a digest, so that none can be missing, damaged or of another conversion unnoticed.

    manifest     the folder's description, and its files checked
    spilling     rows on disk by shard, while a file is converted
    converting   a file becomes a folder
    parts        a part of a folder as training and evaluation see it
"""
