//! Runs against a cluster that runs already.

mod support;

use bank::{BranchId, Money};
use passbook::cluster::{Cluster, ClusterSpec};
use replication::{Fanout, Locking, Scheme};
use support::{ROAMING, code, folder, json, run, stderr, stdout, write};

fn cluster(branches: u32, opening: i64) -> (Cluster, Vec<String>) {
    let ids = (1..=branches).map(BranchId).collect();
    let scheme = Scheme::Broadcast { fanout: Fanout::Sequential, locking: Locking::Unlocked };
    let spec = ClusterSpec::new(ids, Money::new(opening), scheme);
    let cluster = Cluster::start(&spec).expect("started");
    let addresses = cluster.addresses().iter().map(|(_, address)| address.to_string()).collect();
    (cluster, addresses)
}

#[test]
fn synthetic_customers_take_the_running_clusters_balance_and_leave_it_for_the_next_run() {
    let (cluster, addresses) = cluster(3, 5_000);
    let home = folder();
    let target = addresses.join(",");
    for _ in 0..2 {
        let arguments = ["--customers", "1", "--events", "30", "--target", &target];
        let ran = run(&home, &arguments);
        assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    }
    let summary = json(&home.path().join("passbook-run/summary.json"));
    assert_eq!(summary["cluster"]["branches"], 3);
    assert_ne!(
        summary["cluster"]["opening_balance"], 5_000,
        "the second run began where the first ended"
    );
    cluster.end().expect("ended well");
}

#[test]
fn a_replay_needs_the_files_balance_and_the_files_order() {
    let (cluster, addresses) = cluster(2, 0);
    let home = folder();
    write(&home, "input.json", ROAMING);
    write(&home, "richer.json", &ROAMING.replace("\"balance\": 0", "\"balance\": 7"));
    let replay = |input: &str, target: &str| run(&home, &["replay", input, "--target", target]);
    let refused = [
        ("richer.json", addresses.join(","), "the run is to begin at 7"),
        ("input.json", format!("{},{}", addresses[1], addresses[0]), "in the order of the file"),
        ("input.json", addresses[0].clone(), "give 2"),
    ];
    for (input, target, expected) in refused {
        let ran = replay(input, &target);
        assert_eq!(code(&ran), 1, "{}", stdout(&ran));
        assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
        assert!(!home.path().join("output.json").exists());
    }
    let ran = replay("input.json", &addresses.join(","));
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    cluster.end().expect("ended well");
}

#[test]
fn a_part_of_a_cluster_is_refused() {
    let (cluster, addresses) = cluster(3, 100);
    let home = folder();
    let target = addresses[..2].join(",");
    let ran = run(&home, &["--customers", "1", "--target", &target]);
    assert_eq!(code(&ran), 1);
    assert!(stderr(&ran).contains("all branches of one cluster"), "{}", stderr(&ran));
    cluster.end().expect("ended well");
}
