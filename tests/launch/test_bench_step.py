"""The step that benchmarks of training time is that of a stage of a config."""

from launch.bench import stage_step
from tests.configs import smallest


def test_a_step_of_a_stage_is_built_run_and_counted():
    config = smallest.get_config().to_dict()
    step = stage_step.StageStep(config, "decoder", stage_step.bucket_of(config, "decoder", 0))
    assert step.run() > 0 and int(step.state.step) == 1
    assert step.run() > 0 and int(step.state.step) == 2
    assert step.flops > 1e6 and step.memory().arguments > 0
