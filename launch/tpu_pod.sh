#!/usr/bin/env bash
# Trains on all hosts of a Cloud TPU pod slice, from your machine, with gcloud.
#
#   launch/tpu_pod.sh --name TPU --zone ZONE [--project PROJECT] [--dry-run] -- TRAIN FLAGS
#
#   launch/tpu_pod.sh --name v5p-128 --zone us-east5-a -- --config=configs/pv_vae_661m.py \
#     --workdir=gs://bucket/runs/full --config.data.videos=/mnt/videos
#
# Brings this commit (git bundle of HEAD) to every host, installs the package with the extra tpu,
# and runs `python -m launch.train --cluster=tpu` on all of them, each in a session that outlives the
# connection: log in ~/pv_vae_jax.log.  Run it again: what runs is stopped, saves, and goes on.  The
# compilation cache and the workdir are shared: give a gs:// workdir, or one on a file system that all
# hosts mount.  A host without Python 3.11 or later gets one by uv.
set -euo pipefail
cd "$(dirname "$0")/.."

name='' zone='' project='' dry=
while [ $# -gt 0 ]; do
  case $1 in
  --name) name=${2:?--name needs the name of a TPU} && shift 2 ;;
  --zone) zone=${2:?--zone needs a zone} && shift 2 ;;
  --project) project=${2:?--project needs a project} && shift 2 ;;
  --dry-run) dry=1 && shift ;;
  --) shift && break ;;
  --help | -h) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit ;;
  *) echo "error: unknown argument $1; flags of launch.train come after --." >&2 && exit 2 ;;
  esac
done
[ -n "$name" ] && [ -n "$zone" ] || { echo "error: --name and --zone are needed; see --help." >&2 && exit 2; }
workdir=
for argument in "$@"; do
  case $argument in --workdir=*) workdir=${argument#--workdir=} ;; esac
done
[ -n "$workdir" ] || { echo "error: --workdir=DIR is needed after --, on storage that all hosts share." >&2 && exit 2; }
case $workdir in
/* | *://*) ;;
*) echo "error: --workdir=$workdir is within the clone, which is replaced: give a URL or an absolute path." >&2 && exit 2 ;;
esac

where=(--zone="$zone" --worker=all)
[ -z "$project" ] || where+=(--project="$project")

run() {
  if [ -n "$dry" ]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

bundle=$(mktemp -d)/pv_vae_jax.bundle
trap 'rm -rf "$(dirname "$bundle")"' EXIT
[ -n "$dry" ] || git bundle create --quiet "$bundle" HEAD
run gcloud compute tpus tpu-vm scp "$bundle" "$name:pv_vae_jax.bundle" "${where[@]}"

python='$HOME/.venv-pv/bin/python'
train="'^[^ ]*python[^ ]* -u -m launch[.]train'" # not the shell whose command line this is
waited="for _ in \$(seq 300); do pgrep -f $train >/dev/null || break; sleep 1; done"
base='$(command -v python3.13 python3.12 python3.11 | head -n 1)'
steps=(
  "(pkill -TERM -f $train; $waited; pkill -KILL -f $train; true)"
  "rm -rf pv_vae_jax && git clone --quiet pv_vae_jax.bundle pv_vae_jax && cd pv_vae_jax"
  "if [ -n \"$base\" ]; then \"$base\" -m venv ~/.venv-pv; else python3 -m pip install --quiet --user uv && ~/.local/bin/uv venv --quiet --seed --allow-existing --python 3.12 ~/.venv-pv; fi"
  "$python -m pip install --quiet -c constraints.txt -e '.[tpu,gcs]'"
  "(JAX_COMPILATION_CACHE_DIR=$(printf %q "${JAX_COMPILATION_CACHE_DIR:-$workdir/xla_cache}") nohup setsid $python -u -m launch.train --cluster=tpu$(printf ' %q' "$@") >~/pv_vae_jax.log 2>&1 </dev/null &)"
)
command=$(printf ' && %s' "${steps[@]}")
run gcloud compute tpus tpu-vm ssh "$name" "${where[@]}" --command="${command# && }"
echo "running; follow it with: gcloud compute tpus tpu-vm ssh $name --zone=$zone --worker=0 --command='tail -f pv_vae_jax.log'"
