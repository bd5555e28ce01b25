#!/bin/bash
# usage: go.sh PRIO CORES LOG CMD...
echo $1 > /proc/self/autogroup; shift
c=$1; shift; l=$1; shift
exec taskset -c $c "$@" >>$l 2>&1
