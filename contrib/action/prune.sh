#!/usr/bin/env bash
# Prunes the layouts in LAYOUTS, a layout or a directory above some, with ARGUMENTS. Nothing else
# writes there in a job, so there is nothing to wait for: --grace 0s, unless ARGUMENTS have another.
set -euo pipefail

report=$RUNNER_TEMP/ocirm-prune.json
echo "report=$report" >>"$GITHUB_OUTPUT"
# shellcheck disable=SC2153
read -r -a arguments <<<"${ARGUMENTS//[[:space:]]/ }"
# The text and not the array: in the bash of macOS an array that is empty counts as unset.
case " ${ARGUMENTS//[[:space:]]/ }" in
    *' --grace'*) ;;
    *) arguments+=(--grace 0s) ;;
esac
status=0
ocirm prune --force --recursive "$LAYOUTS" --format json "${arguments[@]}" >"$report" || status=$?
cat "$report"
exit "$status"
