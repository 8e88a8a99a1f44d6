#!/usr/bin/env bash
# From a fresh machine with Python to a trained model and pictures of what it predicts.
#
#   launch/quickstart.sh [--python X.Y]
#
# Makes the environment, fetches three real clips (2 MB), trains configs/quickstart.py, exports the
# model, reconstructs and predicts.  Run it again and it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh

version=
case "${1:-}" in
--python) version=${2:?--python needs a version, such as 3.13} ;;
"") ;;
*) sed -n '2,7s/^# \{0,1\}//p' launch/quickstart.sh; exit ;;
esac

begin=$SECONDS
run=runs/quickstart
export=exports/quickstart.npz
clips=data_cache/clips

echo "1/5 environment"
make_environment "$version"

echo "2/5 real clips"
config=configs/quickstart.py
input=$clips
"$PYTHON" -m launch.fetch clips --dir "$clips" || {
  [ $? -eq 3 ] || exit 2
  echo "going on with rendered clips alone."
  config=configs/quickstart.py:rendered
  run=$run-rendered
  input=
}

echo "3/5 training (two stages, about 7 minutes on 2 cores)"
"$PYTHON" -m launch.train --config="$config" --workdir="$run" --stopped_code=130

echo "4/5 export to NumPy"
mkdir -p exports
"$PYTHON" -m launch.export --workdir "$run" --out "$export"

echo "5/5 reconstruction and prediction"
if [ -n "$input" ]; then
  "$PYTHON" -m launch.reconstruct --model "$export" --input "$input" --out "$run/reconstructions" \
    --observe 5 --frames 9 --size 32
fi

echo
echo "done in $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s"
echo "held-out clips, original | reconstruction | prediction: $run/pictures/final/"
[ -z "$input" ] || echo "the real clips, as strips and films:                   $run/reconstructions/"
echo "figures:                                               $run/results.json"
bin=$(dirname "${PYTHON#"$PWD"/}")
echo "curves:    $bin/python -m pip install tensorboard && $bin/tensorboard --logdir $run/tensorboard"
echo "the model: $bin/python -c 'import pv_vae_jax as pv; print(pv.load(\"$export\").spec)'"
