import pytest

from launch import config_file
from launch.compile import settings
from tests.launch import runs

WRONG = {
    "configs/nothing.py": "--config=configs/nothing.py: there is no such file.",
    "README.md": "--config=README.md is no config: it has no get_config.",
    "configs/recipe.py": "--config=configs/recipe.py is no config: it has no get_config.",
    "configs/clips_vae.py:abc": "--config=configs/clips_vae.py:abc: this config takes no argument.",
    "configs/quickstart.py:foo": "--config=configs/quickstart.py:foo: quickstart.py takes :mixed "
    "or :rendered, got :foo.",
    "configs/pv_vae_661m.py:huge": "--config=configs/pv_vae_661m.py:huge: the recipe has the sizes "
    "661m, small, tiny; got 'huge'.",
    "configs/latte_ucf101.py:M,y": "--config=configs/latte_ucf101.py:M,y: the argument is "
    "TOKENIZER or TOKENIZER,PATCH, with PATCH a number of latents such as 1 or 2; got the patch "
    "'y'.",
    "configs/latte_re10k.py:M,0": "--config=configs/latte_re10k.py:M,0: the argument is TOKENIZER "
    "or TOKENIZER,PATCH, with PATCH a number of latents such as 1 or 2; got the patch '0'.",
    "tests/configs/smallest_generator.py": "--config=tests/configs/smallest_generator.py: this "
    "config wants an argument after a colon.",
}


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("read", [config_file.read, settings.read])
def test_a_config_that_does_not_fit_is_told_in_a_sentence(read, text):
    with pytest.raises(ValueError) as error:
        read(text)
    assert str(error.value) == WRONG[text]


def test_an_argument_reaches_the_config():
    assert config_file.read("configs/latte_re10k.py:M,2").generator.fields.patch == 2
    assert config_file.read("configs/latte_re10k.py:M").generator.fields.patch == 1
    assert not config_file.read("configs/quickstart.py:rendered").data.videos


@pytest.mark.parametrize("text", ["configs/nothing.py", "configs/clips_vae.py:abc"])
def test_the_door_of_training_tells_it_alike(tmp_path, text):
    done = runs.train(tmp_path / "run", "--config.seed=1", config=text)
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert done.stderr.splitlines() == [f"error: {WRONG[text]}"]
