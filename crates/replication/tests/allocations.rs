//! What a write costs in memory: nothing of its own.

use testkit::machines::Machines;

const WARM_UP: u64 = 50;
const BATCHES: u64 = 100;

/// Allocations of `BATCHES` times `writes` deposits, once everything has the room it needs.
fn allocations(branches: u32, writes: u64) -> u64 {
    let mut machines = Machines::start(branches);
    for _ in 0..WARM_UP {
        machines.deposit(writes);
    }
    let before = machines.acknowledged;
    // What customers send is theirs.
    let batches: Vec<_> = (0..BATCHES).map(|_| machines.requests(writes)).collect();
    let counted = allocation_counter::measure(|| {
        for requests in batches {
            machines.submit(requests);
        }
    });
    assert_eq!(machines.acknowledged - before, BATCHES * writes);
    assert_eq!(machines.messages(), (WARM_UP + BATCHES) * u64::from(branches - 1) * 2);
    assert_eq!(machines.balances().len(), usize::try_from(branches).expect("few"));
    counted.count_total
}

#[test]
fn a_write_allocates_nothing_only_a_message_does() {
    for branches in [1, 3, 10] {
        let few = allocations(branches, 10);
        let many = allocations(branches, 1_000);
        assert_eq!(few, many, "{branches} branches: more writes in as many messages cost memory");
        let messages = BATCHES * u64::from(branches - 1) * 2;
        assert!(many <= 2 * messages + 4 * BATCHES, "{branches} branches: {many} allocations");
    }
}
