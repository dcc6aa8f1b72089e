#!/bin/bash
# A campaign of the simulator on SLURM: one task of the array is one shard.
#
#   SYNOD=/shared/bin OUT=/shared/out sbatch deploy/slurm-array.sh
#
# and, when all have ended, `synod-harness report --merge /shared/out`; as a job of its own:
#
#   sbatch --dependency=afterany:JOB --wrap "/shared/bin/synod-harness report --merge /shared/out"
#
# SYNOD is the folder with synod-sim (`cargo build --release -p synod-simulated` makes it) and OUT
# one for the summaries, both seen by all machines. A campaign of another size changes --array and
# --shards together.
#SBATCH --job-name=synod-sim
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --time=02:00:00
set -euo pipefail
exec "$SYNOD/synod-sim" --seeds "${SEEDS:-16000}" --from "${FROM:-0}" \
    --jobs "${SLURM_CPUS_PER_TASK:-1}" --all-points \
    --shards 16 --shard-from SLURM_ARRAY_TASK_ID --summary-dir "$OUT"
