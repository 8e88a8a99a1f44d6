"""A step's folder is named by what its config says besides the defaults; so those stay as they are.

A default that changes (of a config, a protocol of a study, a budget of probes) makes all results of
studies those of another recipe: raise ``RECIPE`` in configs/studies/scales.py, run the studies
again, and write the defaults of now by ``python -m tests.study.test_recipe``.
"""

import dataclasses
import json
import pathlib

from configs import base, generator_base, study_table_4
from configs.studies import generator, scales, vae
from pv_vae_jax.analysis import probe_training
from pv_vae_jax.evaluation import protocol

KNOWN = pathlib.Path(__file__).with_name("recipe.json")
PROTOCOLS = ("smooth-", "film-", "live-", "ucf101-gen", "k400-recon-256", "k400-ltd")


def defaults():
    """Path to value, as JSON has it, of all that a step's name does not tell."""
    networks = vae.get_config("smooth,small,cnn").model.name, "pv_vae_661m"
    latte = generator.get_config(",small").generator.name, "latte_xl"
    found = {f"vae/{name}": base.base(name).to_dict() for name in networks}
    found |= {f"generator/{name}": generator_base.base(name).to_dict() for name in latte}
    found |= {
        f"protocol/{name}": dataclasses.asdict(each)
        for name, each in protocol.PROTOCOLS.items()
        if name.startswith(PROTOCOLS)
    }
    budgets = {name: dataclasses.asdict(each) for name, each in probe_training.BUDGETS.items()}
    told = {
        f"{root}.{path}": value
        for root, tree in (found | {"budget": budgets}).items()
        for path, value in scales._leaves(tree)
        if not path.startswith(("runtime.", "profile", "sampling."))
    }
    return json.loads(json.dumps(told | {"recipe": scales.RECIPE}))


def test_defaults_are_those_of_the_recipe():
    known, now = json.loads(KNOWN.read_text()), defaults()
    changed = {
        path: (value, now.get(path)) for path, value in known.items() if now.get(path) != value
    }
    assert not changed, __doc__  # a new key that changes nothing is no other recipe


def test_another_recipe_is_other_steps(monkeypatch):
    def folders():
        return [each.folder for each in study_table_4.get_study("tiny,smooth").cells[0].ordered()]

    one = folders()
    monkeypatch.setattr(scales, "RECIPE", scales.RECIPE + 1)
    assert not set(one) & set(folders())


if __name__ == "__main__":
    KNOWN.write_text(json.dumps(defaults(), indent=1, sort_keys=True) + "\n")
