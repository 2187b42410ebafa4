# What CI runs, step by step. The commands themselves are in .ci/run, which needs no just.

# All steps.
all:
    .ci/run

# README.md begins with the commands that CI runs.
readme:
    .ci/run readme

fmt:
    .ci/run fmt

lint:
    .ci/run lint

# All tests, with those that need skopeo, umoci and strace.
test:
    .ci/run test

doc:
    .ci/run doc

# The oldest Rust that is promised compiles it.
msrv:
    .ci/run msrv

# The static program and its Debian package.
package:
    .ci/run package

# The main job, on layouts of other tools.
tour:
    .ci/run tour

bench-small:
    .ci/run bench-small

# The fuzz targets compile.
fuzz-build:
    .ci/run fuzz-build

# Licences, duplicates and sources of dependencies.
deny:
    .ci/run deny

# Writes manual pages, completions and the output of examples anew.
generated:
    .ci/run generated
