#!/bin/bash
# sbatch examples/cluster/slurm.sh: one process a node, with all of its cores.
#SBATCH --job-name=innerloop
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --requeue

# The package with its MPI addon (npm run build:mpi), the configuration and its data lie on a file system of all nodes.
# A job that is ended and queued again goes on from its last checkpoint, on however many nodes it then has.
set -euo pipefail
output=runs/cluster
start=$([ -e "$output/checkpoint.safetensors" ] && echo --resume || true)
srun --mpi=pmix npx innerloop train --config train.json --output "$output" $start \
  --ranks "$SLURM_NTASKS" --threads "$SLURM_CPUS_PER_TASK" --checkpoint-steps 200 --rank-timeout 60
