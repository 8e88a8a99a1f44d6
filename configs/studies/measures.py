"""What is read off a finished cell: each figure, in which step's files it stands, how it is told.

Primary are those that a question is decided by (docs/results/README.md).
"""

from pv_vae_jax.study.plan import Measure

PRIMARY = ("kvd", "kvd_through", "flow_epe", "features_flow_epe")
_PROBES = "analyses/model/probes_latents/finding.json"
_FEATURES = "analyses/model/probes_features/finding.json"


def figure(
    title: str, kind: str, file: str, name: str, better: str = "less", digits: int = 3
) -> Measure:
    """A figure of a JSON file with intervals: ``figures/NAME/value``."""
    return Measure(title, kind, file, ("figures", name, "value"), better, digits)


MEASURES = {
    "kvd": figure("KVD", "generation", "result/videos/results.json", "kvd", digits=2),
    "fvd": figure("FVD", "generation", "result/videos/results.json", "fvd", digits=1),
    "kvd_through": figure(
        "KVD to reconstructions", "through", "result/videos/results.json", "kvd", digits=2
    ),
    "fvd_through": figure(
        "FVD to reconstructions", "through", "result/videos/results.json", "fvd", digits=1
    ),
    "flow_epe": figure("flow probe, EPE", "analyses", _PROBES, "flow_epe"),
    "next_mse": figure("next frame probe, MSE", "analyses", _PROBES, "next_frame_mse", digits=4),
    "tracking_area": figure("tracking probe, AUC", "analyses", _PROBES, "tracking_area", "more", 2),
    "features_flow_epe": figure("generator's flow probe, EPE", "analyses", _FEATURES, "flow_epe"),
    "features_next_mse": figure(
        "generator's next frame probe, MSE", "analyses", _FEATURES, "next_frame_mse", digits=4
    ),
    "features_tracking_area": figure(
        "generator's tracking probe, AUC", "analyses", _FEATURES, "tracking_area", "more", 2
    ),
    "prediction_mse": figure(
        "prediction MSE",
        "analyses",
        "analyses/model/prediction/finding.json",
        "prediction",
        digits=4,
    ),
    "ltd": figure(
        "adjacent LTD / sqrt(c)",
        "analyses",
        "analyses/model/ltd/finding.json",
        "adjacent_median_scaled",
        "",
        3,
    ),
    "psnr": figure("PSNR", "reconstruction", "result/model/results.json", "psnr", "more", 2),
    "lpips": figure("LPIPS", "reconstruction", "result/model/results.json", "lpips"),
    "rfvd": figure("rFVD", "reconstruction", "result/model/results.json", "rfvd", digits=1),
    "live_psnr": figure(
        "PSNR, live action", "live", "result/model/results.json", "psnr", "more", 2
    ),
    "live_lpips": figure("LPIPS, live action", "live", "result/model/results.json", "lpips"),
}
