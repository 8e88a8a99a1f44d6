from pv_vae_jax.evaluation import tables


def result(label, name="pv_vae_tiny", protocol="small", speed=None, **figures):
    return {
        "model": {
            "name": name,
            "label": label,
            "spec": "t4s16c64",
            "parameters": 660_162_947,
            "trained": label != "fresh",
        },
        "protocol": {
            "name": protocol,
            "task": "reconstruction",
            "datasets": ["shipped"],
            "videos": 32,
            "frames": 17,
            "height": 64,
            "width": 64,
            "list_sha256": "a" * 64,
        },
        "figures": {
            key: {"value": v, "low": v - 1, "high": v + 1, "level": 0.95, "method": ""}
            for key, v in figures.items()
        },
        "level": 0.95,
        "warnings": ["Only 32 samples."],
        "speed": speed,
    }


def rows_of(markdown):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]


def test_the_best_is_bold_and_the_second_underlined_by_the_columns_own_direction():
    results = [
        result("a", psnr=30.0, lpips=0.3),
        result("b", psnr=32.0, lpips=0.2),
        result("c", psnr=31.0, lpips=0.1),
        result("d", psnr=32.0, lpips=0.4),
    ]
    heads, _, *lines = rows_of(tables.table(results))
    assert heads == ["model", "latent", "params, M", "PSNR", "LPIPS"]
    assert [line[3].split()[0] for line in lines] == [
        "30.00",
        "**32.00**",
        "<u>31.00</u>",
        "**32.00**",
    ]
    assert [line[4].split()[0] for line in lines] == [
        "0.3000",
        "<u>0.2000</u>",
        "**0.1000**",
        "0.4000",
    ]
    assert lines[0][3].endswith("[29.00, 31.00]") and lines[0][2] == "660"


def test_places_go_to_the_best_two_values_and_to_none_that_stands_alone():
    assert tables.places([3.0, None, 1.0, 1.0, 2.0], "less") == [None, None, 0, 0, 1]
    assert tables.places([3.0, None, 1.0, 1.0, 2.0], "more") == [0, None, None, None, 1]
    assert tables.places([3.0, 1.0], "") == tables.places([3.0, None], "more") == [None, None]


def test_one_model_alone_is_not_the_best_and_an_untrained_one_is_called_so():
    text = tables.table([result("fresh", psnr=30.0)])
    assert "**30" not in text and "fresh (untrained)" in text and "Note: Only 32 samples." in text


def test_the_papers_row_stands_below_only_for_its_own_protocol():
    speed = {
        "clips": [4, 17, 256, 256],
        "warmup": 50,
        "repeats": 100,
        "device": "cpu",
        "memory_of": "program",
        "iterations_per_second": 0.5,
        "gib": 8.0,
    }
    of_paper = result("mine", "wan2.1", "k400-recon-256", speed, rfvd=3.0, psnr=33.0)
    heads, _, _, paper = rows_of(tables.table([of_paper]))
    assert heads[3:] == ["rFVD", "PSNR", "it/s", "GiB"]
    assert paper == ["- the paper", "", "", "2.92", "33.21", "0.6", "6.77"]
    changed = result("mine", "wan2.1", "k400-recon-256+videos=10", speed, rfvd=3.0, psnr=33.0)
    assert "the paper" not in tables.table([changed])
    of_paper["protocol"]["through"] = {"name": "wan2.1", "sha256": "c" * 64}
    through = tables.table([of_paper])
    assert "the paper" not in through and "distances to what wan2.1 makes of the clips" in through


def test_other_protocols_get_a_table_of_their_own_and_a_sentence():
    one, other = result("a", psnr=30.0), result("b", psnr=31.0)
    other["protocol"] |= {"frames": 9, "list_sha256": "b" * 64}
    text = tables.compared([one, other, result("c", psnr=29.0)])
    first, told, *_ = text.split("\n\nNot to be compared")
    assert "a" in first and "| c |" in first and "| b |" not in first
    assert "differs in frames: 17, 9; list_sha256: aaaaaaaaaaaa..., bbbbbbbbbbbb..." in told
