//! Whatever bytes stand in an input or an output file: an answer or a message, never a panic.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use check::{final_balance, sequential};
use exercise::{Input, Received};
use check::pair_with;

fuzz_target!(|data: &[u8]| {
    // One file may be both; a byte that text never holds parts two.
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(data));
    let input = Input::parse(Path::new("input"), first);
    let received = Received::parse(Path::new("output"), second);
    if let (Ok((input, _)), Ok(received)) = (input, received) {
        received.excerpts(input.events().count());
        received.with_omitted_zeros();
        let paired = pair_with(&input, &received);
        let operations = paired.operations.iter().copied().enumerate();
        sequential(input.opening, operations.clone());
        final_balance(input.opening, operations);
    }
});
