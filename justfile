# Lists the recipes.
default:
    @just --list

# Checks format, lints, docs, dependencies and tests. Changes no file.
verify:
    .ci/verify

# Formats, and applies what clippy can repair.
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# Accepts what the programs print now as their snapshots. Review the difference.
accept:
    INSTA_UPDATE=always cargo test --test cli

# Runs everything that CI runs; installs what the tests need.
ci:
    .ci/run
