//! Compiles the contracts in `proto/` without protoc: protox parses them, tonic-prost-build writes the code.

use std::error::Error;

const CONTRACTS: [&str; 3] =
    ["passbook/v1/bank.proto", "passbook/v1/peer.proto", "passbook/v1/inspect.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(CONTRACTS, ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    // The whole folder, so that a new import is seen as well.
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
