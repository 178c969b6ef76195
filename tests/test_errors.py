import pytest

from goldi_tasks import errors
from goldi_tasks.errors import CommandFailed, GoldiError, Interrupted, did_you_mean

KINDS = [kind for kind in GoldiError.__subclasses__() if kind is not CommandFailed]


def test_exit_codes_are_pinned_since_scripts_test_for_them() -> None:
    assert {kind.__name__: kind.code for kind in KINDS} == {
        "SettingsError": 3,
        "NotAProject": 4,
        "UnknownName": 5,
        "NoDocker": 10,
        "NoEngine": 11,
        "NoPermission": 12,
        "CacheRefused": 13,
        "EngineFailed": 14,
        "NoSpace": 15,
        "PathNotShared": 16,
        "CheckLost": 17,
        "StackRefused": 18,
        "StackFailed": 19,
        "NoDevcontainer": 20,
        "Unhealthy": 21,
        "RegistryFailed": 22,
    }


def test_no_two_kinds_share_an_exit_code_and_none_takes_a_shells_or_invokes() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 2, 126, 127} & set(codes)


@pytest.mark.parametrize("kind", [*KINDS, CommandFailed], ids=lambda kind: kind.__name__)
def test_every_kind_says_what_it_is(kind: type[GoldiError]) -> None:
    assert kind.__doc__
    assert kind.__module__ == errors.__name__


def test_a_message_is_the_problem_and_the_remedy() -> None:
    assert str(GoldiError("it is broken", "Mend it")) == "it is broken. Mend it."
    assert str(GoldiError("it is broken")) == "it is broken."
    assert str(GoldiError("docker said it is broken.")) == "docker said it is broken."
    assert str(GoldiError("is it broken?", "Mend it")) == "is it broken? Mend it."
    assert str(GoldiError("no target 'prdo'", "Did you mean 'prod'?")) == "no target 'prdo'. Did you mean 'prod'?"


def test_a_failed_command_has_the_programs_own_code() -> None:
    assert CommandFailed("docker buildx ended with exit code 7", 7).code == 7
    assert Interrupted().code == 130
    assert str(Interrupted()) == "interrupted."


def test_did_you_mean_names_the_nearest_or_all() -> None:
    assert did_you_mean("prodution", ("production", "tools")) == "did you mean 'production'?"
    assert did_you_mean("xyz", ("tools", "production")) == "known: production, tools"
