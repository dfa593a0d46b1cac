use super::*;
use crate::testing::procedure;

const fn two(rank: usize) -> Together {
    Together { rank, size: 2 }
}

/// Without a launcher nothing is sent, and nothing changes.
#[test]
fn a_process_alone_keeps_what_it_has() {
    let alone = Together::current();
    assert!(alone == Together::ALONE && alone.share() == Share::WHOLE);
    let mut values = [1.5, -2.0];
    alone.sum(&mut values);
    assert_eq!((values, alone.broadcast(0, vec![1, 2])), ([1.5, -2.0], vec![1, 2]));
    assert_eq!((alone.any(true), alone.any(false)), (true, false));
    let wrong = || Err::<usize, _>(Problems::one("here", "wrong"));
    assert_eq!((alone.first(wrong), alone.agree(wrong())), (wrong(), wrong()));
    assert_eq!(alone.first(|| Ok(3)), Ok(3));
}

#[test]
fn batches_that_do_not_divide_are_told_with_what_would() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = procedure(folder.path(), "out");
    assert_eq!(two(1).check(&config), Ok(()));
    let five = Together { rank: 0, size: 5 };
    let told = five.check(&config).unwrap_err();
    assert_eq!(told.0.len(), 4);
    assert!(told.to_string().starts_with("steps[0].batch: 12 pictures"), "{told}");
    assert!(told.to_string().contains("take 10 or 15, or another number of processes"), "{told}");
    let told = Together { rank: 0, size: 20 }.check(&config).unwrap_err().to_string();
    assert!(told.contains("take 20, or"), "{told}");
    config.device = "wgpu".into();
    let told = two(0).check(&config).unwrap_err().to_string();
    assert!(told.starts_with("device: `wgpu`: several processes train on `cpu` only"), "{told}");
    assert_eq!(Together::ALONE.check(&config), Ok(()));
}

#[test]
fn what_all_processes_say_is_told_once() {
    let problem = |place: &str| Problems::one(place, "wrong").0.remove(0);
    let all = [vec![problem("file")], vec![problem("file"), problem("device")]];
    let told: Vec<String> = merged(&all).0.into_iter().map(|problem| problem.place).collect();
    assert_eq!(told, ["file", "process 1: device"]);
}
