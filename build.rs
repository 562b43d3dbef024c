//! Compiles the contracts in `proto/` without protoc: protox parses them, tonic-prost-build writes the code.

use std::error::Error;
use std::path::Path;

const CONTRACTS: [&str; 5] = [
    "passbook/v1/bank.proto",
    "passbook/v1/peer.proto",
    "passbook/v1/inspect.proto",
    "exercise/bank.proto",
    "exercise/bankservice.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(CONTRACTS, ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    // What reflection answers with: without comments and positions.
    let mut compiler = protox::Compiler::new(["proto"])?;
    let encoded = compiler.open_files(CONTRACTS)?.encode_file_descriptor_set();
    let out = std::env::var_os("OUT_DIR").ok_or("cargo says where to write by OUT_DIR")?;
    std::fs::write(Path::new(&out).join("descriptors.bin"), encoded)?;
    // The whole folder, so that a new import is seen as well.
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
