#!/usr/bin/env bash
# The newest end of what the package supports: its dependencies as they resolve today, on Node 24, in a copy without the lockfile.
# The lockfile on the Node of this machine is the other end.
#
#   ci-newest.sh install COPY           makes the copy, in an empty folder, and installs there
#   ci-newest.sh test COPY REPORT       runs the tests there, and leaves Jest's report in that file
set -euo pipefail

what=$1
copy=$2
cd "$(dirname "$0")/.."

# npm runs on the first node of the PATH, and picks the newest dependencies which that one can take.
newest=$(npx -y node@24 -p process.execPath)
PATH="$(dirname "$newest"):$PATH"
export PATH

if [ "$what" = install ]; then
  left_out=(node_modules .git dist build coverage package-lock.json)
  tar "${left_out[@]/#/--exclude=./}" -cf - . | tar -xf - -C "$copy"
  cd "$copy"
  echo "Node $(node --version), npm $(npm --version)"
  npm install --no-audit --no-fund
  npm ls --omit=dev --depth=0
  # Of OpenTelemetry's SDK there are two lines, which do not mix: the lockfile has the older one.
  for newer in api@1.10 sdk-metrics@3 sdk-trace@3; do npm ls --depth=0 "@opentelemetry/$newer"; done
  exit
fi

report=$3
cd "$copy"
npm run check:types
# The long attacks, the floods of tombstones and the texts are the same on every Node, the projects of test/package have the newest of
# everything in the other run, too, and the lockfile here is not the one that is kept. What the doctor asks of Redis it asks as the cache
# does, and the examples run what is built: they add nothing to the coverage, and the recipes alone depend on what is new.
floods=(test/attack/flood test/attack/recent-headers test/attack/known-users test/attack/shared-flood test/cache/shares test/cache/refusals)
texts=(test/words test/structure test/readme test/settings test/properties/config)
examples=(test/examples/demo test/examples/start)
not_here=(test/faults/ test/package/ test/cli/doctor-redis "${floods[@]}" "${texts[@]}" "${examples[@]}")
# What a property says of any text is the same on every Node: fewer texts are enough.
export PORTERO_PROPERTY_SHARE=0.6
least='{"global":{"lines":95,"branches":90}}'
npm test -- --ci --maxWorkers=2 --coverage --coverageThreshold="$least" --testPathIgnorePatterns "${not_here[@]}" \
  --json --outputFile="$report"
