"""Getting ratings in: arrays, files, named data sets, splits and tf.data pipelines."""
