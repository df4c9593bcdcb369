import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise.language import _token_file as token_file
from skdevise.language._token_file import TokenFile

texts = st.lists(st.lists(st.sampled_from(["a", "b", "c d"]), max_size=4), max_size=12)


@settings(deadline=None)
@given(texts)
def test_what_is_written_is_read_again(documents):
    with TokenFile(documents) as file:
        assert list(file.documents()) == documents
        everything = [token for tokens in documents for token in tokens]
        assert file.tokens == list(dict.fromkeys(everything))
        assert file.counts.tolist() == [everything.count(token) for token in file.tokens]
        assert file.size == len(everything) + len(documents)


def test_memory_is_cleared_while_it_is_written(monkeypatch):
    documents = [["a", "b"], ["c"], ["a"], ["d", "a"]]
    monkeypatch.setattr(token_file, "_BUFFER", 1)
    with TokenFile(documents) as file:
        assert list(file.documents()) == documents
        assert file.counts.tolist() == [3, 1, 1, 1]


@settings(deadline=None)
@given(texts, st.integers(1, 5))
def test_batches_are_small_and_can_be_taken_up_anywhere(documents, size):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(token_file, "BATCH_TOKENS", size)
        with TokenFile(documents) as file:
            batches = list(file.batches())
            starts = [0, *(start for _, start in batches)]
            assert starts[-1] == file.size
            for i, start in enumerate(starts):
                assert list(file.batches(start)) == batches[i:]
            assert all(sum(map(len, documents)) <= size for documents, _ in batches)
    # Only documents longer than a batch are cut.
    whole = [tokens for documents, _ in batches for tokens in documents if tokens]
    expected = [tokens for tokens in documents if tokens]
    if all(len(tokens) < size for tokens in expected):
        assert whole == expected
    assert sum(whole, []) == sum(expected, [])


def test_tokens_that_are_not_kept_are_left_out():
    with TokenFile([["a", "b", "a"], ["b"], ["c", "a"]]) as file:
        kept = np.array([True, False, True])
        assert [documents for documents, _ in file.batches(kept=kept)] == [
            [["a", "a"], [], ["c", "a"]]
        ]


def test_the_digest_tells_texts_apart():
    def digest(documents):
        with TokenFile(documents) as file:
            return file.digest

    assert digest([["a", "b"]]) == digest([["a", "b"]])
    texts = ([["a", "b"]], [["a", "c"]], [["a"], ["b"]], [["ab"]], [["b", "a"]], [])
    assert len({digest(documents) for documents in texts}) == len(texts)


def test_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken():
        yield ["a"]
        raise RuntimeError("the text ends here")

    with pytest.raises(RuntimeError, match="ends here"):
        TokenFile(broken())
    with TokenFile([["a"]]):
        pass
    assert not any(tmp_path.iterdir())
