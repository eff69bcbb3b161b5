//! The bench measures something, in little: what it says is not looked at, that it says it is.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn every_figure_has_a_value() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    let program = bench.with_file_name("socketmaster");
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("figures.json");
    let output = Command::new(bench)
        .args(["--quick", "--program"])
        .arg(program)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let (table, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{table}");
    let figures: Vec<Value> = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert!(figures.len() > 40, "{table}");
    for figure in figures {
        assert!(figure["value"].is_f64(), "{figure}");
        assert!(table.contains(figure["name"].as_str().unwrap()), "{table}");
    }
}
