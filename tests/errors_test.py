"""Words that errors share."""

from mfrec.errors import did_you_mean, first_line


def test_did_you_mean_names_what_is_similar_or_all():
    assert did_you_mean("cosin", ("constant", "cosine")) == "; did you mean cosine?"
    assert did_you_mean("xyz", ("constant", "cosine")) == "; there are: constant, cosine"
    assert did_you_mean("xyz", ("constant", "cosine"), "; see --help") == "; see --help"


def test_the_first_line_of_an_error_without_tensorflows_own_marks():
    error = ValueError("{{node a/b}} not a number [Op:Cast]\nmore")
    assert first_line(error) == "not a number"
    assert first_line(KeyError()) == "KeyError"
