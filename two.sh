#!/bin/bash
cd /work/build; rm -f two.sync
S=$(cat two.args)
OMP_NUM_THREADS=1 setsid ./go.sh ${1:-0} 0 D.log /work/main/.venv/bin/python run_two.py 0 $S </dev/null &
OMP_NUM_THREADS=1 setsid ./go.sh ${1:-0} 1 D1.log /work/main/.venv/bin/python run_two.py 1 $S </dev/null &
