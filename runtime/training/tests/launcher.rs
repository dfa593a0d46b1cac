//! A program without the feature `mpi` under MPI's launcher.
#![cfg(not(feature = "mpi"))]

mod small;

use std::process::{Command, Output};

use small::{IDX, PROGRAM, told, write_config, write_data};

/// One process says what is wrong, and how to do it right; the others are silent and leave it to the first to fail. Nothing
/// is written.
#[test]
fn several_processes_need_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 30);
    write_config(folder, "out", IDX);
    let run = |variables: [(&str, &str); 2]| -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(["run", "out.toml"]).current_dir(folder).envs(variables).output().unwrap()
    };
    for (size, rank) in [("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK")] {
        let first = run([(size, "2"), (rank, "0")]);
        assert_eq!(first.status.code(), Some(1));
        let text = told(&first);
        assert!(
            text.contains("2 processes were started, but this program was built without the feature `mpi`"),
            "{text}"
        );
        assert!(text.contains("--features mpi") && text.lines().count() == 1, "{text}");
        let second = run([(size, "2"), (rank, "1")]);
        assert_eq!((second.status.code(), told(&second).as_str()), (Some(0), ""));
        assert!(!folder.join("out").exists());
    }
    // One process is what it is without a launcher.
    let alone = run([("OMPI_COMM_WORLD_SIZE", "1"), ("OMPI_COMM_WORLD_RANK", "0")]);
    assert!(alone.status.success(), "{}", told(&alone));
}
