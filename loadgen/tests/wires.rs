//! Runs by the contracts of other programs, on our own branches: what comes out is the same.

mod support;

use bank::{BranchId, Money};
use passbook::cluster::{Cluster, ClusterSpec};
use replication::{Fanout, Locking, Scheme};
use support::{EXERCISE, ROAMING, code, folder, json, run, stderr, stdout, write};
use tokio::net::TcpListener;

const FOREIGN: [&str; 2] = ["bank", "bankservice"];

/// Branches with these ids, and their addresses as `--target` takes them.
fn cluster(ids: &[u32], opening: i64) -> (Cluster, String) {
    let ids = ids.iter().copied().map(BranchId).collect();
    let scheme = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
    let spec = ClusterSpec::new(ids, Money::new(opening), scheme);
    let cluster = Cluster::start(&spec).expect("started");
    let addresses = cluster.addresses().iter().map(|(_, address)| address.to_string());
    let addresses = addresses.collect::<Vec<_>>().join(",");
    (cluster, addresses)
}

#[test]
fn a_replay_has_the_same_output_by_every_wire() {
    for input in [EXERCISE, ROAMING] {
        let home = folder();
        write(&home, "input.json", input);
        let output = |wire: &str| {
            let arguments =
                ["replay", "input.json", "--wire", wire, "--trace-sample", "100%", "-o", "out"];
            let ran = run(&home, &arguments);
            assert_eq!(code(&ran), 0, "{wire}: {}{}", stdout(&ran), stderr(&ran));
            // The spans know the operation where the method does not.
            assert!(stdout(&ran).contains("slowest of the traced writes"), "{}", stdout(&ran));
            json(&home.path().join("out"))
        };
        let own = output("passbook");
        for wire in FOREIGN {
            assert_eq!(output(wire), own, "{wire}");
        }
    }
}

#[test]
fn synthetic_customers_pass_by_every_wire_and_the_report_names_it() {
    for wire in FOREIGN {
        let home = folder();
        let arguments = ["--customers", "20", "--events", "10", "--wire", wire];
        let ran = run(&home, &arguments);
        assert_eq!(code(&ran), 0, "{wire}: {}{}", stdout(&ran), stderr(&ran));
        assert!(stdout(&ran).contains(&format!("wire {wire}")), "{}", stdout(&ran));
        let summary = json(&home.path().join("passbook-run/summary.json"));
        assert_eq!(summary["cluster"]["wire"], wire);
    }
}

#[test]
fn running_branches_are_judged_by_queries_alone() {
    for wire in FOREIGN {
        let (cluster, target) = cluster(&[1, 2, 3], 5_000);
        let home = folder();
        for _ in 0..2 {
            let arguments =
                ["--customers", "1", "--events", "20", "--wire", wire, "--target", &target];
            let ran = run(&home, &arguments);
            assert_eq!(code(&ran), 0, "{wire}: {}{}", stdout(&ran), stderr(&ran));
            let note = "in answers, and at the end in branches";
            let words: Vec<_> = stdout(&ran).split_whitespace().map(str::to_owned).collect();
            assert!(words.join(" ").contains(note), "{}", stdout(&ran));
            assert!(!stdout(&ran).contains("frames: "), "nobody tells them: {}", stdout(&ran));
            let summary = json(&home.path().join("passbook-run/summary.json"));
            assert_eq!(summary["cluster"]["frames_sent"], serde_json::Value::Null);
        }
        cluster.end().expect("ended well");
    }
}

#[test]
fn a_replay_takes_the_ids_of_the_file_and_needs_its_balance_and_count() {
    let (cluster, target) = cluster(&[345, 987], 400);
    let home = folder();
    let file = |name: &str, balance: &str| {
        let text = ROAMING.replace("\"balance\": 0", &format!("\"balance\": {balance}"));
        write(&home, name, &text);
    };
    file("input.json", "400");
    file("richer.json", "407");
    let replay = |input: &str, wire: &str, target: &str| {
        run(&home, &["replay", input, "--wire", wire, "--target", target])
    };
    for wire in FOREIGN {
        let ran = replay("richer.json", wire, &target);
        assert_eq!(code(&ran), 1, "{}", stdout(&ran));
        assert!(stderr(&ran).contains("holds 400, but the run is to begin at 407"), "{wire}");
        let ran = replay("input.json", wire, target.split(',').next().expect("one"));
        assert_eq!(code(&ran), 1, "{}", stdout(&ran));
        assert!(stderr(&ran).contains("1 addresses for the 2 branches"), "{}", stderr(&ran));
        assert!(!home.path().join("output.json").exists());
    }
    // The file's branches are 1 and 2: here they are only names for the addresses.
    let ran = replay("input.json", "bank", &target);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    cluster.end().expect("ended well");
}

#[test]
fn branches_that_differ_or_speak_something_else_are_refused() {
    let (poor, at_poor) = cluster(&[1], 5);
    let (rich, at_rich) = cluster(&[1], 6);
    let home = folder();
    let target = format!("{at_poor},{at_rich}");
    let ran = run(&home, &["--customers", "1", "--wire", "bank", "--target", &target]);
    assert_eq!(code(&ran), 1, "{}", stdout(&ran));
    assert!(stderr(&ran).contains("holds 6, but branch 1 holds 5"), "{}", stderr(&ran));
    poor.end().expect("ended well");
    rich.end().expect("ended well");

    // It takes connections and says nothing at all.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let silent = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let target = silent.local_addr().expect("bound").to_string();
    let arguments = ["--customers", "1", "--wire", "bank", "-t", "200ms", "--target", &target];
    let ran = run(&home, &arguments);
    assert_eq!(code(&ran), 1, "{}", stdout(&ran));
    let said = stderr(&ran);
    assert!(said.contains("does not answer a query by --wire bank: no answer in time"), "{said}");
}

#[test]
fn what_a_wire_cannot_say_is_refused() {
    let home = folder();
    let ran = run(&home, &["--customers", "1", "--wire", "bank", "--ack", "local"]);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("cannot be asked for over --wire bank"), "{}", stderr(&ran));
    let ran = run(&home, &["--customers", "1", "--wire", "smoke"]);
    assert_eq!(code(&ran), 2);
    for name in ["passbook", "bank", "bankservice"] {
        assert!(stderr(&ran).contains(name), "{}", stderr(&ran));
    }
    let arguments =
        ["--customers", "1", "--events", "3", "--opening-balance", "2147483648", "--wire", "bank"];
    let ran = run(&home, &arguments);
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("balances up to 2,147,483,647"), "{}", stderr(&ran));
}

#[test]
fn branches_that_tell_each_other_nothing_fail() {
    // Each is a bank of its own, so that a write stays where it was made.
    let (one, at_one) = cluster(&[1], 400);
    let (two, at_two) = cluster(&[1], 400);
    let home = folder();
    write(&home, "input.json", &ROAMING.replace("\"balance\": 0", "\"balance\": 400"));
    let target = format!("{at_one},{at_two}");
    let ran = run(&home, &["replay", "input.json", "--wire", "bankservice", "--target", &target]);
    assert_eq!(code(&ran), 3, "{}{}", stdout(&ran), stderr(&ran));
    let report = stdout(&ran);
    assert!(report.contains("FAIL        convergence"), "{report}");
    assert!(report.contains("FAIL        conservation"), "{report}");
    one.end().expect("ended well");
    two.end().expect("ended well");
}
