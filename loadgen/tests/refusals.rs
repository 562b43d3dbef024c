//! Bad arguments and bad input: one clear message, exit code 2, nothing written.

mod support;

use std::fs;

use support::{EXERCISE, code, folder, json, run, stderr, stdout, write};

#[test]
fn bad_input_is_refused_with_one_message_and_no_output() {
    let bad = [
        ("", "in.json:1:1: the file is empty"),
        ("not json", "in.json:1:"),
        (&EXERCISE[..200], "in.json:4:77: the file ends here"),
        ("[1, 2]", "in.json:1:2: found a number"),
        ("[]", "there is no branch"),
        (
            r#"[{"id":1,"type":"branch","balance":1},{"id":2,"type":"branch","balance":2}]"#,
            "same balance",
        ),
        (r#"[{"id":1,"type":"branch","balance":1},{"id":1,"type":"branch","balance":1}]"#, "twice"),
        (
            r#"[{"id":9,"type":"customer","events":[{"interface":"query"}]},{"id":1,"type":"branch","balance":1}]"#,
            "customer 9, event 1: there is no branch 9",
        ),
    ];
    for (text, expected) in bad {
        let home = folder();
        write(&home, "in.json", text);
        let ran = run(&home, &["replay", "in.json", "-o", "out.json", "--out", "run"]);
        let said = stderr(&ran);
        assert_eq!(code(&ran), 2, "{text}: {said}");
        assert!(said.starts_with("error: in.json"), "{said}");
        assert!(said.contains(expected), "{said} lacks {expected}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(stdout(&ran), "");
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1, "only in.json");
    }
}

#[test]
fn an_unreadable_input_and_a_folder_are_refused() {
    let home = folder();
    for (path, expected) in [("nowhere.json", "cannot be read"), (".", "is a folder")] {
        let ran = run(&home, &["replay", path]);
        assert_eq!(code(&ran), 2);
        assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
    }
}

#[test]
fn bad_arguments_are_refused() {
    let bad: [&[&str]; 21] = [
        &["--customers", "20001"],
        &["--target", ""],
        &["--target", "http://127.0.0.1:1"],
        &["--target", "127.0.0.1:1,"],
        &["--target", "127.0.0.1:99999"],
        &["--customers", "0"],
        &["--customers", "many"],
        &["--custommers", "5"],
        &["--mix", "1:2"],
        &["--roam", "2"],
        &["--branches", "0"],
        &["--opening-balance", "-1"],
        &["--seed", "x"],
        &["--duration", "soon"],
        &["--duration", "0s"],
        &["--events", "5", "--duration", "5s"],
        &["--trace-sample", "2"],
        &["--timeout", "0s"],
        &["--ack", "most"],
        &["--target", "127.0.0.1:1", "--fanout", "parallel"],
        &["--target", "127.0.0.1:1", "--branches", "1"],
    ];
    for arguments in bad {
        let home = folder();
        let ran = run(&home, arguments);
        assert_eq!(code(&ran), 2, "{arguments:?}: {}", stderr(&ran));
        assert!(stderr(&ran).starts_with("error: "), "{}", stderr(&ran));
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 0, "{arguments:?}");
    }
}

