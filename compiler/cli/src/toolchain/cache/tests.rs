use std::path::Path;

use super::*;

/// A small network of the fixtures.
fn compiled(name: &str, zero: xnorc::Zeros) -> Output {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    xnorc::load(&model, xnorc::Config::new().standalone(true).probe(true).name("net").zero(zero)).unwrap()
}

#[test]
fn of_many_that_want_a_program_at_once_one_builds_it() {
    let home = tempfile::tempdir().unwrap();
    let cache = Cache::new(home.path().join("a/b"), Cache::MOST);
    let output = compiled("clip_ste_ts17.onnx", xnorc::Zeros::Plus);
    // What a run that was killed left, at another time of its work each.
    let entry = cache.folder.join(key(&Plans::new(&output, "net"), &build::version().unwrap()));
    std::fs::create_dir_all(&entry).unwrap();
    std::fs::write(entry.join(USED), "").unwrap();
    std::fs::create_dir(cache.folder.join("xnorc-killed")).unwrap();
    std::fs::write(cache.folder.join("xnorc-killed/.xnorc-lock"), "").unwrap();
    let kept = std::thread::scope(|scope| {
        let obtained =
            (0..4).map(|_| scope.spawn(|| obtain(&output, "net", Some(&cache)).unwrap())).collect::<Vec<_>>();
        obtained.into_iter().map(|it| it.join().unwrap().kept).collect::<Vec<_>>()
    });
    assert_eq!(kept.iter().filter(|kept| !**kept).count(), 1, "{kept:?}");
    let later = obtain(&output, "net", Some(&cache)).unwrap();
    assert!(later.kept && later.built.program.starts_with(&entry) && later.built.rustc_time > Duration::ZERO);
    let left: Vec<_> = std::fs::read_dir(&cache.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "a program and a lock: {left:?}");
    // Without a cache, and where it cannot be written, it is there for the moment.
    std::fs::write(home.path().join("file"), "").unwrap();
    let nowhere = Cache::new(home.path().join("file"), Cache::MOST);
    let once = obtain(&output, "net", Some(&nowhere)).unwrap();
    let program = once.built.program.clone();
    assert!(!once.kept && program.is_file());
    drop(once);
    assert!(!program.exists());
}

#[test]
fn another_part_is_another_program() {
    let plus = compiled("clip_ste_ts17.onnx", xnorc::Zeros::Plus);
    let plans = Plans::new(&plus, "net");
    let first = key(&plans, "rustc 1");
    assert_eq!(first, key(&Plans::new(&plus, "net"), "rustc 1"));
    assert_ne!(first, key(&plans, "rustc 2"));
    assert_ne!(first, key(&Plans::new(&plus, "other"), "rustc 1"));
    for file in 0..plans.files.len() {
        let mut other = Plans::new(&plus, "net");
        match other.files[file].1.last_mut() {
            Some(byte) => *byte ^= 1,
            None => other.files[file].1.push(0),
        }
        assert_ne!(first, key(&other, "rustc 1"), "{}", plans.files[file].0);
    }
}

#[test]
fn the_least_recently_used_go_and_what_is_in_use_stays() {
    let home = tempfile::tempdir().unwrap();
    let cache = Cache::new(home.path(), 250);
    let workshop = || Workshop::new(home.path()).unwrap();
    let put = |key: &str, age: u64| {
        let workshop = workshop();
        let program = workshop.path().join(build::PROGRAM);
        std::fs::write(&program, [0; 100]).unwrap();
        cache.keep(key, &Built { program, rustc_time: Duration::from_secs(1) }, &workshop).unwrap();
        let used = File::options().write(true).open(home.path().join(key).join(USED)).unwrap();
        used.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    };
    for (key, age) in [("a", 500), ("b", 400), ("c", 300), ("d", 200)] {
        put(key, age);
    }
    let there = || ["a", "b", "c", "d"].into_iter().filter(|key| home.path().join(key).is_dir()).collect::<String>();
    // Used now, and then no more; and in use.
    drop(cache.find("a").unwrap());
    let in_use = cache.find("b").unwrap();
    cache.trim(&workshop());
    assert_eq!(there(), "ab", "c and d are the oldest that are not in use");
    put("c", 0);
    put("d", 0);
    drop(in_use);
    cache.trim(&workshop());
    assert_eq!(there(), "cd");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2, "nothing stays of those that went");
}

#[test]
fn the_platforms_folder() {
    let of = |variables: &[(&str, &str)]| {
        folder_of_user(&|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into()))
    };
    assert_eq!(of(&[("XNORC_CACHE", "here"), ("HOME", "/home/me")]), Some("here".into()));
    if cfg!(all(unix, not(target_vendor = "apple"))) {
        assert_eq!(of(&[("HOME", "/home/me")]), Some("/home/me/.cache/xnorc".into()));
        assert_eq!(of(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "/c")]), Some("/c/xnorc".into()));
        assert_eq!(of(&[("XDG_CACHE_HOME", "relative")]), None);
    }
    assert_eq!(of(&[]), None);
}
