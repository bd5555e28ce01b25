"""What every command line has in common: options and errors."""

import argparse

import pytest
from course_files import exit_on_user_error, whole


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="program")
    parser.add_argument("--seed", type=whole(0, 2**32 - 1))
    parser.add_argument("--workers", type=whole(1))
    return parser


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--seed", "-1", "from 0 to 4294967295 is wanted, got '-1'"),
        ("--seed", "1.5", "a whole number from 0"),
        ("--workers", "0", "at least 1 is wanted, got '0'"),
    ],
)
def test_options_are_taken_or_refused(parser, option, value, words, capsys):
    options = parser.parse_args(["--seed", "4294967295", "--workers", "1"])
    assert (options.seed, options.workers) == (2**32 - 1, 1)
    with pytest.raises(SystemExit):
        parser.parse_args([option, value])
    assert f"{option}: " in (said := capsys.readouterr().err) and words in said


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("no such model"), 1, "no such model"),
        (ConnectionError("no answer"), 1, "no answer"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_an_error_of_the_user_has_no_traceback(parser, error, code, words, capsys):
    with pytest.raises(SystemExit) as end, exit_on_user_error(parser):
        raise error
    assert end.value.code == code and capsys.readouterr().err == f"program: {words}\n"
