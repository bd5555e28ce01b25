"""What every command line has in common: options, sentences, letters that a console lacks."""

import argparse

import pytest

from dreamlab.support.console import exit_on_user_error, file_named, whole


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="program")
    parser.add_argument("--file", type=file_named(".png", ".jpg"))
    parser.add_argument("--seed", type=whole(0, 2**32 - 1))
    parser.add_argument("--workers", type=whole(1))
    return parser


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--file", "sheet"], "--file: the name of the file must end in .png or .jpg, got 'sheet'"),
        (["--file", "a.gif"], "must end in .png or .jpg, got 'a.gif'"),
        (["--file", ""], "must end in .png or .jpg"),
        (["--seed", "-1"], "--seed: a whole number from 0 to 4294967295 is wanted, got '-1'"),
        (["--seed", "4294967296"], "a whole number from 0 to 4294967295 is wanted"),
        (["--seed", "1.5"], "a whole number from 0"),
        (["--workers", "0"], "--workers: a whole number of at least 1 is wanted, got '0'"),
        (["--workers", "two"], "got 'two'"),
    ],
)
def test_an_option_is_refused_in_a_sentence(parser, options, words, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(options)
    assert end.value.code == 2 and words in capsys.readouterr().err


def test_options_that_are_taken(parser):
    options = parser.parse_args(["--file", "a/B.PNG", "--seed", "4294967295", "--workers", "1"])
    assert options.file.name == "B.PNG" and (options.seed, options.workers) == (2**32 - 1, 1)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("no such model"), 1, "program: no such model"),
        (FileNotFoundError("there is no folder x"), 1, "program: there is no folder x"),
        (ConnectionError("no answer"), 1, "program: no answer"),
        (ImportError("needs transformers"), 1, "program: needs transformers"),
        (KeyboardInterrupt(), 130, "program: stopped"),
    ],
)
def test_what_is_meant_for_people_has_no_traceback(parser, error, code, words, capsys):
    with pytest.raises(SystemExit) as end, exit_on_user_error(parser):
        raise error
    assert end.value.code == code and capsys.readouterr().err == f"{words}\n"


def test_a_mistake_of_the_program_keeps_its_traceback(parser):
    with pytest.raises(KeyError), exit_on_user_error(parser):
        raise KeyError("x")
