"""Goodput by hand."""

import json
import time

import pytest

from pv_vae_jax.training.goodput import Goodput


def record(stage, step, seconds):
    return {"stage": stage, "step": step, "seconds/step": seconds}


def test_the_share_is_that_of_the_updates_which_stand_in_the_log(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1100.0)
    kept = [record("image", 10, 2.0), {"stage": "image", "step": 10, "held_out/psnr": 20.0}]
    goodput = Goodput(1000.0, kept)  # the start was 100 s ago
    assert goodput.add(record("image", 15, 1.0)) == pytest.approx((10 * 2 + 5 * 1) / 100)
    assert goodput.add(record("predictive", 5, 3.0)) == pytest.approx((25 + 15) / 100)


def test_a_record_of_an_evaluation_has_none():
    assert Goodput(0.0).add({"stage": "image", "step": 3, "held_out/psnr": 20.0}) is None


def test_the_first_start_is_that_of_the_run_not_of_the_process(monkeypatch, tmp_path):
    starts = ["2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00"]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps({"date": d}) + "\n" for d in starts))
    monkeypatch.setattr(time, "time", lambda: 1767225600.0 + 200)  # 2026-01-01 and 200 s
    goodput = Goodput.of(tmp_path, [])
    assert goodput.add(record("image", 10, 5.0)) == pytest.approx(50 / 200)
