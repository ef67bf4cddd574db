#!/bin/sh
# `exec` makes Node the process that gets the container's SIGTERM, and so the one that drains.
set -eu
cd /app
case "$1" in
  api | worker)
    role=$1
    shift
    exec node "apps/$role/main.ts" "$@"
    ;;
  *) exec node apps/cli/main.ts "$@" ;;
esac