#[test]
fn an_option_of_another_program_is_one_message_with_ours() {
    let home = folder();
    for (arguments, expected) in [
        (&["-n", "100"][..], "--events N"),
        (&["--customers", "3", "--threads", "4"], "--customers N"),
        (&["--host=localhost"], "--target HOST:PORT"),
        (&["replay", "--vus", "3", "in.json"], "loadgen without a command has --customers N"),
    ] {
        let ran = run(&home, arguments);
        let message = stderr(&ran);
        assert_eq!(code(&ran), 2, "{message}");
        assert!(message.starts_with("error: unknown option "), "{message}");
        assert!(message.contains(expected), "{message} lacks {expected}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!message.contains("similar"), "{message}");
    }
}

#[test]
fn shares_and_addresses_are_taken_as_people_write_them() {
    let home = folder();
    for arguments in [
        ["--roam", "0.2", "--trace-sample", "0.01", "--metrics-listen", "localhost:0"],
        ["--roam", "20%", "--trace-sample", "1%", "--metrics-listen", "127.0.0.1:0"],
    ] {
        let work = ["--customers", "2", "--events", "2", "--seed", "7", "--quiet"];
        let ran = run(&home, &[&work[..], &arguments].concat());
        assert_eq!((code(&ran), stdout(&ran).as_str()), (0, "pass, seed 7\n"), "{}", stderr(&ran));
        let summary = json(&home.path().join("passbook-run/summary.json"));
        assert_eq!(summary["workload"]["roam"], 0.2, "{summary}");
    }
    for (arguments, expected) in [
        (["--roam", "20"], "expected a share such as 20% or 0.2"),
        (["--trace-sample", "101%"], "expected a share such as 20% or 0.2"),
        (["--metrics-listen", "9464"], "expected HOST:PORT"),
    ] {
        let ran = run(&home, &arguments);
        assert_eq!(code(&ran), 2, "{arguments:?}");
        assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
    }
}

#[test]
fn an_out_folder_that_is_no_run_is_left_alone() {
    let home = folder();
    fs::create_dir(home.path().join("work")).expect("made");
    let thesis = write(&home, "work/thesis.txt", "precious");
    for (out, reason) in
        [("work", "it holds thesis.txt"), (".", "runs in"), ("no/such", "cannot be made")]
    {
        let ran = run(&home, &["--customers", "1", "--events", "1", "--out", out]);
        assert_eq!(code(&ran), 2, "{}", stderr(&ran));
        assert!(stderr(&ran).contains(reason), "{}", stderr(&ran));
    }
    assert_eq!(fs::read_to_string(thesis).expect("there"), "precious");
}

#[test]
fn a_target_where_nobody_listens_cannot_be_run() {
    let home = folder();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound").to_string();
    drop(free);
    let ran = run(&home, &["--customers", "1", "--target", &address]);
    assert_eq!(code(&ran), 1, "{}", stderr(&ran));
    assert!(stderr(&ran).contains(&address), "{}", stderr(&ran));
    assert!(!home.path().join("passbook-run").exists());
}

#[test]
fn an_endpoint_that_is_none_is_refused_before_anything_runs() {
    let home = folder();
    let ran = support::loadgen(&home)
        .args(["--customers", "1"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317")
        .output()
        .expect("ran");
    assert_eq!(code(&ran), 2);
    assert!(stderr(&ran).contains("http://localhost:4317"), "{}", stderr(&ran));
}

#[test]
fn a_failed_run_leaves_the_run_before_as_it_was() {
    let home = folder();
    let ran = run(&home, &["--customers", "2", "--events", "2"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let summary = home.path().join("passbook-run/summary.json");
    let before = json(&summary);
    let ran = run(&home, &["--customers", "2", "--target", "127.0.0.1:1", "--timeout", "1s"]);
    assert_eq!(code(&ran), 1);
    assert_eq!(json(&summary), before);
}

#[test]
fn an_output_that_would_destroy_something_is_refused() {
    let home = folder();
    let input = write(&home, "in.json", EXERCISE);
    let ran = run(&home, &["replay", "in.json", "-o", "in.json"]);
    assert_eq!(code(&ran), 2, "{}", stderr(&ran));
    assert_eq!(fs::read_to_string(input).expect("there"), EXERCISE);
    let ran = run(&home, &["replay", "in.json", "--out", "run"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let ran = run(&home, &["replay", "in.json", "--out", "run", "-o", "run/more.json"]);
    assert_eq!(code(&ran), 2, "{}", stderr(&ran));
    assert!(stderr(&ran).contains("is in the run folder"), "{}", stderr(&ran));
    let ran = run(&home, &["replay", "in.json", "-o", "-"]);
    assert_eq!(code(&ran), 2, "{}", stderr(&ran));
    assert!(!home.path().join("-").exists(), "no file with the name of a stream");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_refused_before_the_run() {
    let home = folder();
    write(&home, "in.json", EXERCISE);
    std::os::unix::fs::symlink("missing/out.json", home.path().join("link")).expect("linked");
    for output in ["/proc/out.json", "link"] {
        let ran = run(&home, &["replay", "in.json", "-o", output]);
        assert_eq!(code(&ran), 2, "{}", stderr(&ran));
        let expected = format!("error: cannot write {output}: No such file");
        assert!(stderr(&ran).starts_with(&expected), "{}", stderr(&ran));
        assert_eq!(stdout(&ran), "", "nothing ran");
    }
}

#[cfg(unix)]
#[test]
fn missing_folder_for_temporary_files_is_named() {
    let home = folder();
    write(&home, "in.json", EXERCISE);
    let mut command = support::loadgen(&home);
    let ran = command.args(["replay", "in.json"]).env("TMPDIR", "missing").output().expect("ran");
    assert_eq!(code(&ran), 2, "{}", stderr(&ran));
    assert_eq!(
        stderr(&ran),
        "error: temporary folder in missing cannot be made: No such file or directory (os error 2); set TMPDIR to a \
         folder that can be written, or give --out\n"
    );
}

#[test]
fn opening_balance_beyond_the_wire_is_refused() {
    let home = folder();
    let branch = r#"[{"id":1,"type":"branch","balance":2147483648}]"#;
    write(&home, "in.json", branch);
    for wire in ["bank", "bankservice"] {
        let small =
            ["--customers", "1", "--events", "1", "--mix", "0:0:1", "--out", "run", "--wire", wire];
        let most = run(&home, &[&small[..], &["--opening-balance", "2147483647"]].concat());
        assert_eq!(code(&most), 0, "{}", stderr(&most));
        let beyond = run(&home, &[&small[..], &["--opening-balance", "2147483648"]].concat());
        let in_file = run(&home, &["replay", "in.json", "--wire", wire]);
        for refused in [beyond, in_file] {
            assert_eq!(code(&refused), 2, "{}", stderr(&refused));
            let expected = format!("error: --wire {wire} carries balances up to 2,147,483,647; ");
            assert!(stderr(&refused).starts_with(&expected), "{}", stderr(&refused));
        }
    }
}

#[test]
fn a_taken_metrics_port_is_said_before_anything_runs() {
    let home = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let ran = run(&home, &["--customers", "1", "--metrics-listen", &address]);
    assert_eq!(code(&ran), 1);
    assert!(stderr(&ran).contains("--metrics-listen"), "{}", stderr(&ran));
    assert!(!home.path().join("passbook-run").exists());
}

#[test]
fn more_branches_than_there_are_sockets_for_are_refused() {
    let home = folder();
    let branch = |id: u32| format!(r#"{{"id":{id},"type":"branch","balance":0}}"#);
    let branches: Vec<String> = (1..=301).map(branch).collect();
    write(&home, "in.json", &format!("[{}]", branches.join(",")));
    let ran = run(&home, &["replay", "in.json"]);
    assert_eq!(code(&ran), 1, "{}", stderr(&ran));
    assert!(stderr(&ran).contains("301 branches"), "{}", stderr(&ran));
}
