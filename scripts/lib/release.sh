# shellcheck shell=bash
# What a release is named after. Sourced in the repository's root, not run.

# Sets version, commit, maintainer, and SOURCE_DATE_EPOCH, which many tools heed: the commit's time.
# shellcheck disable=SC2034 # they are for others
release_facts() {
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    commit=$(git rev-parse HEAD)
    maintainer=$(git log -1 --format='%an <%ae>')
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    export SOURCE_DATE_EPOCH
}

# The targets that scripts/build knows.
build_targets() {
    grep -o '[a-z0-9_]*-unknown-linux-musl[a-z]*' scripts/build | awk '!seen[$0]++'
}
